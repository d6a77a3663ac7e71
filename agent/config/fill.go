package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Table is what is to stand in a section: by key a string, a bool or an int.
type Table map[string]any

// Fill returns the text of a configuration that is laid out like the example: what the
// tables have, by the names of their sections, and all other keys commented out.
func (l *Layout) Fill(head string, tables map[string][]Table) (string, error) {
	if err := l.knows(tables); err != nil {
		return "", err
	}
	out := &filling{defaults: map[string]string{}}
	for _, k := range Describe() {
		out.defaults[k.Section+"."+k.Name] = k.Default
	}
	out.WriteString(head)
	for _, s := range l.Sections {
		instances := tables[s.Name]
		off := s.Array && len(instances) == 0
		if len(instances) == 0 {
			instances = []Table{{}}
		}
		for i, t := range instances {
			out.WriteString(strings.Repeat("\n", max(s.blank, min(i, 1))))
			if err := out.section(s, t, off, i > 0); err != nil {
				return "", err
			}
		}
	}
	return out.String(), nil
}

// knows refuses what would be left out silently.
func (l *Layout) knows(tables map[string][]Table) error {
	keys := map[string]bool{}
	for _, k := range Describe() {
		keys[k.Section+"."+k.Name] = true
		if k.Section == "s3" {
			keys["mirror."+k.Name] = true
		}
	}
	for name, list := range tables {
		if !slices.ContainsFunc(l.Sections, func(s LayoutSection) bool { return s.Name == name }) {
			return fmt.Errorf("there is no section %s", name)
		}
		for _, t := range list {
			for key := range t {
				if !keys[name+"."+key] {
					return fmt.Errorf("section %s has no key %s", name, key)
				}
			}
		}
	}
	return nil
}

type filling struct {
	strings.Builder
	defaults map[string]string
}

// section writes a table with the keys of the example: all of them, or, of one of many,
// only those that are set.
func (f *filling) section(s LayoutSection, t Table, off, onlySet bool) error {
	rest := maps.Clone(t)
	header := strings.TrimPrefix(s.lines[0], "# ")
	if off {
		header = "# " + header
	}
	lines := append([]string{header}, s.lines[1:]...)
	if onlySet {
		lines = []string{"[[" + s.Name + "]]"}
	}
	for _, k := range s.Keys {
		value, set := t[k.Name]
		delete(rest, k.Name)
		switch {
		case set:
			line, err := keyLine(k.Name, value)
			if err != nil {
				return err
			}
			if !onlySet && k.Meaning != "" {
				line = fmt.Sprintf("%-43s # %s", line, strings.TrimSpace(k.firstMeaning()))
			}
			lines = append(lines, line)
			if !onlySet {
				lines = append(lines, k.lines[1:]...)
			}
		case onlySet:
		case k.Off:
			lines = append(lines, k.lines...)
		case off:
			lines = append(lines, append([]string{"# " + k.lines[0]}, k.lines[1:]...)...)
		default:
			lines = append(lines, append([]string{k.unset(f.defaults[s.Name+"."+k.Name])}, k.lines[1:]...)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		line, err := keyLine(name, rest[name])
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	f.WriteString(strings.Join(lines, "\n") + "\n")
	return nil
}

// firstMeaning is what is said of the key on its own line.
func (k LayoutKey) firstMeaning() string { return layoutKey.FindStringSubmatch(k.lines[0])[4] }

// unset is the line of a key that has a value in the example only.
func (k LayoutKey) unset(fallback string) string {
	line := fmt.Sprintf("# %s = %q", k.Name, fallback)
	if meaning := k.firstMeaning(); meaning != "" {
		line = fmt.Sprintf("%-43s # %s", line, meaning)
	}
	return line
}

func keyLine(name string, value any) (string, error) {
	text, err := toml.Marshal(map[string]any{name: value})
	if err != nil {
		return "", fmt.Errorf("write %s as TOML: %w", name, err)
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

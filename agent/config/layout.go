package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Layout is how agent.example.toml is laid out: a head for people, then sections in
// their order. Text leaves it as it was read.
type Layout struct {
	Head     string // comment lines, with their line breaks
	Sections []LayoutSection
}

// LayoutSection is a table, or an array of tables, and what is said of it.
type LayoutSection struct {
	Name    string // like upload.window
	Array   bool   // [[name]]
	Off     bool   // it is commented out: as many of it as are wanted
	Meaning string
	Keys    []LayoutKey

	lines []string // the header as it stands
	blank int      // empty lines in front of it
}

// LayoutKey is a key of a section.
type LayoutKey struct {
	Name    string
	Value   string // in TOML
	Off     bool   // it is commented out, and shows its default
	Meaning string

	lines []string
}

var (
	layoutSection = regexp.MustCompile(`^(# )?(\[\[?)([a-z0-9_.]+)\]\]?(?: +# (.*))?$`)
	layoutKey     = regexp.MustCompile(`^(# )?([a-z0-9_]+) *= ("(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^ #]+)(?: +# (.*))?$`)
	layoutMore    = regexp.MustCompile(`^ +# (.*)$`)
)

// ParseLayout reads a text that is laid out like agent.example.toml.
func ParseLayout(text string) (*Layout, error) {
	l, blank := &Layout{}, 0
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if s := layoutSection.FindStringSubmatch(line); s != nil {
			l.Sections = append(l.Sections, LayoutSection{
				Off: s[1] != "", Array: s[2] == "[[", Name: s[3], Meaning: s[4], lines: []string{line}, blank: blank,
			})
			blank = 0
			continue
		}
		switch {
		case line == "":
			blank++
		case len(l.Sections) == 0:
			l.Head += line + "\n"
		case !l.Sections[len(l.Sections)-1].take(line):
			return nil, fmt.Errorf("line %d is neither a section, a key nor more of a comment: %s", i+1, line)
		}
	}
	return l, nil
}

// take makes a line a key of the section, or more of what is said of the last thing.
func (s *LayoutSection) take(line string) bool {
	if k := layoutKey.FindStringSubmatch(line); k != nil {
		s.Keys = append(s.Keys, LayoutKey{Off: k[1] != "", Name: k[2], Value: k[3], Meaning: k[4], lines: []string{line}})
		return true
	}
	more := layoutMore.FindStringSubmatch(line)
	if more == nil {
		return false
	}
	if len(s.Keys) == 0 {
		s.lines, s.Meaning = append(s.lines, line), s.Meaning+" "+more[1]
		return true
	}
	k := &s.Keys[len(s.Keys)-1]
	k.lines, k.Meaning = append(k.lines, line), strings.TrimSpace(k.Meaning+" "+more[1])
	return true
}

// Text is the layout with nothing changed.
func (l *Layout) Text() string {
	var out strings.Builder
	out.WriteString(l.Head)
	for _, s := range l.Sections {
		out.WriteString(strings.Repeat("\n", s.blank) + strings.Join(s.lines, "\n") + "\n")
		for _, k := range s.Keys {
			out.WriteString(strings.Join(k.lines, "\n") + "\n")
		}
	}
	return out.String()
}

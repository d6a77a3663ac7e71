// Package setup makes a first configuration: what a person, or the predecessor's .env,
// says enters; a commented agent.toml and files with its secrets leave. It overwrites
// nothing, and what it writes is valid.
package setup

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	example "recording-agent"
	"recording-agent/agent/config"
)

// Draft is a configuration before it is written.
type Draft struct {
	By string // the command that writes it, told in the file's head

	tables  map[string][]config.Table
	secrets map[string]string // value by the name of its file
	dir     string            // of the configuration
}

// NewDraft begins a configuration that is to stand at path, which is made absolute.
func NewDraft(by, path string) (*Draft, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the directory of %s: %w", path, err)
	}
	return &Draft{By: by, dir: filepath.Dir(path), tables: map[string][]config.Table{}, secrets: map[string]string{}}, nil
}

// Set sets a key of a section that there is once.
func (d *Draft) Set(section, key string, value any) {
	if len(d.tables[section]) == 0 {
		d.Add(section)
	}
	d.tables[section][0][key] = value
}

// Default sets a key of a section that there is once, unless it is set.
func (d *Draft) Default(section, key string, value any) {
	if len(d.tables[section]) == 0 || d.tables[section][0][key] == nil {
		d.Set(section, key, value)
	}
}

// Add begins another table of a section.
func (d *Draft) Add(section string) config.Table {
	t := config.Table{}
	d.tables[section] = append(d.tables[section], t)
	return t
}

// Secret keeps a value for a file of its own, and returns what the configuration says
// in its place.
func (d *Draft) Secret(name, value string) (reference string) {
	d.secrets[name] = value
	return "file:" + d.secretPath(name)
}

// secretsDir is the directory beside the configuration that secrets are put into.
const secretsDir = "secrets"

func (d *Draft) secretPath(name string) string { return filepath.Join(d.dir, secretsDir, name) }

// text returns the configuration, and what the agent will say of it. Its error names
// everything that would not be valid.
func (d *Draft) text() (text string, c *config.Config, err error) {
	layout, err := config.ParseLayout(example.Text)
	if err != nil {
		return "", nil, err
	}
	_, about, _ := strings.Cut(layout.Head, "\n# A key that is commented out")
	head := fmt.Sprintf("# Configuration of the recording agent, written by %q.\n# A key that is commented out%s", d.By, about)
	if text, err = layout.Fill(head, d.tables); err != nil {
		return "", nil, err
	}
	env := config.System()
	inFile := env.ReadFile
	env.ReadFile = func(path string) ([]byte, error) {
		for name, value := range d.secrets {
			if path == d.secretPath(name) {
				return []byte(value), nil
			}
		}
		return inFile(path)
	}
	c, err = config.Parse("the configuration", []byte(text), env)
	return text, c, err
}

// secretNames are the names of the files, in order.
func (d *Draft) secretNames() []string { return slices.Sorted(maps.Keys(d.secrets)) }

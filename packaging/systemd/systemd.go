// Package systemd holds the agent's unit: the values of one host enter, the text
// of the unit file leaves.
package systemd

import (
	_ "embed"
	"fmt"
	"strings"
	"unicode"
)

//go:embed recording-agent.service
var template string

// Values are what differs from host to host. Paths are absolute.
type Values struct {
	Executable string
	Config     string
	User       string
	Writable   []string // data_dir, and where the log file stands
}

// Unit returns the unit file. It refuses paths with control characters.
func Unit(v Values) (string, error) {
	for _, path := range append([]string{v.Executable, v.Config}, v.Writable...) {
		if strings.ContainsFunc(path, unicode.IsControl) {
			return "", fmt.Errorf("path %q has a control character; systemd units cannot name it", path)
		}
	}
	var mounts, writable []string
	for _, path := range v.Writable {
		mounts = append(mounts, quote(path))
		// With "-" a missing directory does not keep the agent from starting and
		// saying itself what is wrong.
		writable = append(writable, quote("-"+path))
	}
	return strings.NewReplacer(
		"@EXECUTABLE@", strings.ReplaceAll(quote(v.Executable), "$", "$$"),
		"@CONFIG@", strings.ReplaceAll(quote(v.Config), "$", "$$"),
		"@USER@", v.User,
		"@MOUNTS@", strings.Join(mounts, " "),
		"@WRITABLE@", strings.Join(writable, " "),
	).Replace(template), nil
}

// quote keeps blanks, quotes and specifiers literal; see "QUOTING" in
// systemd.syntax(7) and "SPECIFIERS" in systemd.unit(5).
func quote(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(path) + `"`
}

// Package systemd holds the agent's unit: the values of one host enter, the text
// of the unit file, or of a drop-in to that of the package, leaves.
package systemd

import (
	_ "embed"
	"fmt"
	"strings"
	"unicode"
)

//go:embed recording-agent.service
var template string

// Header is how a unit begins that the agent has written.
const Header = `# Written by "recording-agent install"`

// Values are what differs from host to host. Paths are absolute.
type Values struct {
	Executable     string
	Config         string
	User           string
	Writable       []string // data_dir, and where the log file stands; the state directory need not be named
	CredentialsDir string   // where the files of Credentials lie
	Credentials    []string // names of secrets that only root can read
}

// Packaged are the values of the package's unit: the configuration is not known yet.
var Packaged = Values{Executable: "/usr/bin/recording-agent", Config: "/etc/recording-agent/agent.toml", User: "recording-agent"}

// Unit returns the unit file. It refuses paths with control characters.
func Unit(v Values) (string, error) {
	if err := v.check(); err != nil {
		return "", err
	}
	return strings.NewReplacer(
		"@EXECUTABLE@", strings.ReplaceAll(quote(v.Executable), "$", "$$"),
		"@CONFIG@", strings.ReplaceAll(quote(v.Config), "$", "$$"),
		"@USER@", v.User,
		"@MOUNTS@\n", v.mounts(),
		"@WRITABLE@\n", v.writable(),
		"@CREDENTIALS@\n", v.credentials(),
	).Replace(template), nil
}

// DropIn returns what a host's configuration adds to the package's unit. It refuses
// paths with control characters.
func DropIn(v Values) (string, error) {
	if err := v.check(); err != nil {
		return "", err
	}
	command := strings.ReplaceAll(quote(v.Executable)+" run --config "+quote(v.Config), "$", "$$")
	return Header + ", for what the configuration names.\n" +
		"[Unit]\n" + v.mounts() +
		"[Service]\nExecStart=\nExecStart=" + command + "\nUser=" + v.User + "\n" + v.writable() + v.credentials(), nil
}

func (v Values) check() error {
	for _, path := range append([]string{v.Executable, v.Config, v.User, v.CredentialsDir}, v.Writable...) {
		if strings.ContainsFunc(path, unicode.IsControl) {
			return fmt.Errorf("path %q has a control character; systemd units cannot name it", path)
		}
	}
	return nil
}

func (v Values) mounts() string {
	return setting("RequiresMountsFor", v.Writable, quote)
}

// writable has "-" before each path: so a missing directory does not keep the agent
// from starting and saying itself what is wrong.
func (v Values) writable() string {
	return setting("ReadWritePaths", v.Writable, func(path string) string { return quote("-" + path) })
}

func (v Values) credentials() string {
	var lines strings.Builder
	for _, name := range v.Credentials {
		fmt.Fprintf(&lines, "LoadCredential=%s:%s/%s\n", name, strings.ReplaceAll(v.CredentialsDir, "%", "%%"), name)
	}
	return lines.String()
}

// setting is a line of a unit, or none without values.
func setting(key string, paths []string, quoted func(string) string) string {
	if len(paths) == 0 {
		return ""
	}
	var values []string
	for _, path := range paths {
		values = append(values, quoted(path))
	}
	return key + "=" + strings.Join(values, " ") + "\n"
}

// quote keeps blanks, quotes and specifiers literal; see "QUOTING" in
// systemd.syntax(7) and "SPECIFIERS" in systemd.unit(5).
func quote(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(path) + `"`
}

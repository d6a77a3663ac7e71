package main

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf16"

	"recording-agent/agent/config"
)

// What Windows' service is like, whoever installs it: packaging/windows says the same,
// which a test compares.
const (
	serviceDisplayName = "Recording Agent"
	serviceDescription = "Records IP cameras and uploads the footage."

	// serviceAccount is one that Windows makes for this service. It has no password, and may do what
	// it is given.
	serviceAccount = `NT SERVICE\` + serviceName

	// serviceForgets is after how long without a failure the pauses begin anew.
	serviceForgets = 24 * time.Hour
	// servicePreshutdown is how long Windows waits before it shuts down; it needs one or two
	// seconds.
	servicePreshutdown = 30 * time.Second
)

// serviceRestarts are the pauses before the service is started again after a failure, the
// last of which is repeated for ever.
func serviceRestarts() []time.Duration {
	return []time.Duration{2 * time.Second, 10 * time.Second, time.Minute}
}

// serviceSID is the SID of a service's own account. It follows from the name, so that rights can be
// given to it before the service is there: [MS-DTYP] 2.4.2.4, "NT Service".
func serviceSID(service string) string {
	var name []byte
	for _, unit := range utf16.Encode([]rune(strings.ToUpper(service))) {
		name = binary.LittleEndian.AppendUint16(name, unit)
	}
	sum := sha1.Sum(name)
	sid := "S-1-5-80"
	for i := 0; i < len(sum); i += 4 {
		sid += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[i:]))
	}
	return sid
}

// wantsPassword says whether an account cannot be used without: those of the system, of services, and
// those whose password Windows manages (their names end with "$") can.
func wantsPassword(account string) bool {
	domain, name, found := strings.Cut(account, `\`)
	if !found {
		domain, name = "", account
	}
	switch strings.ToUpper(domain) {
	case "NT AUTHORITY", "NT SERVICE":
		return false
	}
	return !strings.HasSuffix(name, "$") && !strings.EqualFold(name, "LocalSystem")
}

// reachable is what the service's account has to be able to use.
type reachable struct {
	closed string   // the usual directory of configuration, data and log: for the account alone, and to write
	write  []string // directories: made where they are not there
	read   []string // files, and directories with all in them
	watch  []string // directories whose files may change
}

// servicePlaces lists that. usual is the directory of the configuration, data and log where nothing
// else is said.
func servicePlaces(cfg *config.Config, executable, usual string) (p reachable, err error) {
	within := func(path string) bool {
		rel, err := filepath.Rel(usual, path)
		return err == nil && filepath.IsLocal(rel)
	}
	write := func(what, dir string) {
		switch {
		case !filepath.IsAbs(dir):
			err = errors.Join(err, fmt.Errorf("%s %q is relative: a service has no directory of its own, write the whole path", what, dir))
		case filepath.Dir(dir) == dir:
			err = errors.Join(err, fmt.Errorf("%s %s is not the agent's alone: name a directory below it", what, dir))
		default:
			p.write = append(p.write, dir)
		}
	}
	write("agent.data_dir", cfg.Agent.DataDir)
	if cfg.Log.File != "" {
		write("the directory of log.file", filepath.Dir(cfg.Log.File))
	}
	if within(cfg.Path) || cfg.Log.File == "" {
		p.closed = usual
	}
	p.read = append(p.read, executable)
	if !within(cfg.Path) {
		p.read, p.watch = append(p.read, cfg.Path), append(p.watch, filepath.Dir(cfg.Path))
	}
	secrets := filepath.Join(filepath.Dir(cfg.Path), "secrets") // where "init" puts them; others may be anybody's
	for _, file := range cfg.SecretFiles() {
		if filepath.Dir(file) == secrets {
			p.read = append(p.read, secrets)
			break
		}
	}
	return p, err
}

// passwordVariable is where the password of the service's account is taken from, if there is
// nobody to ask.
const passwordVariable = "AGENT_SERVICE_PASSWORD"

// accountPassword gets the password of an account that wants one. ask is nil where there
// is no terminal.
func accountPassword(account string, lookup func(string) (string, bool), ask func(string) (string, error)) (string, error) {
	if !wantsPassword(account) {
		return "", nil
	}
	if password, _ := lookup(passwordVariable); password != "" {
		return password, nil
	}
	if ask == nil {
		return "", fmt.Errorf("account %s needs its password: set the environment variable %s for this command, or call it on a terminal", account, passwordVariable)
	}
	password, err := ask("Password of " + account + " (not shown): ")
	if err != nil {
		return "", fmt.Errorf("ask for the password of %s: %w", account, err)
	}
	return password, nil
}

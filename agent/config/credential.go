package config

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
)

// CredentialsDir is where an administrator puts the files that "cred:NAME" means. Only
// root reads there: systemd hands the service a copy of what "install" has found named.
const CredentialsDir = "/etc/recording-agent/credentials"

// credentialName is what systemd takes for one, and no path.
var credentialName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$`)

// credentialsDir is where credentials are looked for: what systemd has handed to the
// service, or for whoever tries the configuration by hand the administrator's.
func credentialsDir() string {
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" { // see systemd.exec(5), "CREDENTIALS"
		return dir
	}
	if runtime.GOOS == "linux" {
		return CredentialsDir
	}
	return ""
}

// credential resolves cred:NAME.
func (s *section) credential(key, name string) Secret {
	if !credentialName.MatchString(name) {
		s.problem(key, "cred: takes the plain name of a credential", "use letters, digits, '.', '-' and '_' only, like cred:central-token")
		return Secret{}
	}
	if s.p.env.Credentials == "" {
		s.problem(key, "credentials are systemd's, and this host has none", "write file:/path")
		return Secret{}
	}
	file := filepath.Join(s.p.env.Credentials, name)
	data, err := s.p.env.ReadFile(file)
	value := withoutNewline(data)
	const instead = `as root write it into ` + CredentialsDir + `, then run "recording-agent install" and restart the service`
	switch {
	case s.p.env.WithoutSecrets:
	case err != nil:
		s.problem(key, "the credential "+name+" cannot be read: "+err.Error(), instead)
	case value == "":
		s.problem(key, "the credential "+name+" is empty", instead)
	}
	return Secret{value: value, file: file, credential: name}
}

// Credentials are the names that secrets of the configuration have as cred:NAME.
func (c *Config) Credentials() []string {
	var names []string
	for _, s := range c.secrets() {
		if s.credential != "" {
			names = append(names, s.credential)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

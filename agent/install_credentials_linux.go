package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"recording-agent/agent/config"
)

// lendCredentials gives a command of the service's user copies of credentials, as
// systemd does for the service, until they are forgotten.
func lendCredentials(cmd *exec.Cmd, names []string, uid, gid int) (forget func(), err error) {
	if len(names) == 0 {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("/run", serviceName+"-install-") // 0700, and never on a disk
	if err != nil {
		return nil, fmt.Errorf("lend the credentials: %w", err)
	}
	forget = func() { _ = os.RemoveAll(dir) }
	for _, name := range names {
		value, err := os.ReadFile(filepath.Join(config.CredentialsDir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), value, 0o400)
		}
		if err == nil {
			err = os.Chown(filepath.Join(dir, name), uid, gid)
		}
		if err != nil {
			forget()
			return nil, fmt.Errorf("lend the credential %s: %w", name, err)
		}
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		forget()
		return nil, fmt.Errorf("lend the credentials: %w", err)
	}
	cmd.Env = append(cmd.Env, "CREDENTIALS_DIRECTORY="+dir)
	return forget, nil
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"recording-agent/agent/config"
)

// secretsReadableBy lets a group read the secrets that stand in the directory of that
// name beside the configuration, where "init" puts them. Other files that it names may
// be anybody's.
func secretsReadableBy(cfg *config.Config, account string, gid int) (err error) {
	dir := filepath.Join(filepath.Dir(cfg.Path), "secrets")
	for _, file := range cfg.SecretFiles() {
		if info, e := os.Lstat(file); filepath.Dir(file) != dir || e != nil || !info.Mode().IsRegular() {
			continue
		}
		err = errors.Join(err, os.Chown(dir, 0, gid), os.Chmod(dir, 0o750), os.Chown(file, 0, gid), os.Chmod(file, 0o640))
	}
	if err != nil {
		return fmt.Errorf("let user %s read the secrets: %w", account, err)
	}
	return nil
}

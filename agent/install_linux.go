package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/kardianos/service"

	"recording-agent/agent/config"
	"recording-agent/packaging/systemd"
)

// serviceUser is the account that the agent runs under; nobody can log in to it.
const serviceUser = "recording-agent"

// prepareHost makes what the unit refers to: its user, the directories that it
// writes to, and the right to read the configuration. An account that is not named is
// the agent's own.
func prepareHost(sc *service.Config, cfg *config.Config, account string) error {
	if os.Geteuid() != 0 {
		return os.ErrPermission
	}
	account = cmp.Or(account, serviceUser)
	uid, gid, err := findAccount(account)
	if err != nil {
		return err
	}
	writable, err := ownPlaces(cfg, account, uid, gid)
	if err != nil {
		return err
	}
	if err := errors.Join(readableBy(cfg.Path, account, gid), secretsReadableBy(cfg, account, gid)); err != nil {
		return err
	}
	if err := tryConfig(sc.Executable, cfg, account, uint32(uid), uint32(gid)); err != nil {
		return err
	}
	return chooseUnit(sc, systemd.Values{
		Executable: sc.Executable, Config: cfg.Path, User: account, Writable: writable,
		CredentialsDir: config.CredentialsDir, Credentials: cfg.Credentials(),
	})
}

// findAccount makes the agent's own user where it is missing.
func findAccount(account string) (uid, gid int, err error) {
	if account == serviceUser {
		if err := makeServiceUser(); err != nil {
			return 0, 0, err
		}
	}
	u, err := user.Lookup(account)
	if err != nil {
		return 0, 0, fmt.Errorf("find user %q that the service is to run as: %w; make it first, with useradd --system", account, err)
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, fmt.Errorf("find user %q: its id is %q: %w", account, u.Uid, err)
	}
	if gid, err = strconv.Atoi(u.Gid); err != nil {
		return 0, 0, fmt.Errorf("find user %q: its group's id is %q: %w", account, u.Gid, err)
	}
	return uid, gid, nil
}

func makeServiceUser() error {
	var unknown user.UnknownUserError
	if _, err := user.Lookup(serviceUser); !errors.As(err, &unknown) {
		return nil
	}
	out, err := exec.Command("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
		"--shell", "/usr/sbin/nologin", serviceUser).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make user %s with useradd: %w: %s", serviceUser, err, bytes.TrimSpace(out))
	}
	return nil
}

// ownPlaces gives the service's user the directories that it writes to, and
// returns them.
func ownPlaces(cfg *config.Config, account string, uid, gid int) ([]string, error) {
	dataDir, err := own("agent.data_dir", cfg.Agent.DataDir, account, uid, gid)
	if err != nil {
		return nil, err
	}
	// What an earlier run under another user left. Nothing else in there is ours.
	for _, entry := range []string{"segments", "ledger.db", "ledger.db-wal", "ledger.db-shm", "lock", "spool.id", "reserve", assignedFile} {
		err := filepath.WalkDir(filepath.Join(dataDir, entry), func(path string, _ os.DirEntry, err error) error {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return errors.Join(err, os.Lchown(path, uid, gid))
		})
		if err != nil {
			return nil, fmt.Errorf("give what is in agent.data_dir to user %s: %w", account, err)
		}
	}
	if cfg.Log.File == "" {
		return []string{dataDir}, nil
	}
	if !filepath.IsAbs(cfg.Log.File) {
		return nil, fmt.Errorf("log.file %q is relative: a service has no directory of its own, write the whole path", cfg.Log.File)
	}
	logs, err := own("the directory of log.file", filepath.Dir(cfg.Log.File), account, uid, gid)
	return []string{dataDir, logs}, err
}

// own makes a directory that does not exist yet, and gives it to the service's
// user. It returns its path without symbolic links, which the unit needs.
func own(what, dir, account string, uid, gid int) (string, error) {
	if !filepath.IsAbs(dir) {
		return "", fmt.Errorf("%s %q is relative: a service has no directory of its own, write the whole path", what, dir)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("make %s: %w", what, err)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", what, err)
	}
	if dir == "/" || dir == "/var/log" || dir == "/tmp" {
		return "", fmt.Errorf("%s %s is not the agent's alone: name a directory below it", what, dir)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return "", fmt.Errorf("give %s to user %s: %w", what, account, err)
	}
	return dir, nil
}

// readableBy lets a group read a file that others may not: the configuration
// holds camera passwords.
func readableBy(path, account string, gid int) error {
	if err := os.Chown(path, 0, gid); err != nil {
		return fmt.Errorf("let user %s read the configuration: %w", account, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		return fmt.Errorf("let user %s read the configuration: %w", account, err)
	}
	return nil
}

// tryConfig reads the configuration as the service will: a directory above it,
// or above the program, may be closed to its user.
func tryConfig(executable string, cfg *config.Config, account string, uid, gid uint32) error {
	cmd := exec.Command(executable, "check", "config", "--config", cfg.Path)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin"} // what the administrator's shell has, the service has not
	if err := addEnvironment(cmd); err != nil {
		return err
	}
	forget, err := lendCredentials(cmd, cfg.Credentials(), int(uid), int(gid))
	if err != nil {
		return err
	}
	defer forget()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{}}}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("user %s, which the service runs as, cannot use %s with %s: %w: %s; put them where it can read, such as /usr/local/bin and /etc/recording-agent, and secrets of the environment into %s",
			account, executable, cfg.Path, err, bytes.TrimSpace(out), environmentFile)
	}
	return nil
}

// environmentFile is named in the unit; it need not exist.
const environmentFile = "/etc/recording-agent/environment"

// addEnvironment reads the plain NAME=value lines of the unit's environment file.
func addEnvironment(cmd *exec.Cmd) error {
	data, err := os.ReadFile(environmentFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the service's environment: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.HasPrefix(name, "#") {
			cmd.Env = append(cmd.Env, name+"="+strings.Trim(value, `"'`))
		}
	}
	return nil
}

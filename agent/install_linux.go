package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/kardianos/service"

	"recording-agent/agent/config"
	"recording-agent/packaging/systemd"
)

// serviceUser is the account that the agent runs under; nobody can log in to it.
const serviceUser = "recording-agent"

// account is what the service runs as.
type account struct {
	name     string
	uid, gid int
	groups   []uint32 // all that it is in
}

// prepareHost makes what the unit refers to: its user, the directories that it
// writes to, and the right to read the configuration. An account that is not named is
// the agent's own.
func prepareHost(sc *service.Config, cfg *config.Config, name string) error {
	if os.Geteuid() != 0 {
		return os.ErrPermission
	}
	who, err := findAccount(cmp.Or(name, serviceUser))
	if err != nil {
		return err
	}
	writable, err := ownPlaces(cfg, who)
	if err != nil {
		return err
	}
	if err := errors.Join(readableBy(cfg.Path, who.name, who.gid), secretsReadableBy(cfg, who.name, who.gid)); err != nil {
		return err
	}
	if err := tryConfig(sc.Executable, cfg, who); err != nil {
		return err
	}
	return chooseUnit(sc, systemd.Values{
		Executable: sc.Executable, Config: cfg.Path, User: who.name, Writable: writable,
		CredentialsDir: config.CredentialsDir, Credentials: cfg.Credentials(),
	})
}

// findAccount makes the agent's own user where it is missing.
func findAccount(name string) (a account, err error) {
	if name == serviceUser {
		if err := makeServiceUser(); err != nil {
			return a, err
		}
	}
	u, err := user.Lookup(name)
	if err != nil {
		return a, fmt.Errorf("find user %q that the service is to run as: %w; make it first, with useradd --system", name, err)
	}
	a.name = name
	if a.uid, err = strconv.Atoi(u.Uid); err != nil {
		return a, fmt.Errorf("find user %q: its id is %q: %w", name, u.Uid, err)
	}
	if a.gid, err = strconv.Atoi(u.Gid); err != nil {
		return a, fmt.Errorf("find user %q: its group's id is %q: %w", name, u.Gid, err)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return a, fmt.Errorf("find the groups of user %q: %w", name, err)
	}
	for _, group := range groups {
		if gid, err := strconv.ParseUint(group, 10, 32); err == nil {
			a.groups = append(a.groups, uint32(gid))
		}
	}
	return a, nil
}

// command is one that the account runs, from the root directory.
func (a account) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin"} // what the administrator's shell has, the service has not
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: a.groups}}
	return cmd
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
func tryConfig(executable string, cfg *config.Config, who account) error {
	cmd := who.command(executable, "check", "config", "--config", cfg.Path)
	if err := addEnvironment(cmd); err != nil {
		return err
	}
	forget, err := lendCredentials(cmd, cfg.Credentials(), who.uid, who.gid)
	if err != nil {
		return err
	}
	defer forget()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("user %s, which the service runs as, cannot use %s with %s: %w: %s; put them where it can read, such as /usr/local/bin and /etc/recording-agent, and secrets of the environment into %s",
			who.name, executable, cfg.Path, err, bytes.TrimSpace(out), environmentFile)
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

package main

import (
	"bytes"
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
// writes to, and the right to read the configuration.
func prepareHost(sc *service.Config, cfg *config.Config) error {
	if os.Geteuid() != 0 {
		return os.ErrPermission
	}
	if err := makeServiceUser(); err != nil {
		return err
	}
	u, err := user.Lookup(serviceUser)
	if err != nil {
		return fmt.Errorf("look up user %s: %w", serviceUser, err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	dataDir, err := filepath.Abs(cfg.Agent.DataDir)
	if err != nil {
		return fmt.Errorf("find data_dir: %w", err)
	}
	writable := []string{dataDir}
	if cfg.Log.File != "" {
		logFile, err := filepath.Abs(cfg.Log.File)
		if err != nil {
			return fmt.Errorf("find log.file: %w", err)
		}
		writable = append(writable, filepath.Dir(logFile))
	}
	if err := own(dataDir, uid, gid); err != nil {
		return err
	}
	if err := readableBy(cfg.Path, gid); err != nil {
		return err
	}
	if err := tryConfig(sc.Executable, cfg.Path, uint32(uid), uint32(gid)); err != nil {
		return err
	}
	unit, err := systemd.Unit(systemd.Values{Executable: sc.Executable, Config: cfg.Path, User: serviceUser, Writable: writable})
	if err != nil {
		return err
	}
	if strings.Contains(unit, "{{") {
		return errors.New(`a path with "{{" in it cannot be installed`) // the library would take it for a template
	}
	sc.Option["SystemdScript"] = unit
	return nil
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

// own makes a directory and gives it, with what an earlier run under another
// user left in it, to the service's user.
func own(dir string, uid, gid int) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make data_dir: %w", err)
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, gid))
	})
	if err != nil {
		return fmt.Errorf("give data_dir to user %s: %w", serviceUser, err)
	}
	return nil
}

// readableBy lets a group read a file that others may not: the configuration
// holds camera passwords.
func readableBy(path string, gid int) error {
	if err := os.Chown(path, 0, gid); err != nil {
		return fmt.Errorf("let user %s read the configuration: %w", serviceUser, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		return fmt.Errorf("let user %s read the configuration: %w", serviceUser, err)
	}
	return nil
}

// tryConfig reads the configuration as the service will: a directory above it,
// or above the program, may be closed to its user.
func tryConfig(executable, path string, uid, gid uint32) error {
	cmd := exec.Command(executable, "check", "config", "--config", path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{}}}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("user %s, which the service runs as, cannot use %s with %s: %w: %s; put them where it can read, such as /usr/local/bin and /etc/recording-agent",
			serviceUser, executable, path, err, bytes.TrimSpace(out))
	}
	return nil
}

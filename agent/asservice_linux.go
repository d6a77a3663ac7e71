package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// checkAsService has this program read the configuration as the service that runs would,
// were it this program: with its user, environment and credentials. So an upgrade learns
// before it ends what records whether that would come back.
func checkAsService(c *cobra.Command, file string) error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	out, err := exec.Command("systemctl", "show", "--property=MainPID", "--value", serviceName).Output()
	pid := string(bytes.TrimSpace(out))
	if err != nil || pid == "" || pid == "0" {
		return fmt.Errorf("the service does not run; \"recording-agent check config\" tries without it")
	}
	runs, err := lookAt(pid)
	if err != nil {
		return fmt.Errorf("see what the service runs as: %w%s", err, serviceHint(err))
	}
	cmd := runs.as.command(executable, "check", "config", "--config", cmp.Or(file, runs.config))
	cmd.Env = runs.environment
	said, err := cmd.CombinedOutput()
	if err != nil {
		return &unusableError{fmt.Errorf("%s", bytes.TrimSpace(said))}
	}
	_, err = c.OutOrStdout().Write(said)
	return err
}

// process is an agent that runs, as the kernel knows it: an account's groups, or the
// unit, may have changed since it was started.
type process struct {
	as          account
	environment []string
	config      string // that it was started with
}

func lookAt(pid string) (p process, err error) {
	files := map[string]string{}
	for _, name := range []string{"status", "environ", "cmdline"} {
		data, err := os.ReadFile("/proc/" + pid + "/" + name)
		if err != nil {
			return p, err
		}
		files[name] = string(data)
	}
	if p.as, err = parseStatus(files["status"]); err != nil {
		return p, err
	}
	separator := func(r rune) bool { return r == 0 }
	p.environment = strings.FieldsFunc(files["environ"], separator)
	command := strings.FieldsFunc(files["cmdline"], separator)
	if i := slices.Index(command, "--config"); i >= 0 && i+1 < len(command) {
		p.config = command[i+1]
	}
	if p.config == "" {
		return p, errors.New("it was not started with --config FILE")
	}
	return p, nil
}

// parseStatus reads the effective ids of a /proc/PID/status; see proc(5).
func parseStatus(status string) (who account, err error) {
	ids := map[string][]uint32{}
	for line := range strings.Lines(status) {
		key, values, _ := strings.Cut(line, ":")
		if key != "Uid" && key != "Gid" && key != "Groups" {
			continue
		}
		for value := range strings.FieldsSeq(values) {
			id, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return who, fmt.Errorf("%s has the id %q", key, value)
			}
			ids[key] = append(ids[key], uint32(id))
		}
	}
	if len(ids["Uid"]) < 2 || len(ids["Gid"]) < 2 {
		return who, errors.New("the process has no ids")
	}
	return account{uid: int(ids["Uid"][1]), gid: int(ids["Gid"][1]), groups: ids["Groups"]}, nil
}

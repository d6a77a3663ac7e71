//go:build system

package systemtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// container is a Debian with systemd as its first process.
type container struct {
	t    *testing.T
	root string
	pid  string // of its systemd, as the host sees it

	packages packager // in tests of packages
}

// boot starts it, with a network of its own, or the host's where the peers are.
func boot(t *testing.T, network ...string) *container {
	t.Helper()
	return bootTree(t, "systemd-bookworm", "systemd,systemd-sysv,dbus,iproute2,procps", network...)
}

// bootTree boots a copy of a tree that has the packages named, and is made once.
func bootTree(t *testing.T, name, packages string, network ...string) *container {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "booting a container takes root")
	}
	need(t, "mmdebstrap", "systemd-nspawn", "nsenter")
	base := filepath.Join(cacheDir(t), name)
	if _, err := os.Stat(filepath.Join(base, "etc/debian_version")); err != nil {
		must(t, "mmdebstrap", "--variant=minbase", "--include="+packages, "bookworm", base)
	}
	c := &container{t: t, root: filepath.Join(t.TempDir(), "root")}
	must(t, "cp", "-a", base, c.root)
	args := append([]string{"-q", "-D", c.root, "--machine=recording-agent-test", "--register=no", "--keep-unit", "--boot"}, network...)
	nspawn := exec.Command("systemd-nspawn", args...)
	nspawn.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.pid != "" {
			_ = exec.Command("kill", "-s", "RTMIN+4", c.pid).Run() // power off
		}
		timer := time.AfterFunc(20*time.Second, func() { _ = nspawn.Process.Kill() })
		_ = nspawn.Wait()
		timer.Stop()
	})
	until(t, 30*time.Second, func() string {
		out, _ := exec.Command("pgrep", "-P", fmt.Sprint(nspawn.Process.Pid)).Output()
		if c.pid = lines(out); c.pid == "" {
			return "the container's first process"
		}
		if out, _ := c.try("systemctl", "is-system-running"); out != "running" && out != "degraded" {
			return "a running system, it is " + out
		}
		return ""
	})
	return c
}

// try runs a command inside and returns what it says and its exit code.
func (c *container) try(args ...string) (string, int) {
	cmd := exec.Command("nsenter", append([]string{"-t", c.pid, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	out, _ := cmd.CombinedOutput()
	return lines(out), cmd.ProcessState.ExitCode()
}

func (c *container) must(args ...string) string {
	c.t.Helper()
	out, code := c.try(args...)
	if code != 0 {
		log, _ := c.try("journalctl", "-n", "40", "--no-pager")
		c.t.Fatalf("%s: exit code %d\n%s\n\n%s", strings.Join(args, " "), code, out, log)
	}
	return out
}

// show returns a property of the unit.
func (c *container) show(property string) string {
	c.t.Helper()
	return c.must("systemctl", "show", "-P", property, "recording-agent.service")
}

const systemdConfig = `
[agent]
client_name = "container"
data_dir = "/srv/footage of this host"
[[camera]]
id = "gate"
url = "rtsp://127.0.0.1:1/none"
`

func TestSystemdService(t *testing.T) {
	c := boot(t, "--private-network")
	binary := build(t, "linux")
	must(t, "install", "-m", "755", binary, filepath.Join(c.root, "usr/local/bin/recording-agent"))
	config := filepath.Join(c.root, "etc/recording-agent/agent.toml")

	write(t, config, strings.Replace(systemdConfig, "client_name", "klient_name", 1))
	if out, code := c.try("recording-agent", "install"); code != 2 || !strings.Contains(out, "klient_name") {
		t.Errorf("installing with a wrong configuration: exit code %d\n%s", code, out)
	}
	write(t, config, systemdConfig)
	if out, code := c.try("recording-agent", "status"); code != 1 {
		t.Errorf("status before the installation: exit code %d\n%s", code, out)
	}
	c.must("recording-agent", "install")
	if out, code := c.try("recording-agent", "status"); code != 1 || !strings.Contains(out, "does not run") {
		t.Errorf("status before the start: exit code %d\n%s", code, out)
	}
	c.must("recording-agent", "start") // Type=notify: it returns once the agent is ready
	c.isRunning()
	if out := c.must("stat", "-c", "%U %a", "/srv/footage of this host", "/etc/recording-agent/agent.toml"); out != "recording-agent 750\nroot 640" {
		t.Errorf("owners and modes: %q", out)
	}
	if on := c.must("systemctl", "is-enabled", "recording-agent"); on != "enabled" {
		t.Errorf("it is %s, and would not start with the host", on)
	}
	c.diesAndReturns("KILL", 10*time.Second)
	c.hangsAndReturns()

	before := c.show("MainPID")
	c.must("recording-agent", "restart")
	c.isRunning()
	if c.show("MainPID") == before {
		t.Error("restart left the process as it was")
	}
	c.must("recording-agent", "stop")
	if state, result := c.show("ActiveState"), c.show("Result"); state != "inactive" || result != "success" {
		t.Errorf("after stop it is %s, %s", state, result)
	}
	if log := c.must("journalctl", "-u", "recording-agent", "--no-pager"); !strings.Contains(log, "agent has stopped") {
		t.Errorf("the journal does not tell of an orderly end:\n%s", log)
	}
	c.runsAsAnother()
	c.refusesPlaces()
	c.must("recording-agent", "uninstall")
	if _, code := c.try("test", "-e", "/etc/systemd/system/recording-agent.service"); code == 0 {
		t.Error("the unit is still there")
	}
	c.must("test", "-e", "/srv/footage of this host/ledger.db")
}

// runsAsAnother installs over what is installed, for another account.
func (c *container) runsAsAnother() {
	c.t.Helper()
	if out, code := c.try("recording-agent", "install", "--user", "nobody-like-this"); code != 1 || !strings.Contains(out, "make it first") {
		c.t.Errorf("for an account that is not there: exit code %d\n%s", code, out)
	}
	c.must("useradd", "--system", "watcher")
	c.must("recording-agent", "install", "--user", "watcher")
	c.must("recording-agent", "start")
	if user := c.must("ps", "-o", "user:20=", "-p", c.show("MainPID")); strings.TrimSpace(user) != "watcher" {
		c.t.Errorf("it runs as %s", user)
	}
	c.must("recording-agent", "stop")
}

func (c *container) isRunning() {
	c.t.Helper()
	if out := c.must("recording-agent", "status"); out != "running" {
		c.t.Errorf("status: %s", out)
	}
	if user := c.must("ps", "-o", "user:20=", "-p", c.show("MainPID")); strings.TrimSpace(user) != "recording-agent" {
		c.t.Errorf("it runs as %s", user)
	}
	if kind := c.show("Type"); kind != "notify" {
		c.t.Errorf("the unit's type is %s", kind)
	}
}

// diesAndReturns kills the process; systemd has to start another.
func (c *container) diesAndReturns(signal string, limit time.Duration) {
	c.t.Helper()
	before := c.show("MainPID")
	c.must("kill", "-"+signal, before)
	c.returns(before, limit)
}

// hangsAndReturns stops the process, so that it feeds the watchdog no more.
func (c *container) hangsAndReturns() {
	c.t.Helper()
	write(c.t, filepath.Join(c.root, "etc/systemd/system/recording-agent.service.d/test.conf"), "[Service]\nWatchdogSec=4\n")
	c.must("systemctl", "daemon-reload")
	c.must("recording-agent", "restart")
	time.Sleep(6 * time.Second) // longer than the watchdog's limit: it must be fed
	if n := c.show("NRestarts"); n != "1" && n != "0" {
		c.t.Errorf("%s restarts of a healthy agent", n)
	}
	c.diesAndReturns("STOP", 20*time.Second)
}

func (c *container) returns(before string, limit time.Duration) {
	c.t.Helper()
	until(c.t, limit, func() string {
		pid, state := c.show("MainPID"), c.show("ActiveState")
		if pid == before || pid == "0" || state != "active" {
			return fmt.Sprintf("another process than %s (now %s, %s)", before, pid, state)
		}
		return ""
	})
	c.isRunning()
}

//go:build system

package systemtest

import (
	"path/filepath"
	"strings"
)

// comesOverWhatWasThere installs the package where there is a configuration already, and
// where the archive's program was made a service of.
func (c *container) comesOverWhatWasThere(pkg string) {
	c.t.Helper()
	config := filepath.Join(c.root, "etc/recording-agent/agent.toml")
	text := strings.Replace(systemdConfig, "/srv/footage of this host", "/srv/of the archive", 1)
	write(c.t, config, text)
	c.must("install", "-m", "755", "-D", "/usr/bin/true", "/usr/local/bin/recording-agent") // which comes first in PATH
	said := c.must("sh", "-c", "dpkg -i /srv/"+filepath.Base(pkg)+" </dev/null")
	if !strings.Contains(said, "installed with") || c.configuration() != text {
		c.t.Errorf("over a configuration that was there, the installation said:\n%s", said)
	}
	c.isActive()
	c.must("cp", "/usr/bin/recording-agent", "/usr/local/bin/recording-agent")
	c.must("/usr/local/bin/recording-agent", "install")
	c.must("systemctl", "restart", "recording-agent")
	before := c.show("MainPID")
	if said := c.install(pkg); !strings.Contains(said, "NOT restarted: /etc/systemd/system/recording-agent.service") {
		c.t.Errorf("beside the archive's service the installation said:\n%s", said)
	}
	c.must("dpkg", "-r", "recording-agent")
	if now := c.show("MainPID"); now != before {
		c.t.Errorf("the archive's service was process %s, and is %s", before, now)
	}
	c.must("/usr/local/bin/recording-agent", "uninstall")
	c.must("rm", "/usr/local/bin/recording-agent")
	c.must("dpkg", "-P", "recording-agent")
}

// purgesNoFootage: nor what lies in an inbox, or behind a link; and what is mounted
// there is no obstacle.
func (c *container) purgesNoFootage(pkg string) {
	c.t.Helper()
	const data = "/var/lib/recording-agent"
	purge := func() string {
		c.t.Helper()
		c.install(pkg)
		return c.must("dpkg", "-P", "recording-agent")
	}
	c.must("rm", "-r", data)
	c.must("mkdir", "-p", data+"/inbox/gate", "/srv/big/segments/gate")
	c.must("touch", data+"/inbox/gate/DCIM0001.MP4", "/srv/big/segments/gate/x.mp4")
	if said := purge(); !strings.Contains(said, "KEEPS 1 recordings") {
		c.t.Errorf("with a file in the inbox it said\n%s", said)
	}
	c.must("rm", "-r", data)
	c.must("ln", "-s", "/srv/big", data)
	if said := purge(); !strings.Contains(said, "KEEPS 1 recordings") {
		c.t.Errorf("behind a link it said\n%s", said)
	}
	c.must("test", "-e", data+"/segments/gate/x.mp4")
	c.must("rm", data)
	c.must("mkdir", data)
	c.must("mount", "-t", "tmpfs", "none", data)
	c.must("touch", data+"/ledger.db")
	if said := purge(); !strings.Contains(said, "deletes "+data) {
		c.t.Errorf("where a disk is mounted it said\n%s", said)
	}
	if left := c.must("ls", "-A", data); left != "" {
		c.t.Errorf("left: %s", left)
	}
	c.must("umount", data)
}

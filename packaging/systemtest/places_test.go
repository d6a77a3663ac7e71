//go:build system

package systemtest

import (
	"path/filepath"
	"strings"
)

// refusesPlaces: "install" takes no directory that the service cannot use, and none away
// from whoever has it.
func (c *container) refusesPlaces() {
	c.t.Helper()
	c.must("useradd", "--create-home", "pi")
	config := filepath.Join(c.root, "etc/recording-agent/agent.toml")
	for _, tc := range []struct{ dataDir, more, says string }{
		{"/tmp/footage", "", "would not last"},
		{"/var/tmp", "", "would not last"},
		{"/root/footage", "", "cannot get into /root"},
		{"/home/pi", "", "is not the agent's alone"},
		{"/srv/another", "[log]\nfile = \"/home/pi/agent.log\"\n", "is not the agent's alone"},
	} {
		write(c.t, config, strings.Replace(systemdConfig, "/srv/footage of this host", tc.dataDir, 1)+tc.more)
		if said, code := c.try("recording-agent", "install"); code != 1 || !strings.Contains(said, tc.says) {
			c.t.Errorf("data_dir = %s %s: exit code %d\n%s", tc.dataDir, tc.more, code, said)
		}
	}
	if owner := c.must("stat", "-c", "%U", "/home/pi"); owner != "pi" {
		c.t.Errorf("the home directory belongs to %s", owner)
	}
	write(c.t, config, systemdConfig)
	c.takesOverInbox()
}

// takesOverInbox: what a run by hand has made goes to the service, what another recorder
// has there does not.
func (c *container) takesOverInbox() {
	c.t.Helper()
	inbox := "/srv/footage of this host/inbox/"
	c.must("mkdir", "-p", inbox+"by-hand", inbox+"of-another")
	c.must("chown", "pi", inbox+"of-another")
	c.must("recording-agent", "install")
	if owners := c.must("stat", "-c", "%U", inbox+"by-hand", inbox+"of-another"); owners != "recording-agent\npi" {
		c.t.Errorf("inboxes belong to %q", owners)
	}
	c.must("recording-agent", "start")
	c.isRunning()
	c.must("recording-agent", "stop")
}

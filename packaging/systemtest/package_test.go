//go:build system

package systemtest

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"recording-agent/capture/rtsp/rtsptest"
)

// The life of a package on a host with a real systemd: installed, configured, started,
// killed, hung, upgraded while it records, removed, installed again, purged. It records
// from a camera that is not ours (GStreamer) to a real S3 server.
func TestDebianPackage(t *testing.T) {
	older, newer := release(t, "linux/amd64", "1.0.0", ".deb"), release(t, "linux/amd64", "1.0.1", ".deb")
	around := newWorld(t)
	around.camera = "rtsp://" + rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live + rtsptest.AACLive}) + "/cam"
	c := boot(t) // in the host's network, where camera, store and central are
	c.bring(older, newer)

	c.packages = dpkg

	c.isInstalledAndWaits(older)
	c.unitIsSound()
	c.takesInit()
	c.isConfiguredAndRecords(around)
	c.diesAndReturns("KILL", 10*time.Second)
	c.hangsAndReturns()
	c.recordsOn(around)
	c.isUpgraded(around, newer)
	c.keepsRecordingWhenItCannotRead(older)
	c.movesItsFootage(around)
	c.isRemoved()
	c.isInstalledAgain(around, newer)
	c.isPurged()
	c.comesOverWhatWasThere(newer)
	c.purgesNoFootage(newer)
	for _, r := range around.completed() {
		around.check(r)
	}
	t.Logf("%d segments completed, each read by ffprobe", len(around.completed()))
}

// The same for the .rpm, which runs its scripts with other arguments and has no purge. Its
// tool runs in a Debian here: what it depends on is not asked for.
func TestRPMPackage(t *testing.T) {
	older, newer := release(t, "linux/amd64", "1.0.0", ".rpm"), release(t, "linux/amd64", "1.0.1", ".rpm")
	around := newWorld(t)
	c := bootTree(t, "systemd-bookworm-rpm", "systemd,systemd-sysv,dbus,iproute2,procps,rpm")
	c.bring(older, newer)
	c.packages = rpm

	c.isInstalledAndWaits(older)
	c.isConfiguredAndRecords(around)
	c.isUpgraded(around, newer)
	c.keepsRecordingWhenItCannotRead(newer)
	c.isRemoved()
	c.isInstalledAgain(around, newer)
	c.isRemoved()
	for _, r := range around.completed() {
		around.check(r)
	}
}

// packager is how packages are installed and removed.
type packager struct{ install, remove []string }

var (
	dpkg = packager{[]string{"dpkg", "-i"}, []string{"dpkg", "-r", "recording-agent"}}
	rpm  = packager{[]string{"rpm", "-U", "--replacepkgs", "--force-debian", "--nodeps"}, []string{"rpm", "-e", "recording-agent"}}
)

// release makes what is released for one system, with a version of its own, and returns
// the file that ends so.
func release(t *testing.T, target, version, ending string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "run", "./packaging/release", "-only", target, "-as", version, "-out", dir)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("release for %s: %v\n%s", target, err, out)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"+ending))
	if len(files) != 1 {
		t.Fatalf("files that end with %s: %v", ending, files)
	}
	return files[0]
}

func (c *container) bring(packages ...string) {
	c.t.Helper()
	for _, p := range packages {
		must(c.t, "cp", p, filepath.Join(c.root, "srv", filepath.Base(p)))
	}
}

func (c *container) install(pkg string) (said string) {
	c.t.Helper()
	return c.must(append(slices.Clone(c.packages.install), "/srv/"+filepath.Base(pkg))...)
}

func (c *container) isInstalledAndWaits(pkg string) {
	c.t.Helper()
	said := c.install(pkg)
	for _, want := range []string{"not started", "/etc/recording-agent/agent.toml", "recording-agent check"} {
		if !strings.Contains(said, want) {
			c.t.Errorf("the installation does not tell of %q:\n%s", want, said)
		}
	}
	if state := c.show("ActiveState"); state != "inactive" {
		c.t.Errorf("it is %s with an empty configuration", state)
	}
	if out := c.must("stat", "-c", "%U:%G %a", "/etc/recording-agent", "/etc/recording-agent/agent.toml", "/etc/recording-agent/credentials"); out !=
		"root:recording-agent 750\nroot:recording-agent 640\nroot:root 700" {
		c.t.Errorf("owners and modes: %q", out)
	}
	if out, code := c.try("recording-agent", "check", "config"); code != 2 || !strings.Contains(out, "agent.client_name: is missing") {
		c.t.Errorf("check of the package's configuration: exit code %d\n%s", code, out)
	}
}

// takesInit: the package's configuration, in which nothing is set, gives way to init's.
func (c *container) takesInit() {
	c.t.Helper()
	said, _ := c.try("recording-agent", "init", "--client-name", "container", "--local", "--camera", "gate=rtsp://127.0.0.1:1/none") // its check fails: no camera
	if text := c.configuration(); !strings.Contains(text, "\nclient_name = \"container\"") {
		c.t.Errorf("init said:\n%s", said)
	}
	if owner := c.must("stat", "-c", "%U:%G %a", "/etc/recording-agent/agent.toml"); owner != "root:recording-agent 640" {
		c.t.Errorf("what init has written is %s", owner)
	}
	if said, code := c.try("recording-agent", "init", "--client-name", "another", "--local", "--camera", "gate=rtsp://127.0.0.1:1/none"); code == 0 ||
		!strings.Contains(said, "is not overwritten") {
		c.t.Errorf("a second init said:\n%s", said)
	}
}

// unitIsSound asks systemd what it makes of the unit.
func (c *container) unitIsSound() {
	c.t.Helper()
	if out := c.must("systemd-analyze", "verify", "recording-agent.service"); out != "" {
		c.t.Errorf("systemd-analyze verify:\n%s", out)
	}
	out := c.must("systemd-analyze", "security", "--no-pager", "recording-agent.service")
	m := regexp.MustCompile(`Overall exposure level for recording-agent.service: ([\d.]+) (\w+)`).FindStringSubmatch(out)
	if m == nil || m[2] != "OK" && m[2] != "SAFE" {
		c.t.Errorf("systemd-analyze security:\n%s", out)
		return
	}
	c.t.Logf("systemd-analyze security: %s %s", m[1], m[2])
}

func (c *container) isConfiguredAndRecords(around *world) {
	c.t.Helper()
	config := strings.NewReplacer(`token = "test"`, `token = "cred:central-token"`, `secret_access_key = "`, `secret_access_key = "cred:s3-key" # "`).
		Replace(around.config("/var/lib/recording-agent")) + "[retention]\ndelete_after_upload = false\n"
	c.configure(config)
	write(c.t, filepath.Join(c.root, "etc/recording-agent/credentials/central-token"), "test\n")
	write(c.t, filepath.Join(c.root, "etc/recording-agent/credentials/s3-key"), around.secretKey()+"\n")
	c.must("recording-agent", "check", "config")
	c.must("recording-agent", "install")
	c.must("recording-agent", "start")
	c.isRunning()
	c.recordsOn(around)
}

// configure edits the file, as an administrator does: owner and mode stay.
func (c *container) configure(text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.root, "etc/recording-agent/agent.toml"), []byte(text), 0o640); err != nil {
		c.t.Fatal(err)
	}
}

func (c *container) configuration() string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.root, "etc/recording-agent/agent.toml"))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// recordsOn waits for two further segments to be completed at central.
func (c *container) recordsOn(around *world) {
	c.t.Helper()
	before := len(around.completed())
	until(c.t, 90*time.Second, func() string {
		if n := len(around.completed()); n < before+2 {
			return fmt.Sprintf("two more completed segments than %d, there are %d", before, n)
		}
		return ""
	})
}

func (c *container) isUpgraded(around *world, pkg string) {
	c.t.Helper()
	normal := c.configuration()
	c.configure(normal + "[upload]\nmax_bandwidth = \"200kbit\"\n") // less than the camera's: an upload is always in flight
	c.must("recording-agent", "restart")
	time.Sleep(25 * time.Second) // two segments
	config := c.must("sha256sum", "/etc/recording-agent/agent.toml")
	before, began := c.show("MainPID"), time.Now()
	said := c.install(pkg)
	c.returns(before, 60*time.Second)
	if out := c.must("recording-agent", "version"); !strings.Contains(out, "1.0.1") {
		c.t.Errorf("version after the upgrade: %s", out)
	}
	if now := c.must("sha256sum", "/etc/recording-agent/agent.toml"); now != config {
		c.t.Errorf("the upgrade has changed the configuration; it said\n%s", said)
	}
	time.Sleep(5 * time.Second) // so that it records
	gaps := c.gapsSince(began)
	c.t.Logf("gaps of the upgrade: %v", gaps)
	sum := time.Duration(0)
	for _, length := range gaps {
		sum += length
	}
	if gaps["agent stopped"] == 0 || sum > 5*time.Second {
		c.t.Errorf("the upgrade left gaps of %v by a stopped agent, %v in all", gaps["agent stopped"], sum)
	}
	c.configure(normal)
	c.must("recording-agent", "restart")
	c.recordsOn(around)
}

// gapsSince sums up the ledger's gaps after a time by their cause.
func (c *container) gapsSince(began time.Time) map[string]time.Duration {
	c.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.root, "var/lib/recording-agent/ledger.db")+"?mode=ro")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT cause, sum(end_us - start_us) FROM gaps WHERE end_us > ? GROUP BY cause`, began.UnixMicro())
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	gaps := map[string]time.Duration{}
	for rows.Next() {
		var cause string
		var us int64
		if err := rows.Scan(&cause, &us); err != nil {
			c.t.Fatal(err)
		}
		gaps[cause] = time.Duration(us) * time.Microsecond
	}
	return gaps
}

// keepsRecordingWhenItCannotRead installs over a configuration that the new program
// rejects: the old one goes on.
func (c *container) keepsRecordingWhenItCannotRead(pkg string) {
	c.t.Helper()
	good, before := c.configuration(), c.show("MainPID")
	for what, bad := range map[string]string{
		"nonsense":      good + "\n[nonsense]\n",
		"not-there-yet": strings.Replace(good, "cred:s3-key", "cred:not-there-yet", 1), // which only the service can tell
	} {
		c.configure(bad)
		if said := c.install(pkg); !strings.Contains(said, "NOT restarted") || !strings.Contains(said, what) {
			c.t.Errorf("the installation said:\n%s", said)
		}
		time.Sleep(2 * time.Second) // it would be done in the background
		if now := c.show("MainPID"); now != before {
			c.t.Errorf("%s: it was restarted all the same", what)
		}
	}
	c.configure(good)
}

// movesItsFootage gives a data_dir elsewhere to the package's unit.
func (c *container) movesItsFootage(around *world) {
	c.t.Helper()
	text := c.configuration()
	c.configure(strings.Replace(text, "'/var/lib/recording-agent'", "'/srv/footage of this host'", 1))
	c.must("recording-agent", "install")
	c.must("recording-agent", "restart")
	c.isRunning()
	c.recordsOn(around)
	c.must("test", "-e", "/srv/footage of this host/ledger.db")
	c.configure(text)
	c.must("recording-agent", "install")
	c.must("recording-agent", "restart")
	c.isRunning()
}

func (c *container) isRemoved() {
	c.t.Helper()
	config := c.must("sha256sum", "/etc/recording-agent/agent.toml")
	said := c.must(c.packages.remove...)
	if !strings.Contains(said, "Recordings and ledger stay in /var/lib/recording-agent") {
		c.t.Errorf("the removal said:\n%s", said)
	}
	if out, code := c.try("pgrep", "-x", "recording-agent"); code == 0 {
		c.t.Errorf("it still runs: %s", out)
	}
	if log := c.must("journalctl", "-u", "recording-agent", "-n", "20", "--no-pager"); !strings.Contains(log, "agent has stopped") {
		c.t.Errorf("the journal does not tell of an orderly end:\n%s", log)
	}
	if n := c.recordings(); n == 0 {
		c.t.Error("no recordings are left")
	}
	if now := c.must("sha256sum", "/etc/recording-agent/agent.toml"); now != config {
		c.t.Error("the configuration was changed")
	}
	if _, code := c.try("test", "-e", "/etc/systemd/system/recording-agent.service.d/install.conf"); code == 0 {
		c.t.Error("the drop-in is still there")
	}
}

// isInstalledAgain: the configuration of before is there, so that it starts by itself.
func (c *container) isInstalledAgain(around *world, pkg string) {
	c.t.Helper()
	c.install(pkg)
	c.isActive()
	c.isRunning()
	c.recordsOn(around)
}

// isActive waits for what was started in the background.
func (c *container) isActive() {
	c.t.Helper()
	until(c.t, 20*time.Second, func() string {
		if state := c.show("ActiveState"); state != "active" {
			return "an agent that runs, it is " + state
		}
		return ""
	})
}

func (c *container) isPurged() {
	c.t.Helper()
	said := c.must("dpkg", "-P", "recording-agent")
	kept := c.recordings()
	c.t.Logf("the purge said:\n%s", said)
	for _, want := range []string{"deletes /etc/recording-agent", "KEEPS " + strconv.Itoa(kept) + " recordings", "sudo rm -r /var/lib/recording-agent/*"} {
		if !strings.Contains(said, want) {
			c.t.Errorf("it does not tell of %q", want)
		}
	}
	if kept < 3 {
		c.t.Errorf("%d recordings are left", kept)
	}
	for _, gone := range []string{"/etc/recording-agent", "/usr/bin/recording-agent", "/usr/lib/systemd/system/recording-agent.service", "/etc/systemd/system/recording-agent.service.d"} {
		if _, code := c.try("test", "-e", gone); code == 0 {
			c.t.Errorf("%s is still there", gone)
		}
	}
}

func (c *container) recordings() int {
	c.t.Helper()
	return len(segments(c.t, filepath.Join(c.root, "var/lib/recording-agent")))
}

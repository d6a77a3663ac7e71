package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"recording-agent/agent/central/centraltest"
	"recording-agent/agent/config"
	"recording-agent/uploader/s3/s3test"
)

// setUp runs a command that writes a configuration, in an environment of its own.
func setUp(t *testing.T, dir, stdin string, env []string, args ...string) (said string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append(args, "--config", filepath.Join(dir, "agent.toml"))...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.Env = append(append(os.Environ(), "RUN_AS_AGENT=1"), env...)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// written reads the configuration that was written, and wants nobody else to be able to
// read it and its secrets.
func written(t *testing.T, dir string) *config.Config {
	t.Helper()
	c, err := config.Load(filepath.Join(dir, "agent.toml"), config.System())
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		return c
	}
	for _, file := range append(c.SecretFiles(), filepath.Join(dir, "agent.toml")) {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o007 != 0 || info.Mode().Perm()&0o600 != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	return c
}

const (
	gateID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
	siteID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
)

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new directory")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	args := []string{"init", "--client-name", "warehouse \"7\"", "--central-url", "https://central.example.com/", "--client-id", siteID,
		"--bucket", "footage", "--region", "eu-central-1", "--endpoint", "https://nas.example.internal:9000", "--path-style", "--no-check",
		"--camera", gateID + "=rtsp://admin@10.0.0.5:554/stream?x=1", "--camera", siteID + "=rtsp://10.0.0.6/2", "--secrets", "-"}
	env := []string{"AGENT_S3_ACCESS_KEY_ID=test", "AGENT_S3_SECRET_ACCESS_KEY=hunter2/$+="}
	said, code := setUp(t, dir, "AGENT_CENTRAL_TOKEN='hunter2 token'\nAGENT_CAMERA_PASSWORD_6F9619FF_8B86_4D01_B42D_00CF4FC964FF=hunter2@: \n", env, args...)
	if code != 0 || strings.Contains(said, "hunter2") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	for _, want := range []string{"written: " + filepath.Join(dir, "secrets", "central-token"), "written: " + filepath.Join(dir, "agent.toml"), "recording-agent install --config \"", "http://127.0.0.1:8001/"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in\n%s", want, said)
		}
	}
	c := written(t, dir)
	if c.Agent.ClientName != `warehouse "7"` || c.Central.URL != "https://central.example.com" || c.Central.Token.Reveal() != "hunter2 token" || c.Central.ClientID != siteID || c.Central.Cameras {
		t.Errorf("agent and central: %+v %+v", c.Agent, c.Central)
	}
	if len(c.Cameras) != 2 || c.Cameras[0].URL.Reveal() != "rtsp://admin:hunter2%40%3A@10.0.0.5:554/stream?x=1" || c.Cameras[1].URL.Reveal() != "rtsp://10.0.0.6/2" {
		t.Errorf("cameras: %+v", c.Cameras)
	}
	if c.S3.Bucket != "footage" || c.S3.Region != "eu-central-1" || c.S3.Endpoint != "https://nas.example.internal:9000" || !c.S3.PathStyle || c.S3.AccessKeyID.Reveal() != "test" || c.S3.SecretAccessKey.Reveal() != "hunter2/$+=" {
		t.Errorf("store: %+v", c.S3)
	}
	text, err := os.ReadFile(filepath.Join(dir, "agent.toml"))
	if err != nil || strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), "# keyframe_timeout = ") {
		t.Errorf("%v\n%s", err, text)
	}

	said, code = setUp(t, dir, "", env, append(args[:len(args)-2], "--bucket", "other")...)
	if code == 0 || !strings.Contains(said, "not overwritten") && !strings.Contains(said, "AGENT_CENTRAL_TOKEN") {
		t.Errorf("once more: exit code %d\n%s", code, said)
	}
	if now, err := os.ReadFile(filepath.Join(dir, "agent.toml")); err != nil || string(now) != string(text) {
		t.Errorf("the configuration was overwritten: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestInitRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"a password that others see":   {[]string{"--local", "--camera", "gate=rtsp://admin:hunter2@10.0.0.5/1"}, "AGENT_CAMERA_PASSWORD_GATE"},
		"no address":                   {[]string{"--local", "--camera", "hunter2"}, "NAME=URL"},
		"no camera's address":          {[]string{"--local", "--camera", "gate=http://10.0.0.5/"}, "camera[0].url"},
		"no password to be had":        {[]string{"--local", "--camera", "gate=rtsp://admin@10.0.0.5/1"}, "AGENT_CAMERA_PASSWORD_GATE"},
		"no place for footage":         {[]string{"--camera", "gate=rtsp://10.0.0.5/1"}, "--local"},
		"two places":                   {[]string{"--local", "--bucket", "footage", "--camera", "gate=rtsp://10.0.0.5/1"}, "exclude"},
		"nothing to record":            {[]string{"--local"}, "--camera"},
		"no token":                     {[]string{"--bucket", "footage", "--central-url", "https://c"}, "AGENT_CENTRAL_TOKEN"},
		"no bucket's name":             {[]string{"--bucket", "s3://Footage", "--camera", "gate=rtsp://10.0.0.5/1"}, "s3.bucket"},
		"a camera twice":               {[]string{"--local", "--camera", "Gate 1=rtsp://10.0.0.5/1", "--camera", "gate-1=rtsp://10.0.0.6/1"}, "camera[1].id"},
		"a file of secrets is missing": {[]string{"--local", "--camera", "gate=rtsp://10.0.0.5/1", "--secrets", "missing"}, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			said, code := setUp(t, dir, "", nil, append([]string{"init", "--no-check"}, tc.args...)...)
			if code != exitUnusable || !strings.Contains(said, tc.says) || strings.Contains(said, "hunter2") {
				t.Errorf("exit code %d, want %q in\n%s", code, tc.says, said)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("it has written %v", left)
			}
		})
	}
}

// A secret's file of before stays, and then nothing is written; one that holds the same
// is no obstacle.
func TestInitLeavesSecretsOfBefore(t *testing.T) {
	for before, want := range map[string]int{"other\n": exitFailed, "test\n": 0} {
		dir := t.TempDir()
		file := filepath.Join(dir, "secrets", "s3-secret-access-key")
		if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		said, code := setUp(t, dir, "", []string{"AGENT_S3_ACCESS_KEY_ID=test", "AGENT_S3_SECRET_ACCESS_KEY=test"},
			"init", "--no-check", "--bucket", "footage", "--camera", "gate=rtsp://10.0.0.5/1")
		if code != want {
			t.Errorf("with %q: exit code %d\n%s", before, code, said)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != before {
			t.Errorf("with %q there is now %q, %v", before, got, err)
		}
		_, config := os.Stat(filepath.Join(dir, "agent.toml"))
		_, other := os.Stat(filepath.Join(dir, "secrets", "s3-access-key-id"))
		if there := want == 0; (config == nil) != there || (other == nil) != there {
			t.Errorf("with %q: configuration %v, the other secret %v", before, config, other)
		}
	}
}

// What is written is tried by "check", where that knows how to; what fails does not take
// the configuration away.
func TestInitChecks(t *testing.T) {
	for _, failure := range []error{nil, errors.New("camera gate does not answer")} {
		file, tried, said := filepath.Join(t.TempDir(), "agent.toml"), "", &strings.Builder{}
		root := &cobra.Command{Use: "recording-agent", SilenceErrors: true, SilenceUsage: true}
		check := &cobra.Command{Use: "check", RunE: func(c *cobra.Command, _ []string) error {
			tried = file
			if c.Context() == nil {
				t.Error("it has no context")
			}
			return failure
		}}
		root.AddCommand(check, initCommand(&file))
		root.SetOut(said)
		root.SetArgs([]string{"init", "--local", "--camera", "gate=rtsp://127.0.0.1:9/1"})
		err := root.Execute()
		if (err != nil) != (failure != nil) || failure != nil && !errors.Is(err, failure) || tried != file {
			t.Errorf("tried %q: %v", tried, err)
		}
		if _, err := os.Stat(file); err != nil || !strings.Contains(said.String(), "recording-agent run --config") {
			t.Errorf("%v; it said\n%s", err, said)
		}
	}
}

// What "init" has written stands all checks, and records, uploads and registers.
func TestInitThenRecord(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if err := os.Remove(h.config()); err != nil {
		t.Fatal(err)
	}
	args := []string{"init", "--client-name", "host", "--data-dir", h.data(), "--central-url", "http://" + h.toRows.Address, "--client-id", siteID,
		"--bucket", hostBucket, "--region", s3test.Region, "--endpoint", "http://" + h.toStore.Address, "--path-style"}
	env := []string{"AGENT_CENTRAL_TOKEN=test", "AGENT_S3_ACCESS_KEY_ID=" + s3test.AccessKey, "AGENT_S3_SECRET_ACCESS_KEY=" + s3test.SecretKey}
	for _, id := range h.cameras {
		args = append(args, "--camera", id+"="+strings.Replace(h.hub.URL(id), "rtsp://", "rtsp://admin@", 1))
		env = append(env, "AGENT_CAMERA_PASSWORD_"+strings.ToUpper(strings.ReplaceAll(id, "-", "_"))+"=test")
	}
	h.central.Assign([]centraltest.Camera{h.assignable(0), h.assignable(1)}, nil)
	if said, code := setUp(t, h.dir, "", env, args...); code != 0 || !strings.Contains(said, " 0 failed") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	written(t, h.dir)
	h.recordsAsWritten()
}

// What "import-env" has written records what central assigns, as the predecessor did.
func TestImportEnvThenRecord(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	h := newHost(t)
	if err := os.Remove(h.config()); err != nil {
		t.Fatal(err)
	}
	env := filepath.Join(h.dir, ".env")
	text := fmt.Sprintf("BACKEND_API_URL=http://%s\nCLIENT_TOKEN=test\nCLIENT_ID=%s\nSYNC_INTERVAL_SECONDS=5\nAWS_REGION_NAME=%s\nAWS_BUCKET_NAME=%s\nAWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n",
		h.toRows.Address, siteID, s3test.Region, hostBucket, s3test.AccessKey, s3test.SecretKey)
	if err := os.WriteFile(env, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, code := setUp(t, h.dir, "", nil, "import-env", env, "--no-check", "--client-name", "host", "--data-dir", h.data()); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	h.edit(`# endpoint = ""`, `endpoint = "http://`+h.toStore.Address+`"`) // the predecessor knew AWS only
	h.edit(`# path_style = false`, `path_style = true`)
	first, second := h.assignable(0), h.assignable(1)
	h.central.Assign([]centraltest.Camera{first, second}, []centraltest.Schedule{allDay(firstSchedule, first), allDay(secondSchedule, second)})
	h.recordsAsWritten()
}

// recordsAsWritten runs the agent with what was written, and wants all of it to go the
// whole way.
func (h *host) recordsAsWritten() {
	h.t.Helper()
	h.edit(`# duration = "5m"`, `duration = "5s"`)
	h.edit(`# listen = "127.0.0.1:8001"`, `listen = "`+h.status+`"`)
	h.start()
	h.until(40*time.Second, func() string {
		done := 0
		for _, r := range h.central.Recordings() {
			if r.Status == "completed" {
				done++
			}
		}
		if done < 2 {
			return "two completed segments"
		}
		return ""
	})
	h.stop()
	h.silence()
	h.start()
	h.until(30*time.Second, h.backlog)
	h.stop()
	h.account(0)
}

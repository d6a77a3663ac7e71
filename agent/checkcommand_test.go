package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"recording-agent/agent/central/centraltest"
	"recording-agent/agent/check"
)

// checks runs "check" with these arguments.
func (h *host) checks(args ...string) (said string, code int) {
	h.t.Helper()
	c := exec.Command(os.Args[0], append([]string{"check", "--config", h.config()}, args...)...)
	c.Env = append(os.Environ(), "RUN_AS_AGENT=1")
	out, _ := c.CombinedOutput() // the exit code says it
	return string(out), c.ProcessState.ExitCode()
}

type checked struct {
	Result check.Result `json:"result"`
	Steps  []check.Step `json:"steps"`
}

// checkedAs runs it for programs.
func (h *host) checkedAs(code int, args ...string) (d checked) {
	h.t.Helper()
	c := exec.Command(os.Args[0], append([]string{"check", "--json", "--config", h.config()}, args...)...)
	c.Env = append(os.Environ(), "RUN_AS_AGENT=1")
	out, _ := c.Output() // the exit code says it
	if err := json.Unmarshal(out, &d); err != nil || c.ProcessState.ExitCode() != code {
		h.t.Fatalf("exit code %d, want %d; %v\n%s", c.ProcessState.ExitCode(), code, err, out)
	}
	return d
}

// TestCheckBesideARunningAgent tries everything while footage is recorded and
// uploaded: all is well, and nothing but the agent's own work is left behind.
func TestCheckBesideARunningAgent(t *testing.T) {
	h := newHost(t)
	h.central.Assign([]centraltest.Camera{h.assignable(0), h.assignable(1)}, nil)
	h.start()
	h.until(time.Minute, func() string {
		if len(h.files()) < 2 {
			return "two segments"
		}
		return ""
	})
	said, code := h.checks()
	if code != 0 || strings.Contains(said, "  failed ") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	at := -1
	for _, part := range []string{"config\n", "disk\n", "clock\n", "camera " + h.cameras[0], "camera " + h.cameras[1], "s3 primary (footage)", "central\n", " failed\n"} {
		next := strings.Index(said, part)
		if next <= at {
			t.Errorf("%q is missing, or not in order:\n%s", part, said)
		}
		at = next
	}
	if !strings.Contains(said, "central has taken recordings of each camera") {
		t.Errorf("of the recording mode:\n%s", said)
	}
	d := h.checkedAs(0, "s3")
	if len(d.Steps) < 10 || d.Result == check.Failed {
		t.Errorf("%+v", d)
	}
	h.stop()
	for key := range h.stored() {
		if strings.Contains(key, "recording-agent-check") {
			t.Errorf("%s is left behind", key)
		}
	}
	for _, row := range h.central.Recordings() {
		if row.IdempotencyKey == "" {
			t.Errorf("row %q at central is not the agent's", row.Name)
		}
	}
}

func TestCheckThatFails(t *testing.T) {
	h := newHost(t)
	h.edit(`token = "test"`, `token = "hunter2"`)
	h.silence() // no camera answers
	d := h.checkedAs(1)
	failed := map[string]string{}
	for _, s := range d.Steps {
		if s.Result == check.Failed {
			failed[s.Check+" "+s.Step] = s.Found + s.Remedy
			if s.Remedy == "" {
				t.Errorf("no remedy: %+v", s)
			}
		}
		if strings.Contains(s.Found+s.Remedy, "hunter2") {
			t.Errorf("the token is shown: %+v", s)
		}
	}
	if d.Result != check.Failed || len(failed) != 2 || !strings.Contains(failed["camera reach"], "nothing listens") || !strings.Contains(failed["central token"], "central.token") {
		t.Errorf("%+v", d)
	}
	h.edit(`client_name`, `klient_name`)
	d = h.checkedAs(2, "central")
	if d.Result != check.Failed || len(d.Steps) < 2 || !strings.Contains(d.Steps[0].Found, "klient_name") && !strings.Contains(d.Steps[1].Found, "klient_name") {
		t.Errorf("a configuration that is not valid: %+v", d)
	}
}

func TestPolicyIsPrintedWithoutSecrets(t *testing.T) {
	said, code := command(t, map[string]string{"agent.toml": validConfig + "[s3]\nbucket = \"footage\"\naccess_key_id = \"env:NOT_SET_1\"\nsecret_access_key = \"env:NOT_SET_2\"\n"}, "check", "s3", "--policy")
	var policy struct {
		Statement []struct{ Resource string }
	}
	if err := json.Unmarshal([]byte(said), &policy); err != nil || code != 0 || len(policy.Statement) != 2 || policy.Statement[0].Resource != "arn:aws:s3:::footage/recordings/*" {
		t.Errorf("exit code %d, %v\n%s", code, err, said)
	}
	if said, code = command(t, map[string]string{"agent.toml": validConfig}, "check", "s3", "--policy"); code != 2 || !strings.Contains(said, "s3.bucket") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

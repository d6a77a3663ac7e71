//go:build system

package systemtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// need skips the test for want of programs, or fails it where they are required.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, p+" is not installed")
		}
	}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_PEERS") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// cacheDir holds what takes long to make and does not change.
func cacheDir(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "recording-agent")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// must runs a program and returns what it says.
func must(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// build makes the agent for a system.
func build(t *testing.T, goos string, flags ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "recording-agent")
	if goos == "windows" {
		binary += ".exe"
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), "recording-agent/agent")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// until polls: the condition says what is still wanted, nothing when it holds.
func until(t *testing.T, limit time.Duration, condition func() string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		wanted := condition()
		if wanted == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still: %s", limit, wanted)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func lines(out []byte) string { return string(bytes.TrimSpace(out)) }

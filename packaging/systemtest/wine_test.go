//go:build system

package systemtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// windows is a Wine prefix: a Windows of this test's own.
type windows struct {
	t      *testing.T
	prefix string
	said   bytes.Buffer
}

func newWindows(t *testing.T) *windows {
	t.Helper()
	need(t, "wine", "wineboot", "wineserver", "x86_64-w64-mingw32-gcc", "ffprobe")
	base := filepath.Join(cacheDir(t), "wine")
	if _, err := os.Stat(filepath.Join(base, "system.reg")); err != nil {
		made := &windows{t: t, prefix: base}
		made.must("wineboot", "-i")
		must(t, "x86_64-w64-mingw32-gcc", "-shared", "-o", filepath.Join(base, "drive_c/windows/system32/bcryptprimitives.dll"),
			"testdata/bcryptprimitives.c", "-ladvapi32")
		made.must("wineserver", "-w") // the registry is written when the last process has gone
	}
	w := &windows{t: t, prefix: filepath.Join(t.TempDir(), "wine")}
	must(t, "cp", "-a", base, w.prefix)
	t.Cleanup(func() {
		_ = w.command("wineserver", "-k").Run()
		if t.Failed() {
			t.Logf("the agent said:\n%s", &w.said)
		}
	})
	return w
}

func (w *windows) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "WINEPREFIX="+w.prefix, "WINEDEBUG=-all", "DISPLAY=")
	return cmd
}

func (w *windows) must(program string, args ...string) string {
	w.t.Helper()
	out, code := w.try(program, args...)
	if code != 0 {
		w.t.Fatalf("%s %s: exit code %d\n%s", program, strings.Join(args, " "), code, out)
	}
	return out
}

func (w *windows) try(program string, args ...string) (string, int) {
	out, _ := os.CreateTemp(w.t.TempDir(), "said") // a pipe would be held open by Wine's own processes
	defer out.Close()
	cmd := w.command(program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	_ = cmd.Run()
	text, _ := os.ReadFile(out.Name())
	return lines(text), cmd.ProcessState.ExitCode()
}

// path is where a file of the C: drive lies on this host.
func (w *windows) path(elements ...string) string {
	return filepath.Join(append([]string{w.prefix, "drive_c"}, elements...)...)
}

// start runs the agent in the foreground, as from a command line.
func (w *windows) start() *exec.Cmd {
	w.t.Helper()
	cmd := w.command("wine", `C:\agent\recording-agent.exe`, "run", "--config", `C:\agent\agent.toml`)
	cmd.Stdout, cmd.Stderr = &w.said, &w.said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd
}

func (w *windows) install(binary, config string) {
	w.t.Helper()
	if err := os.MkdirAll(w.path("agent"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	must(w.t, "cp", binary, w.path("agent", "recording-agent.exe"))
	write(w.t, w.path("agent", "agent.toml"), config)
}

// The Windows program records from a camera to a real S3 server, and settles
// what a kill left open.
func TestWindowsRecordsToS3(t *testing.T) {
	w, around := newWindows(t), newWorld(t)
	w.install(build(t, "windows"), around.config(`C:\footage`))
	agent := w.start()
	until(t, 90*time.Second, func() string {
		if n := len(around.completed()); n < 2 {
			return fmt.Sprintf("two completed segments, there are %d", n)
		}
		return ""
	})
	open := ""
	until(t, 20*time.Second, func() string {
		for _, f := range segments(t, w.path("footage")) {
			if info, err := os.Stat(f); err == nil && info.Size() > 2<<20 && !isFinished(t, f) {
				open = segmentOf(f)
				return ""
			}
		}
		return "an open segment with footage in it"
	})
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait()
	agent = w.start()
	until(t, 60*time.Second, func() string {
		for _, r := range around.completed() {
			if r.IdempotencyKey == open {
				return ""
			}
		}
		return "the segment that was open at the kill, completed"
	})
	_ = agent.Process.Kill()
	_ = agent.Wait()
	gone := map[string]bool{}
	for _, f := range segments(t, w.path("footage")) {
		gone[segmentOf(f)] = true
	}
	for _, r := range around.completed() {
		around.check(r)
		if gone[r.IdempotencyKey] && r.IdempotencyKey != open {
			t.Errorf("segment %s is completed, and its file still there", r.IdempotencyKey)
		}
	}
}

// The service verbs, with a build of which one check is patched: Wine runs
// services in session 1, and golang.org/x/sys wants 0 to call it a service.
func TestWindowsService(t *testing.T) {
	w, around := newWindows(t), newWorld(t)
	w.install(build(t, "windows", patchedSys(t)), around.config(`C:\footage`))
	keep := w.command("wine", "cmd", "/c", "pause") // services die with the last process of a session
	if in, err := keep.StdinPipe(); err == nil {
		defer in.Close()
	}
	if err := keep.Start(); err != nil {
		t.Fatal(err)
	}
	defer keep.Wait()
	defer keep.Process.Kill()

	exe, config := `C:\agent\recording-agent.exe`, `C:\agent\agent.toml`
	if out, code := w.try("wine", exe, "status"); code != 1 {
		t.Errorf("status before the installation: exit code %d\n%s", code, out)
	}
	w.must("wine", exe, "install", "--config", config)
	w.checkService(`NT SERVICE\recording-agent`)
	w.must("wine", exe, "install", "--config", config, "--user", "LocalSystem") // it may be run again
	w.checkService("LocalSystem")
	w.must("wine", exe, "install", "--config", config)
	w.checkService(`NT SERVICE\recording-agent`)
	w.must("wine", exe, "start")
	until(t, 60*time.Second, func() string {
		if out, _ := w.try("wine", exe, "status"); out != "running" {
			return "running, it is: " + out
		}
		if len(segments(t, w.path("footage"))) == 0 {
			return "a segment on the disk"
		}
		return ""
	})
	log := ""
	until(t, 10*time.Second, func() string {
		// Wine's services have another %ProgramData% than its command lines.
		for _, dir := range []string{w.path("ProgramData"), w.path("users", "Public")} {
			log = filepath.Join(dir, "RecordingAgent", "agent.log")
			if data, err := os.ReadFile(log); err == nil && bytes.Contains(data, []byte("agent starts")) {
				return ""
			}
		}
		return "the log file of the service"
	})
	w.must("wine", exe, "restart")
	time.Sleep(3 * time.Second) // some footage
	w.must("wine", exe, "stop")
	if out, code := w.try("wine", exe, "status"); code != 1 {
		t.Errorf("status after stop: exit code %d\n%s", code, out)
	}
	for _, f := range segments(t, w.path("footage")) {
		if !isFinished(t, f) {
			t.Errorf("stop did not finish %s", f)
		}
	}
	if data, _ := os.ReadFile(log); !bytes.Contains(data, []byte("agent has stopped")) {
		t.Errorf("the log does not tell of an orderly end:\n%s", data)
	}
	w.must("wine", exe, "uninstall")
	if len(segments(t, w.path("footage")))+len(around.completed()) == 0 {
		t.Error("no footage at all")
	}
}

// checkService looks at what Windows' service manager knows of the service. Delayed start and what follows
// errors Wine does not know.
func (w *windows) checkService(account string) {
	w.t.Helper()
	out := w.must("wine", "reg", "query", `HKLM\SYSTEM\CurrentControlSet\Services\recording-agent`)
	for _, want := range []string{
		`ObjectName REG_SZ ` + account, `Start REG_DWORD 0x2`, `PreshutdownTimeout REG_DWORD 0x7530`,
		`ImagePath REG_SZ C:\agent\recording-agent.exe run --config C:\agent\agent.toml`, `Description REG_SZ Records IP cameras and uploads the footage.`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			w.t.Errorf("the service has no %s:\n%s", want, out)
		}
	}
}

// patchedSys returns the build flag that makes the program take any parent named
// services.exe for the service manager.
func patchedSys(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source := lines([]byte(must(t, "go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys")))
	must(t, "cp", "-r", source, filepath.Join(dir, "sys"))
	must(t, "chmod", "-R", "u+w", filepath.Join(dir, "sys"))
	file := filepath.Join(dir, "sys", "windows", "svc", "security.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	patched := bytes.Replace(text, []byte("parentProcess.SessionID == 0 && "), nil, 1)
	if bytes.Equal(patched, text) {
		t.Fatal("golang.org/x/sys has changed: its check of the session was not found")
	}
	write(t, file, string(patched))
	root := filepath.Join("..", "..")
	for _, name := range []string{"go.mod", "go.sum"} {
		must(t, "cp", filepath.Join(root, name), filepath.Join(dir, "patched"+filepath.Ext(name)))
	}
	mod := filepath.Join(dir, "patched.mod")
	must(t, "go", "mod", "edit", "-replace", "golang.org/x/sys="+filepath.Join(dir, "sys"), mod)
	return "-modfile=" + mod
}

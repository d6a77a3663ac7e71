//go:build system

package systemtest

import (
	"os"
	"strings"
	"testing"
)

// The Windows installer's silent installation, upgrade and removal. What Wine's installer
// leaves out (delayed start, recovery actions, permissions) is looked at in its tables
// by "make test-package".
func TestWindowsInstaller(t *testing.T) {
	need(t, "wixl", "msibuild", "msiinfo")
	w := newWindows(t)
	for _, version := range []string{"1.0.0", "1.0.1"} {
		must(t, "cp", release(t, "windows/amd64", version, ".msi"), w.path(version+".msi"))
	}
	config := w.path("ProgramData", "RecordingAgent", "agent.toml")
	program := w.path("Program Files", "RecordingAgent", "recording-agent.exe")

	w.must("wine", "msiexec", "/i", `C:\1.0.0.msi`, "/qn")
	w.says("1.0.0")
	if text, err := os.ReadFile(config); err != nil || !strings.Contains(string(text), "# client_name") {
		t.Errorf("the configuration: %v\n%s", err, text)
	}
	if out, code := w.try("wine", "sc", "query", "recording-agent"); code != 0 || !strings.Contains(out, "STOPPED") {
		t.Errorf("with an empty configuration the service is, with exit code %d:\n%s", code, out)
	}
	if out, code := w.try("wine", "reg", "query", `HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\recording-agent`); code != 0 || !strings.Contains(out, "EventCreate.exe") {
		t.Errorf("the event source, with exit code %d:\n%s", code, out)
	}

	write(t, config, "# edited\n")
	w.must("wine", "msiexec", "/i", `C:\1.0.1.msi`, "/qn")
	w.says("1.0.1")
	w.must("wine", "msiexec", "/x", `C:\1.0.1.msi`, "/qn")
	if _, err := os.Stat(program); err == nil {
		t.Error("the removal has left the program")
	}
	if text, err := os.ReadFile(config); err != nil || string(text) != "# edited\n" {
		t.Errorf("after upgrade and removal the configuration is %q, %v", text, err)
	}
	if out, code := w.try("wine", "sc", "query", "recording-agent"); code == 0 {
		t.Errorf("the service is still there:\n%s", out)
	}
}

// says asks the installed program for its version.
func (w *windows) says(version string) {
	w.t.Helper()
	if out := w.must("wine", `C:\Program Files\RecordingAgent\recording-agent.exe`, "version"); !strings.Contains(out, version) {
		w.t.Errorf("installed is %s, not %s", out, version)
	}
}

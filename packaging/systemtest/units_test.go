//go:build system

package systemtest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What stands in _windows.go files, as far as Wine can show it: sharing of files, long paths,
// permissions as they are asked for, the service's answers, the clock. Not by way of all tests: Wine
// cannot remove directories as Go does behind t.TempDir.
func TestWindowsUnits(t *testing.T) {
	w := newWindows(t)
	for dir, tests := range map[string]string{
		"capture/private": ".",
		"capture/spool":   "^(TestSegmentIsShared|TestFileThatAPlayerHolds|TestLongPath|TestHeldByOthers)$",
		"agent":           "^(TestServiceStops|TestServiceIs.*|TestAccountSID|TestPowerIsWatched|TestPowerEvents|TestClockTicksFinely|TestHints.*|TestEvents.*)$",
	} {
		t.Run(dir, func(t *testing.T) {
			binary := filepath.Join(w.path(), strings.ReplaceAll(dir, "/", "-")+".test.exe")
			cmd := exec.Command("go", "test", "-c", "-o", binary, "recording-agent/"+dir)
			cmd.Env = append(cmd.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out, code := w.try("wine", binary, "-test.v", "-test.run", tests)
			if code != 0 || !strings.Contains(out, "--- PASS") {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}

//go:build unix

package inbox

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A pipe would have the agent wait for ever for somebody who writes into it.
func TestPipe(t *testing.T) {
	w := newWorld(t)
	if err := syscall.Mkfifo(w.path("gate/pipe.mp4"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	w.stays("gate/pipe.mp4", "is not a file")
}

// Between the look at a name and its opening, something else may have come there.
func TestExchangedBeforeItIsOpened(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "1.mp4")
	for kind, exchange := range map[string]func() error{
		"pipe":         func() error { return syscall.Mkfifo(name, 0o600) },
		"link":         func() error { return os.Symlink(filepath.Join(dir, "first.mp4"), name) },
		"another file": func() error { return os.WriteFile(name, video(t), 0o600) },
	} {
		if err := os.WriteFile(name, video(t), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name, filepath.Join(dir, "first.mp4")); err != nil {
			t.Fatal(err)
		}
		if err := exchange(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := describe(t.Context(), name, info); err == nil {
			t.Errorf("%s: taken for the file that was there", kind)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

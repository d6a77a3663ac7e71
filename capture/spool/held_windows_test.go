package spool

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// place makes a directory. Wine cannot remove it with all that is in it, which t.TempDir
// would take for a failure.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// write makes a file with a text in it.
func writeText(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

// held opens a file as a player does: others may read and write, and not delete.
func held(t *testing.T, name string) io.Closer {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A segment is read while it is recorded, and finished, renamed and removed while it is
// read by us.
func TestSegmentIsShared(t *testing.T) {
	name := filepath.Join(place(t), "segment.mp4")
	recording, err := openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		t.Fatal(err)
	}
	defer recording.Close()
	if _, err := openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL); err == nil {
		t.Error("a segment was made twice")
	}
	if _, err := recording.WriteString("one part "); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "one part " { // as other programs do
		t.Errorf("read while it is recorded: %q, %v", text, err)
	}
	played, err := OpenToRead(name)
	if err != nil {
		t.Fatal(err)
	}
	defer played.Close()
	if _, err := recording.WriteString("and another"); err != nil {
		t.Fatal(err)
	}
	if err := recording.Sync(); err != nil {
		t.Error(err)
	}
	if text, err := io.ReadAll(played); err != nil || string(text) != "one part and another" {
		t.Errorf("read while it is recorded: %q, %v", text, err)
	}
	if err := renameFile(name, name+".moved"); err != nil {
		t.Errorf("renamed while it is read: %v", err)
	}
	if err := removeFile(name + ".moved"); err != nil {
		t.Errorf("removed while it is read: %v", err)
	}
}

func TestFileThatAPlayerHolds(t *testing.T) {
	for what, do := range map[string]func(name string) error{
		"removed":  removeFile,
		"renamed":  func(name string) error { return renameFile(name, name+".moved") },
		"replaced": func(name string) error { return WriteDurably(name, []byte("new"), 0o640) },
	} {
		t.Run(what, func(t *testing.T) {
			name := filepath.Join(place(t), "segment.mp4")
			writeText(t, name, "old")
			player := held(t, name)
			began := time.Now()
			if err := do(name); err == nil || time.Since(began) < (heldAttempts-2)*heldPause {
				t.Errorf("while a player holds it: %v after %v", err, time.Since(began))
			}
			if text, err := os.ReadFile(name); err != nil || string(text) != "old" {
				t.Errorf("it holds %q, %v", text, err)
			}
			time.AfterFunc(3*heldPause, func() { player.Close() })
			if err := do(name); err != nil {
				t.Errorf("once the player lets it go: %v", err)
			}
			if text, _ := os.ReadFile(name); what == "replaced" && string(text) != "new" {
				t.Errorf("it holds %q", text)
			}
		})
	}
}

// Paths may be longer than 260 characters.
func TestLongPath(t *testing.T) {
	dir := place(t)
	for len(dir) < 400 {
		dir = filepath.Join(dir, strings.Repeat("long", 20))
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "segment.mp4")
	f, err := openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := WriteDurably(name, []byte("text"), 0o640); err != nil {
		t.Error(err)
	}
	if err := syncFile(name); err != nil {
		t.Error(err)
	}
	if err := renameFile(name, name+".moved"); err != nil {
		t.Error(err)
	}
	if err := removeFile(name + ".moved"); err != nil {
		t.Error(err)
	}
	s, err := Open(t.Context(), Options{Dir: filepath.Join(dir, "data"), ClientName: "host", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestHeldByOthers(t *testing.T) {
	for err, want := range map[error]bool{
		windows.ERROR_SHARING_VIOLATION: true, windows.ERROR_ACCESS_DENIED: true, windows.ERROR_LOCK_VIOLATION: true,
		windows.ERROR_FILE_NOT_FOUND: false, windows.ERROR_DISK_FULL: false,
	} {
		if got := heldByOthers(&os.PathError{Op: "remove", Path: "x", Err: err}); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

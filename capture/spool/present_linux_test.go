package spool

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestPresent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	rec := finished(t, s, "gate", epoch, 1)
	must(t, s.Verified(t.Context(), rec.ID, "primary", "size", epoch))
	must(t, s.Room())
	pulled := dir + ".pulled"
	must(t, os.Rename(dir, pulled))

	for _, mountPoint := range []bool{false, true} {
		if mountPoint {
			must(t, os.Mkdir(dir, 0o750))
		}
		for what, err := range map[string]error{"present": s.Present(), "room": s.Room(), "delete": s.Delete(t.Context(), rec.ID)} {
			if !errors.Is(err, ErrAway) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := s.Open(rec.Segment); !errors.Is(err, ErrAway) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open: %v; a segment is not lost with its disk", err)
		}
	}
	if got := state(t, s, rec.ID).State; got != Finished {
		t.Errorf("the segment is %s", got)
	}

	must(t, os.Remove(dir))
	if out, err := exec.Command("cp", "-a", pulled, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := s.Present(); !errors.Is(err, ErrReplaced) {
		t.Errorf("a copy: %v", err)
	}
	must(t, os.RemoveAll(dir))
	other := open(t, dir)
	if err := s.Present(); !errors.Is(err, ErrReplaced) {
		t.Errorf("another data directory: %v", err)
	}
	must(t, other.Close())
	must(t, os.RemoveAll(dir))

	must(t, os.Rename(pulled, dir))
	must(t, s.Present())
	must(t, s.Delete(t.Context(), rec.ID))
	if got := state(t, s, rec.ID).State; got != Deleted {
		t.Errorf("the segment is %s", got)
	}
}

//go:build !arm && !386

package spool

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"recording-agent/capture/spool/disktest"
)

// failingCamera puts the files of a camera on a disk that fails on demand. Their ledger
// is elsewhere: SQLite must not map what its own process serves.
func failingCamera(t *testing.T, dir, camera string) *disktest.FS {
	t.Helper()
	of := filepath.Join(dir, segmentsDir, camera)
	image, err := disktest.ReadImage(of)
	must(t, err)
	return disktest.Mount(t, of, image)
}

// A directory that cannot be read does not keep the agent from starting: what lies in
// the others is taken up.
func TestUnreadableDirectory(t *testing.T) {
	s := open(t, t.TempDir())
	var kept *recording
	for i, camera := range []string{"attic", "gate", "yard"} {
		rec := finished(t, s, camera, epoch.Add(time.Duration(i)*time.Minute), 1)
		if camera == "yard" {
			kept = rec
		}
	}
	must(t, s.Close())
	must(t, os.Remove(filepath.Join(s.Dir(), "ledger.db")))
	disk := failingCamera(t, s.Dir(), "gate")
	disk.Fail(func(op disktest.Kind, path string) syscall.Errno {
		if op == disktest.Reading {
			return syscall.EIO
		}
		return 0
	})

	s, said := spoken(t, s.Dir())
	r, err := s.Recover(t.Context())
	if err != nil || r != (Recovery{Adopted: 2, Failed: 1}) {
		t.Errorf("recovery: %+v, %v", r, err)
	}
	if got := state(t, s, kept.ID).State; got != Finished {
		t.Errorf("the segment in the directory behind it is %s", got)
	}
	if !strings.Contains(said.String(), "a directory cannot be read") || !strings.Contains(said.String(), filepath.Join(segmentsDir, "gate")) {
		t.Errorf("the log does not say so: %s", said)
	}
}

// What the start could not bring in order is brought in order once the disk is well, and
// not at the next start, which may be months away: a row whose file cannot be written, a
// file without a row, and a directory. What is recorded meanwhile is left alone.
func TestLeftoversAreRecoveredAgain(t *testing.T) {
	s := open(t, t.TempDir())
	row := begin(t, s, "gate", epoch)
	row.parts(t, 5)
	must(t, s.Begun(t.Context(), row.Segment))
	file := begin(t, s, "gate", epoch.Add(time.Minute))
	file.parts(t, 5)
	inside := begin(t, s, "yard", epoch)
	inside.parts(t, 5)
	must(t, s.Close())
	gate, yard := failingCamera(t, s.Dir(), "gate"), failingCamera(t, s.Dir(), "yard")
	gate.Fail(func(op disktest.Kind, _ string) syscall.Errno {
		if op == disktest.Write {
			return syscall.EIO
		}
		return 0
	})
	yard.Fail(func(op disktest.Kind, _ string) syscall.Errno {
		if op == disktest.Reading {
			return syscall.EIO
		}
		return 0
	})

	s, said := spoken(t, s.Dir())
	r, err := s.Recover(t.Context())
	if err != nil || r != (Recovery{Adopted: 1, Failed: 3}) { // a file that can be read gets its row
		t.Errorf("recovery: %+v, %v\n%s", r, err, said)
	}
	if r, err := s.RecoverAgain(t.Context()); err != nil || r != (Recovery{Failed: 3}) {
		t.Errorf("again on the failing disk: %+v, %v", r, err)
	}
	if l := s.Leftovers(); l.Count != 3 || l.Cause == nil || !strings.Contains(l.Cause.Error(), "input/output error") {
		t.Errorf("left: %+v", l)
	}

	gate.Fail(nil)
	yard.Fail(nil)
	now := begin(t, s, "yard", epoch.Add(time.Hour)) // of this run: its row comes later
	now.parts(t, 1)
	if r, err := s.RecoverAgain(t.Context()); err != nil || r != (Recovery{Recovered: 2, Adopted: 1}) {
		t.Errorf("again on the disk that is well: %+v, %v\n%s", r, err, said)
	}
	if l := s.Leftovers(); l.Count != 0 || l.Cause != nil {
		t.Errorf("left: %+v", l)
	}
	for name, rec := range map[string]*recording{"row": row, "file": file, "inside": inside} {
		if got := state(t, s, rec.ID); got.State != Finished || got.Duration != 5*time.Second {
			t.Errorf("%s: %s, %v", name, got.State, got.Duration)
		}
	}
	if jobs, err := s.DueDeliveries(t.Context(), Due{Destination: "primary", Now: epoch, Limit: 10}); err != nil || len(jobs) != 3 {
		t.Errorf("%d of them are to be uploaded, %v", len(jobs), err)
	}
	must(t, s.Begun(t.Context(), now.Segment))
	now.finish(t, s)
	if got := state(t, s, now.ID); got.State != Finished || got.Duration != time.Second {
		t.Errorf("what was recorded meanwhile: %s, %v", got.State, got.Duration)
	}
}

// A file that was left and is taken away is lost, or nothing at all: no attempt is made
// for ever. One that is none of a segment is not tried again.
func TestLeftoversThatGo(t *testing.T) {
	s := open(t, t.TempDir())
	row := begin(t, s, "gate", epoch)
	row.parts(t, 1)
	must(t, s.Begun(t.Context(), row.Segment))
	file := begin(t, s, "gate", epoch.Add(time.Minute))
	file.parts(t, 1)
	must(t, os.WriteFile(filepath.Join(s.Dir(), segmentsDir, "gate", "holiday.mp4"), []byte("none"), 0o640))
	must(t, s.Close())
	gate := failingCamera(t, s.Dir(), "gate")
	gate.Fail(func(op disktest.Kind, _ string) syscall.Errno {
		if op == disktest.Write {
			return syscall.EIO
		}
		return 0
	})
	s = open(t, s.Dir())
	if r, err := s.Recover(t.Context()); err != nil || r != (Recovery{Adopted: 1, Failed: 3}) || s.Leftovers().Count != 2 {
		t.Fatalf("recovery: %+v, %v, left %+v", r, err, s.Leftovers())
	}
	for _, rec := range []*recording{row, file} {
		must(t, os.Remove(filepath.Join(s.Dir(), rec.Path)))
	}
	if r, err := s.RecoverAgain(t.Context()); err != nil || r != (Recovery{Missing: 2}) {
		t.Errorf("again: %+v, %v", r, err)
	}
	for _, rec := range []*recording{row, file} {
		if got := state(t, s, rec.ID).State; got != Missing {
			t.Errorf("the row is %s", got)
		}
	}
}

// A file that cannot be read behind the cameras does not keep the others from getting their
// rows, nor one that only its index can be read of, and both are taken in when they can be read.
func TestUnreadableWhileTakingIn(t *testing.T) {
	dir, had := withoutLedger(t, 1, 30)
	disk := failingCamera(t, dir, "camera-0")
	files, err := os.ReadDir(filepath.Join(dir, segmentsDir, "camera-0"))
	must(t, err)
	whole, rest := files[3].Name(), files[7].Name()
	deaf := func(to string) {
		disk.Fail(func(op disktest.Kind, path string) syscall.Errno {
			if op == disktest.Reading && strings.HasSuffix(path, to) {
				return syscall.EIO
			}
			return 0
		})
	}
	deaf(whole)
	s := prepared(t, open(t, dir))
	r, err := s.TakeIn(t.Context())
	if err != nil || r != (Recovery{Adopted: len(had) - 2, Failed: 1}) || s.Leftovers().Count != 1 {
		t.Errorf("taken in: %+v, %v, left %+v", r, err, s.Leftovers())
	}
	deaf(rest)
	if r, err := s.readAll(t.Context(), hurried); err != nil || r != (Recovery{Failed: 1}) || s.Leftovers().Count != 2 {
		t.Errorf("read: %+v, %v, left %+v", r, err, s.Leftovers())
	}
	if r, err := s.RecoverAgain(t.Context()); err != nil || r != (Recovery{Adopted: 1, Failed: 1}) {
		t.Errorf("again: %+v, %v", r, err)
	}
	disk.Fail(nil)
	if r, err := s.RecoverAgain(t.Context()); err != nil || r != (Recovery{}) || s.Leftovers().Count != 0 {
		t.Errorf("once it can be read: %+v, %v, left %+v", r, err, s.Leftovers())
	}
	if got := kept(t, s); !reflect.DeepEqual(got, had) {
		t.Errorf("%d segments had rows, %d have", len(had), len(got))
	}
}

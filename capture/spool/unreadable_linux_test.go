//go:build !arm && !386

package spool

import (
	"os"
	"path/filepath"
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

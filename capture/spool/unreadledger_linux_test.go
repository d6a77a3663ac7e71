//go:build !arm && !386

package spool

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"recording-agent/capture/spool/disktest"
)

// TestOpenedBeside is run by the test below as a process of its own: SQLite must not map
// the files of a file system that its process serves.
func TestOpenedBeside(t *testing.T) {
	dir := os.Getenv("OPEN_DIR")
	if dir == "" {
		t.Skip("a part of TestUnreadableLedger")
	}
	s := open(t, dir)
	r, err := s.Recover(t.Context())
	must(t, err)
	said, err := json.Marshal(r)
	must(t, err)
	must(t, os.WriteFile(os.Getenv("OPEN_SAYS"), said, 0o600))
	must(t, s.Close())
}

// A ledger that lies where the disk cannot be read is set aside, on whichever page. Not
// one that can be read again, nor one on a disk of which nothing can be.
func TestUnreadableLedger(t *testing.T) {
	t.Parallel() // it mostly waits
	s := open(t, t.TempDir())
	for _, camera := range []string{"gate", "yard"} {
		finished(t, s, camera, epoch, 1)
	}
	manyRows(t, s, 2000, 0)
	must(t, s.Close())
	image, err := disktest.ReadImage(s.Dir())
	must(t, err)
	const page = 4096
	good := func(time.Duration) bool { return true }
	moment := func(since time.Duration) bool { return since < 500*time.Millisecond }
	for name, tc := range map[string]struct {
		path          string // empty: of all files
		from, to      int64
		lasts         func(since time.Duration) bool
		opened, aside bool
	}{
		"for good":                 {"ledger.db", 0, 1 << 30, good, true, true},
		"a page in its middle":     {"ledger.db", 16 * page, 17 * page, good, true, true},
		"for a moment":             {"ledger.db", 0, 1 << 30, moment, true, false},
		"a page, for a moment":     {"ledger.db", 16 * page, 17 * page, moment, true, false},
		"with all that is on disk": {"", 0, 1 << 30, good, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			disk := disktest.Mount(t, t.TempDir(), image)
			var first time.Time
			var dead uint64 // the sectors are those of the file that there was
			disk.FailReads(func(r disktest.Range) syscall.Errno {
				if tc.path != "" && (dead == 0 && r.Path != tc.path || dead != 0 && r.Node != dead) || r.To <= tc.from || r.From >= tc.to {
					return 0
				}
				if first.IsZero() {
					first, dead = time.Now(), r.Node
				}
				if tc.lasts(time.Since(first)) {
					return syscall.EIO
				}
				return 0
			})
			says := filepath.Join(t.TempDir(), "recovery")
			program := exec.Command(os.Args[0], "-test.run=^TestOpenedBeside$", "-test.count=1")
			program.Env = append(os.Environ(), "OPEN_DIR="+disk.Dir, "OPEN_SAYS="+says)
			out, err := program.CombinedOutput()
			disk.FailReads(nil)
			if (err == nil) != tc.opened {
				t.Fatalf("%v\n%s", err, out)
			}
			left, err := os.ReadDir(disk.Dir)
			must(t, err)
			aside := slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "ledger.db.damaged-") })
			if aside != tc.aside {
				t.Errorf("set aside %v: %v\n%s", aside, left, out)
			}
			if !tc.opened {
				return
			}
			var r Recovery
			said, err := os.ReadFile(says)
			must(t, err)
			must(t, json.Unmarshal(said, &r))
			if want := map[bool]Recovery{true: {Adopted: 2}}[tc.aside]; r != want {
				t.Errorf("recovery: %+v", r)
			}
		})
	}
}

//go:build !arm && !386

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"recording-agent/capture/spool"
	"recording-agent/capture/spool/disktest"
	"recording-agent/uploader/wiretest"
)

// health is what GET /health says: nothing when all is well, else the problems.
func (h *host) health() string {
	h.t.Helper()
	response, err := http.Get("http://" + h.status + "/health")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusServiceUnavailable {
		return "the agent starts anew"
	}
	var answer struct {
		Status    string
		Timestamp time.Time
		Problems  []struct {
			What, Cause string
			Since       time.Time
		}
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	if err != nil || response.StatusCode != http.StatusOK || (answer.Status == "healthy") != (len(answer.Problems) == 0) {
		h.t.Errorf("health: %d, %+v, %v", response.StatusCode, answer, err)
	}
	var out []string
	for _, p := range answer.Problems {
		if p.Since.IsZero() || time.Since(p.Since) > time.Hour {
			h.t.Errorf("problem %+v: since when?", p)
		}
		out = append(out, p.What+": "+p.Cause)
	}
	return strings.Join(out, "; ")
}

// untilUnwell waits until /health names all of the words.
func (h *host) untilUnwell(words ...string) {
	h.t.Helper()
	h.until(45*time.Second, func() string {
		said := h.health()
		for _, word := range words {
			if !strings.Contains(said, word) {
				return fmt.Sprintf("health that speaks of %q, it says %q", word, said)
			}
		}
		return ""
	})
}

// untilWell waits until /health finds nothing wrong and all cameras are recorded.
func (h *host) untilWell() {
	h.t.Helper()
	h.until(45*time.Second, h.health)
	h.untilGrowth()
}

// untilGrowth waits until all cameras have a segment that is newer than now.
func (h *host) untilGrowth() {
	h.t.Helper()
	now := time.Now()
	h.until(45*time.Second, func() string {
		for _, camera := range h.cameras {
			files, err := os.ReadDir(filepath.Join(h.data(), "segments", camera))
			if err != nil {
				return err.Error()
			}
			if !slices.ContainsFunc(files, func(f os.DirEntry) bool { return f.Name() > now.UTC().Format("20060102T150405.000Z") }) {
				return "a new segment of " + camera
			}
		}
		return ""
	})
}

// reconnects is how often the agent has connected to its cameras anew.
func (h *host) reconnects() (n int64) {
	h.t.Helper()
	shown := h.shows()
	if len(shown) != len(h.cameras) {
		h.t.Errorf("cameras %+v", shown)
	}
	for _, c := range shown {
		n += c.Reconnects
	}
	return n
}

// gapsOf counts the gaps of the cameras by their cause.
func (h *host) gapsOf(s *spool.Spool) map[spool.Cause]int {
	h.t.Helper()
	out := map[spool.Cause]int{}
	for _, camera := range h.cameras {
		gaps, err := s.Gaps(h.t.Context(), camera)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, g := range gaps {
			if g.End.IsZero() || !g.End.Before(g.Start) {
				out[g.Cause]++
			}
		}
	}
	return out
}

// nothingMissing: no segment has lost its file.
func (h *host) nothingMissing(s *spool.Spool) {
	h.t.Helper()
	if lost, err := s.Segments(h.t.Context(), spool.Missing); err != nil || len(lost) > 0 {
		h.t.Errorf("missing: %+v, %v", lost, err)
	}
	for _, r := range h.central.Recordings() {
		if r.Status == "failed" {
			h.t.Errorf("central was told that %+v has failed", r)
		}
	}
}

// failingDisk puts the agent's data on a disk that fails on demand.
func (h *host) failingDisk() *disktest.FS {
	h.t.Helper()
	if err := os.MkdirAll(h.data(), 0o750); err != nil {
		h.t.Fatal(err)
	}
	disk := disktest.Mount(h.t, h.data(), nil)
	h.t.Cleanup(h.kill)
	return disk
}

// copyData has what follows look at a copy: SQLite must not map the files of a file
// system into memory that its own process serves.
func (h *host) copyData() {
	h.t.Helper()
	image, err := disktest.ReadImage(h.data())
	if err == nil {
		h.dir = h.t.TempDir()
		err = os.Mkdir(h.data(), 0o750)
	}
	if err == nil {
		err = image.Write(h.data())
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestDiskThatFails: whatever the disk answers, the cameras stay connected, what is
// wrong is said, and recording goes on by itself when it is over.
func TestDiskThatFails(t *testing.T) {
	t.Parallel() // it mostly waits
	h := newHost(t)
	disk := h.failingDisk()
	h.start()
	h.untilStates(time.Minute, "recording", "recording")
	h.untilWell()
	before := h.reconnects()
	changes := []disktest.Kind{disktest.Create, disktest.Mkdir, disktest.Remove, disktest.Rename, disktest.Write, disktest.Truncate, disktest.Sync, disktest.SyncDir}
	for _, tc := range []struct {
		name  string
		kinds []disktest.Kind
		errno syscall.Errno
		where string // in the path
		words []string
	}{
		{"what is written fails", []disktest.Kind{disktest.Write}, syscall.EIO, "segments/", []string{"cannot be written", "input/output error"}},
		{"syncs fail", []disktest.Kind{disktest.Sync}, syscall.EIO, "segments/", []string{"cannot be written", "input/output error"}},
		{"full", []disktest.Kind{disktest.Write, disktest.Create}, syscall.ENOSPC, "", []string{"cannot be written", "no space left", "the data directory cannot be used"}},
		{"quota", []disktest.Kind{disktest.Write, disktest.Create}, syscall.EDQUOT, "segments/", []string{"cannot be written", "quota"}},
		{"read-only", changes, syscall.EROFS, "", []string{"cannot be written", "read-only", "the data directory cannot be used"}},
		{"no right to create files", []disktest.Kind{disktest.Create}, syscall.EACCES, "segments/", []string{"cannot be written", "permission denied"}},
		{"the ledger alone fails", []disktest.Kind{disktest.Write, disktest.Sync}, syscall.EIO, "ledger.db", []string{"the data directory cannot be used"}},
		{"nothing can be read", append([]disktest.Kind{disktest.Reading}, changes...), syscall.EIO, "", []string{"cannot be written", "the data directory cannot be used"}},
	} {
		disk.Fail(func(op disktest.Kind, path string) syscall.Errno {
			if slices.Contains(tc.kinds, op) && strings.Contains(path, tc.where) {
				return tc.errno
			}
			return 0
		})
		t.Log(tc.name)
		h.untilUnwell(tc.words...)
		if shown := h.shows(); len(shown) != len(h.cameras) {
			t.Errorf("%s: /status shows cameras %+v", tc.name, shown)
		}
		if !strings.Contains(h.said.String(), tc.errno.Error()) && tc.where != "ledger.db" {
			t.Errorf("%s: the log does not say so", tc.name)
		}
		disk.Fail(nil)
		h.untilWell()
	}
	if n := h.reconnects() - before; n > 0 {
		t.Errorf("the cameras were connected to anew %d times", n)
	}
	h.silence()
	h.stop()
	h.start() // what could not be removed is settled
	h.until(time.Minute, h.backlog)
	h.stop()
	h.copyData()
	s := h.ledger()
	h.nothingMissing(s)
	if gaps := h.gapsOf(s); gaps[spool.DiskFailed] < 4 || gaps[spool.DiskFull] < 1 {
		t.Errorf("gaps by cause: %v", gaps)
	}
}

// TestDataDirVanishes: a disk is pulled and put back.
func TestDataDirVanishes(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.toStore.Set(wiretest.Fault{Cut: true})
	h.start()
	h.untilStates(time.Minute, "recording", "recording")
	h.until(time.Minute, func() string {
		if n := len(h.files()); n < 4 {
			return fmt.Sprintf("four files, there are %d", n)
		}
		return ""
	})
	before := h.reconnects()
	pulled := h.data() + ".pulled"
	rename := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}

	// The same disk comes back.
	rename(h.data(), pulled)
	h.toStore.Set(wiretest.Fault{}) // what is to be uploaded is not lost, it is away
	h.untilUnwell("cannot be written", "the data directory is gone")
	time.Sleep(5 * time.Second)
	if files := h.files(); len(files) > 0 {
		t.Errorf("footage was written to where the disk had been: %v", files)
	}
	if err := os.RemoveAll(h.data()); err != nil {
		t.Fatal(err)
	}
	rename(pulled, h.data())
	h.untilWell()
	if n := h.reconnects() - before; n > 0 {
		t.Errorf("the cameras were connected to anew %d times", n)
	}

	// It comes back as another: in another port, or what was on it on another disk.
	rename(h.data(), pulled)
	h.untilUnwell("the data directory is gone")
	copied := h.data() + ".copied"
	if out, err := exec.Command("cp", "-a", pulled, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rename(copied, h.data())
	h.until(30*time.Second, func() string {
		if !strings.Contains(h.said.String(), "agent starts anew") {
			return "a new start"
		}
		return ""
	})
	h.untilWell()
	h.silence()
	h.until(time.Minute, h.backlog)
	h.untilUnwell("camera "+h.cameras[0], "camera "+h.cameras[1], "delivers nothing")
	h.stop()
	s := h.ledger()
	h.nothingMissing(s)
	if gaps := h.gapsOf(s); gaps[spool.DiskFailed] < 2 {
		t.Errorf("gaps by cause: %v", gaps)
	}
}

// TestDiskUnmounted: the directory that a disk was mounted on is still there, and
// belongs to another disk.
func TestDiskUnmounted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.smallDisk(512 << 20)
	elsewhere := t.TempDir()
	move := func(from, to string) {
		if err := syscall.Mount(from, to, "", syscall.MS_MOVE, ""); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	h.untilStates(time.Minute, "recording", "recording")
	h.untilWell()
	before := h.reconnects()
	move(h.data(), elsewhere)
	h.untilUnwell("cannot be written", "the data directory is gone")
	time.Sleep(3 * time.Second)
	if left, err := os.ReadDir(h.data()); err != nil || len(left) > 0 {
		t.Errorf("written to where the disk was mounted: %v, %v", left, err)
	}
	move(elsewhere, h.data())
	h.untilWell()
	if n := h.reconnects() - before; n > 0 {
		t.Errorf("the cameras were connected to anew %d times", n)
	}
	h.silence()
	h.until(time.Minute, h.backlog)
	h.stop()
	s := h.ledger()
	h.nothingMissing(s)
	if gaps := h.gapsOf(s); gaps[spool.DiskFailed] < 2 {
		t.Errorf("gaps by cause: %v", gaps)
	}
	s.Close()
}

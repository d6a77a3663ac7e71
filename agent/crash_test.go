//go:build crashpoints

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
	"recording-agent/uploader/wiretest"
)

// places are the crash points, in the order of a segment's life, and which time the
// process ends there.
var places = []string{
	"file created:2", "first part synced:1", "first part synced:3", "segment begun:3", "part appended:2", "part appended:7",
	"index staged:1", "header flipped:2", "segment finished:1",
	"file renamed:1", "file taken over:1",
	"upload created:1", "upload opened:1", "part arrived:1", "part arrived:3", "part sent:2",
	"object stored:1", "object stored:3", "delivery stored:2", "object verified:1", "delivery verified:2",
	"register attempted:2", "registered at central:1", "report taken:1", "report taken:4", "file deleted:1",
	"loss noted:1", "file given up:1",
	"newest adopted:1", "files adopted:1", "file read through:1", "file read through:4", "checksum noted:2",
}

// takesIn are places that the agent comes to when its ledger was lost.
func takesIn(place string) bool {
	name, _, _ := strings.Cut(place, ":")
	return slices.Contains([]string{"newest adopted", "files adopted", "file read through", "checksum noted"}, name)
}

// TestCrashBetweenSteps ends the agent between any two steps of the tables in
// ARCHITECTURE.md, and wants the next start to mend what that leaves.
func TestCrashBetweenSteps(t *testing.T) {
	large := bringLarge(t)
	for _, place := range places {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			file := brought{h.cameras[0], time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), large}
			lossy := strings.HasPrefix(place, "loss noted") || strings.HasPrefix(place, "file given up")
			if lossy { // a disk on which all that is not uploaded has to go
				h.smallDisk(spool.KeptFree + 34<<20)
				h.toStore.Set(wiretest.Fault{Cut: true})
			} else {
				h.putIntoInbox(file)
			}
			if takesIn(place) {
				h.losesLedger()
			}
			h.diesAt(place)
			if takesIn(place) { // and once more, while it takes in what that has left
				h.diesAt("checksum noted:1")
			}
			h.toStore.Set(wiretest.Fault{})
			h.start()
			time.Sleep(3 * time.Second)
			h.silence()
			h.until(2*time.Minute, func() string {
				if left := h.inbox(); len(left) > 0 {
					return fmt.Sprintf("the inbox holds %v", left)
				}
				return h.backlog()
			})
			h.stop()
			if lossy {
				h.accountLosses()
				return
			}
			h.leftOpen = place == "upload created:1" // nobody knows it; housekeeping aborts it after a day
			h.account(1)
			h.arrived([]brought{file})
		})
	}
}

// losesLedger has the agent record for a while without a store, ends it as kill -9 does, and
// removes its ledger.
func (h *host) losesLedger() {
	h.t.Helper()
	h.toStore.Set(wiretest.Fault{Cut: true})
	h.toRows.Set(wiretest.Fault{Cut: true}) // what central has ids of would get others
	h.start()
	h.until(time.Minute, func() string {
		if n := len(h.files()); n < 8 {
			return fmt.Sprintf("eight files, there are %d", n)
		}
		return ""
	})
	_ = h.agent.Process.Kill()
	_ = h.agent.Wait()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(h.data(), "ledger.db"+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.t.Fatal(err)
		}
	}
	h.toRows.Set(wiretest.Fault{})
}

// diesAt runs the agent up to a place.
func (h *host) diesAt(place string) {
	h.t.Helper()
	h.env = []string{crashpoint.Variable + "=" + place}
	h.start()
	h.env = nil
	ended := make(chan error, 1)
	go func() { ended <- h.agent.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			h.t.Fatalf("the agent ended with %v, not at %q", err, place)
		}
	case <-time.After(time.Minute):
		_ = h.agent.Process.Kill()
		<-ended
		h.t.Fatalf("the agent did not come to %q within a minute", place)
	}
}

// bringLarge makes a file of 1 s that takes several parts to upload.
func bringLarge(t *testing.T) []byte {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		rtsptest.Missing(t, "ffmpeg")
	}
	name := filepath.Join(t.TempDir(), "large.mp4")
	args := "-v error -f lavfi -i testsrc2=size=1280x720:rate=25:duration=1,noise=alls=100:allf=t -c:v libx264 -preset ultrafast -qp 4 -pix_fmt yuv420p " + name
	if said, err := exec.Command("ffmpeg", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, said)
	}
	data, err := os.ReadFile(name)
	if err != nil || len(data) < 15<<20 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	return data
}

// TestEachPlaceIsTried: none is in the code that no test ends the agent at.
func TestEachPlaceIsTried(t *testing.T) {
	here := regexp.MustCompile(`crashpoint\.Here\("([^"]+)"\)`)
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return err
		}
		data, err := os.ReadFile(name)
		for _, m := range here.FindAllSubmatch(data, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	for place := range found {
		if !slices.ContainsFunc(places, func(p string) bool { return strings.HasPrefix(p, place+":") }) {
			t.Errorf("%q is never tried", place)
		}
	}
}

package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
	"recording-agent/uploader/wiretest"
)

// smallDisk puts the agent's data on a disk of its own. It takes rights that tests
// do not always have.
func (h *host) smallDisk(bytes int) {
	h.t.Helper()
	if err := os.MkdirAll(h.data(), 0o750); err != nil {
		h.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", h.data(), "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		if os.Geteuid() == 0 && os.Getenv("REQUIRE_PEERS") != "" {
			h.t.Fatal(err)
		}
		h.t.Skipf("a disk of its own cannot be mounted: %v", err)
	}
	h.t.Cleanup(func() {
		h.kill()
		if err := syscall.Unmount(h.data(), 0); err != nil {
			h.t.Error(err)
		}
	})
}

// TestFullDiskWithoutUplink: the newest footage is kept, recording never stops, and
// of each segment that had to go for it there is a row here and word at central.
func TestFullDiskWithoutUplink(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.smallDisk(spool.KeptFree + 44<<20) // 12 MiB more than where footage is given up
	h.toStore.Set(wiretest.Fault{Cut: true})
	h.start()
	gaveUp := func() (n int) { return strings.Count(h.said.String(), "FOOTAGE GIVEN UP") }
	h.until(3*time.Minute, func() string {
		if n := gaveUp(); n < 8 { // more than are being sent: those may arrive all the same
			return fmt.Sprintf("eight segments that have to go, %d have", n)
		}
		return ""
	})
	h.toStore.Set(wiretest.Fault{})
	h.silence()
	h.until(4*time.Minute, h.backlog) // a store that did not answer is asked again after one, and central told one after the other
	h.stop()

	// What was being sent when it was given up has arrived all the same.
	n := h.accountLosses()
	if n < 1 {
		t.Error("nothing is lost, eight segments were given up")
	}
	if said := strings.Count(h.said.String(), "FOOTAGE LOST"); said != n {
		t.Errorf("%d segments are lost, it was said of %d", n, said)
	}
}

// accountLosses wants word at central, and a gap, of each segment that was given up,
// and no other reason why footage is missing. It returns how many there are.
func (h *host) accountLosses() (lost int) {
	h.t.Helper()
	ctx := h.t.Context()
	s, err := spool.Open(ctx, spool.Options{Dir: h.data(), Log: zerolog.Nop(), Now: time.Now, Destinations: []spool.Destination{{Name: "primary"}}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	missing, err := s.Segments(ctx, spool.Missing)
	if err != nil {
		h.t.Fatal(err)
	}
	if losses, err := s.Losses(ctx); err != nil || losses.Segments != len(missing) {
		h.t.Errorf("%d segments are lost, %+v, %v", len(missing), losses, err)
	}
	failed := map[string]string{}
	for _, r := range h.central.Recordings() {
		if r.Status == "failed" {
			failed[r.ID] = r.ErrorMessage
		}
	}
	of := map[string]int{}
	for _, seg := range missing {
		of[seg.CameraID]++
		if why := failed[seg.Central.RecordingID]; !strings.Contains(why, seg.GivenUp) || seg.GivenUp == "" {
			h.t.Errorf("segment %s: central was told %q, it was given up because %q", seg.ID, why, seg.GivenUp)
		}
	}
	for _, camera := range h.cameras {
		gaps, err := s.Gaps(ctx, camera)
		if err != nil {
			h.t.Fatal(err)
		}
		n := 0
		for _, g := range gaps {
			switch g.Cause {
			case spool.GivenUp:
				n++
			case spool.DiskFull, spool.DiskFailed, spool.DiskSlow:
				h.t.Errorf("recording had to stop: %+v", g)
			}
		}
		if n != of[camera] {
			h.t.Errorf("camera %s: %d gaps for %d lost segments", camera, n, of[camera])
		}
	}
	return len(missing)
}

package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// ledger opens what the agent has left.
func (h *host) ledger() *spool.Spool {
	h.t.Helper()
	ledger, err := spool.Open(context.Background(), spool.Options{Dir: h.data(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { ledger.Close() })
	return ledger
}

// segmentsOf lists a camera's segments that the agent has finished, oldest first.
func (h *host) segmentsOf(ledger *spool.Spool, camera string) (out []spool.Segment) {
	h.t.Helper()
	for _, state := range []spool.State{spool.Finished, spool.Deleted} {
		segments, err := ledger.Segments(context.Background(), state)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, s := range segments {
			if s.CameraID == camera {
				out = append(out, s)
			}
		}
	}
	slices.SortFunc(out, func(a, b spool.Segment) int { return a.Start.Compare(b.Start) })
	return out
}

// whole wants a camera's footage without a picture missing: all that the agent had
// counted, in segments that join, at the camera's rate, and no gap after the first
// picture (a lost packet would have made one).
func (h *host) whole(ledger *spool.Spool, camera string, counted int64) {
	h.t.Helper()
	segments := h.segmentsOf(ledger, camera)
	if len(segments) < 3 {
		h.t.Fatalf("camera %s has %d segments", camera, len(segments))
	}
	pictures := int64(0)
	for i, s := range segments {
		pictures += s.Frames
		if i > 0 && s.Start.Sub(segments[i-1].End).Abs() > 200*time.Millisecond {
			h.t.Errorf("camera %s: %v between two segments", camera, s.Start.Sub(segments[i-1].End))
		}
	}
	span := segments[len(segments)-1].End.Sub(segments[0].Start)
	want := int64(math.Round(span.Seconds() * segments[0].FrameRate))
	if pictures < counted || pictures < want-5 || pictures > want+5 { // the time of arrival is not exact
		h.t.Errorf("camera %s: %d pictures in %v, want %d; %d had been counted", camera, pictures, span, want, counted)
	}
	gaps, err := ledger.Gaps(context.Background(), camera)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, g := range gaps {
		if g.Start.After(segments[0].Start) {
			h.t.Errorf("camera %s: gap %+v", camera, g)
		}
	}
	h.t.Logf("camera %s: %d pictures in %v at %.2f a second, %d had been counted, %d segments", camera, pictures, span, segments[0].FrameRate, counted, len(segments))
}

// untilSegments waits until a camera has begun its n-th segment.
func (h *host) untilSegments(camera string, n int) {
	h.t.Helper()
	h.until(30*time.Second, func() string {
		got := 0
		for _, file := range h.files() {
			if strings.Contains(file, camera) {
				got++
			}
		}
		if got < n {
			return fmt.Sprintf("%d segments of camera %s, it has %d", n, camera, got)
		}
		return ""
	})
}

// A changed configuration touches what was changed. One that is not valid touches
// nothing, and what takes a restart is said.
func TestReload(t *testing.T) {
	h := newHost(t)
	h.local = true
	h.configure()
	h.start()
	h.untilStates(20*time.Second, "recording", "recording")

	second := "url = \"" + h.hub.URL(h.cameras[1]) + "\"\n"
	h.edit(second, second+"audio = false\nname = \"Changed\"\n")
	h.said.await(t, "is in force")
	h.until(10*time.Second, func() string {
		if c := h.shows(); len(c) != 2 || c[1].Name != "Changed" || c[1].State != "recording" {
			return "the changed camera recording"
		}
		return ""
	})

	h.said.take()
	h.edit("[segment]", "[segmnt]")
	h.said.await(t, "segmnt: is not a known section")
	h.edit("[segmnt]", "[segment]")
	h.said.await(t, "is in force")

	h.said.take()
	h.edit("client_name = \"host\"", "client_name = \"other\"")
	h.said.await(t, "needs a restart: agent.client_name; the rest is in force")
	h.edit("client_name = \"other\"", "client_name = \"host\"\ntimezone = \"Asia/Kolkata\"")
	h.said.await(t, "read anew and is in force")

	h.said.take()
	if err := h.agent.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	h.said.await(t, "read anew and is in force")

	h.edit("[[camera]]", "[log]\nlevel = \"error\"\n[[camera]]")
	cameras := h.shows()
	more := func(pictures int64) string { // than there were before the change
		h.until(20*time.Second, func() string {
			if c := h.shows(); c[0].Frames < cameras[0].Frames+pictures {
				return "more pictures"
			}
			return ""
		})
		return h.said.take()
	}
	more(75) // it is in force by then, and does not say so
	said := more(75 + 150)
	if strings.Contains(said, "segment begun") {
		t.Errorf("the log's level has not changed:\n%s", said)
	}
	h.untilSegments(h.cameras[0], 3)
	cameras = h.shows()
	h.stop()
	if cameras[0].Reconnects > 0 || len(cameras) != 2 {
		t.Errorf("cameras: %+v", cameras)
	}
	ledger := h.ledger()
	h.whole(ledger, h.cameras[0], cameras[0].Frames)
	gaps, err := ledger.Gaps(context.Background(), h.cameras[1])
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range gaps {
		if g.Cause == spool.Reconfigured {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the camera that was changed once has gaps %+v", gaps)
	}
}

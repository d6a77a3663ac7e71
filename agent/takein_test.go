package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/agent/status"
	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// segmentWithoutRow writes a finished segment of two seconds as a lost ledger leaves it.
func segmentWithoutRow(t *testing.T, dir string, start time.Time) {
	t.Helper()
	id := uuid.NewString()
	path, err := spool.PathFor("gate", id, start)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := mp4.NewWriter(f, mp4.Info{SegmentID: id, CameraID: "gate", CameraName: "Gate", ClientName: "host", Start: start}, []media.Track{{Codec: media.H264, ClockRate: 90000, Video: media.ParameterSets{
		SPS: []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20},
		PPS: []byte{0x68, 0xcb, 0x8c, 0xb2},
	}}}, 4000)
	if err != nil {
		t.Fatal(err)
	}
	p := mp4.NewPart()
	p.Reset(media.H264)
	for i := range int64(50) {
		p.Add(&media.Sample{DTS: i * 3600, PTS: i * 3600, Sync: i == 0, Units: [][]byte{make([]byte, 100)}})
	}
	if err := w.Append(p); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
}

// TestTakingInIsTold: that files of the last run are still being taken in is a problem
// that passes, with how many there are.
func TestTakingInIsTold(t *testing.T) {
	var log said
	began := time.Now()
	a := &agent{log: zerolog.New(&log), now: time.Now, started: began}
	a.leftovers = a.newLeftovers()
	dir := t.TempDir()
	for i := range 3 {
		segmentWithoutRow(t, dir, began.Add(time.Duration(i-10)*time.Minute))
	}
	var err error
	a.spool, err = spool.Open(t.Context(), spool.Options{Dir: dir, ClientName: "host", Log: a.log, Now: a.now})
	if err != nil {
		t.Fatal(err)
	}
	defer a.spool.Close()
	if _, err := a.spool.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	taking := complaint{"taking in", a.intakeTrouble(), takingInFor}
	if got := lasting([]complaint{taking}, began.Add(takingInFor-time.Second)); len(got) > 0 {
		t.Errorf("too soon: %+v", got)
	}
	got := lasting([]complaint{taking}, began.Add(takingInFor))
	if len(got) != 1 || !strings.Contains(got[0].Cause, "2 of 2 files") || !strings.Contains(got[0].Cause, "1 segments") || got[0].Remedy == "" {
		t.Errorf("problems: %+v", got)
	}
	if in := a.takingIn(); in.Files != 2 || in.Unread != 1 || in.UnreadBytes == 0 {
		t.Errorf("state: %+v", in)
	}

	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = a.takeIn(ctx) })
	running.Go(func() { _ = a.spool.ReadThrough(ctx) })
	for until := time.Now().Add(20 * time.Second); !a.spool.Intake().Done() && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	running.Wait()
	if trouble, in := a.intakeTrouble(), a.takingIn(); trouble != (outage.Trouble{}) || in != (status.TakingIn{}) {
		t.Errorf("when all is read: %+v, %+v", trouble, in)
	}
	segs, err := a.spool.Segments(t.Context(), spool.Finished)
	if err != nil || len(segs) != 3 || segs[0].Checksum == "" {
		t.Errorf("segments: %+v, %v", segs, err)
	}
	if !strings.Contains(log.String(), "taken in while cameras are recorded") {
		t.Errorf("the log does not say so: %s", log.String())
	}
}

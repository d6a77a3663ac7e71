package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// What the start could not take up is a problem until it is taken up, by itself. A
// directory in the place of a segment's file cannot be read, whoever the agent runs as.
func TestLeftoversAreAProblem(t *testing.T) {
	var log said
	a := &agent{log: zerolog.New(&log), now: time.Now}
	a.leftovers = a.newLeftovers()
	var err error
	a.spool, err = spool.Open(t.Context(), spool.Options{Dir: t.TempDir(), ClientName: "host", Log: a.log, Now: a.now})
	if err != nil {
		t.Fatal(err)
	}
	defer a.spool.Close()
	const id = "0190aaaa-0000-7000-8000-000000000001"
	path, err := spool.PathFor("gate", id, time.Now())
	if err == nil {
		err = a.spool.Begun(t.Context(), spool.Segment{ID: id, CameraID: "gate", CameraName: "gate", ClientName: "host", Path: path, Start: time.Now()})
	}
	name := filepath.Join(a.spool.Dir(), path)
	if err == nil {
		err = os.MkdirAll(name, 0o750)
	}
	if err == nil {
		_, err = a.spool.Recover(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	a.sayLeftovers(a.spool.Leftovers())
	got := lasting([]complaint{{"left", a.leftovers.Trouble(), 0}}, time.Now())
	if len(got) != 1 || !strings.Contains(got[0].Cause, id) || !strings.Contains(got[0].Remedy, "disk") {
		t.Errorf("problems: %+v", got)
	}

	time.AfterFunc(50*time.Millisecond, func() { os.Remove(name) })
	if err := a.recoverAgain(t.Context(), 10*time.Millisecond); err != nil { // it ends when there is nothing left
		t.Error(err)
	}
	if trouble := a.leftovers.Trouble(); trouble != (outage.Trouble{}) {
		t.Errorf("it is still a trouble: %+v", trouble)
	}
	if seg, err := a.spool.Segment(t.Context(), id); err != nil || seg.State != spool.Missing {
		t.Errorf("the segment is %s, %v", seg.State, err)
	}
}

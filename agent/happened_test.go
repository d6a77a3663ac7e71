package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/agent/journal"
	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
	"recording-agent/uploader/wiretest"
)

// toldEntry is an entry as the API tells it.
type toldEntry struct {
	Kind, Subject, Cause, Remedy string
	Lasted                       float64 `json:"lasted_seconds"`
}

func (h *host) journal() (entries []toldEntry) {
	h.t.Helper()
	answer := h.get("/api/v1/journal")
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	var all struct{ Entries []toldEntry }
	if err != nil || json.Unmarshal(body, &all) != nil {
		h.t.Fatalf("journal: %v, %s", err, body)
	}
	return all.Entries
}

// untilTold waits until the newest entry of each kind and subject is there, and
// returns the last.
func (h *host) untilTold(limit time.Duration, kind journal.Kind, subject string) (found toldEntry) {
	h.t.Helper()
	h.until(limit, func() string {
		all := h.journal()
		for _, e := range all {
			if e.Kind == string(kind) && e.Subject == subject {
				found = e
				return ""
			}
		}
		return fmt.Sprintf("an entry %q of %q, there are %+v", kind, subject, all)
	})
	return found
}

// That the last run was killed is said of one that was, and of no other: also if what it has
// taken in is not all read yet, and if there is a file that is none of ours.
func TestHowTheLastRunHasEnded(t *testing.T) {
	for name, tc := range map[string]struct {
		open, row bool
		want      string
	}{
		"told to":            {false, true, ""},
		"killed":             {true, true, "did not end cleanly (a crash, a kill or a power cut): 1 segment was left"},
		"its ledger is lost": {false, false, "the disk and the ledger did not agree: 1 file is settled"},
	} {
		t.Run(name, func(t *testing.T) {
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			o := spool.Options{Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now}
			before, err := spool.Open(t.Context(), o)
			must(err)
			start := time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)
			id := uuid.NewString()
			path, err := spool.PathFor("gate", id, start)
			must(err)
			seg := spool.Segment{ID: id, CameraID: "gate", CameraName: "Gate", ClientName: "host", Path: path, Start: start}
			f, err := before.Create(seg)
			must(err)
			must(f.Close())
			if tc.row {
				must(before.Begun(t.Context(), seg))
				if !tc.open { // taken in by a run before, which has not come to read it
					must(before.Finished(t.Context(), id, start, mp4.Result{Size: 1, Duration: time.Second}))
				}
			}
			must(before.Close())
			must(os.WriteFile(filepath.Join(o.Dir, "segments", "gate", "stranger.mp4"), nil, 0o600))
			a := &agent{journal: journal.New(), started: start}
			a.spool, err = spool.Open(t.Context(), o)
			must(err)
			defer a.spool.Close()
			found, err := a.spool.Prepare(t.Context())
			must(err)
			a.noteStart(found, nil)
			if cause := a.journal.Entries()[0].Cause; tc.want == "" && cause != "" || !strings.Contains(cause, tc.want) {
				t.Errorf("it is said %q, want %q", cause, tc.want)
			}
		})
	}
}

// What fails and works again, and that the agent was killed, is told to whoever comes
// later.
func TestJournalOfAHost(t *testing.T) {
	h := newHost(t)
	h.start()
	h.untilStates(20*time.Second, "recording", "recording")
	if e := h.untilTold(5*time.Second, journal.AgentStarted, ""); e.Cause != "" {
		t.Errorf("of the first start: %+v", e)
	}
	h.toStore.Set(wiretest.Fault{Cut: true})
	if e := h.untilTold(60*time.Second, journal.UploadsFail, "primary"); e.Cause == "" || e.Remedy == "" {
		t.Errorf("the store is away: %+v", e)
	}
	h.toStore.Set(wiretest.Fault{})
	if e := h.untilTold(60*time.Second, journal.UploadsWork, "primary"); e.Lasted < peerGrace.Seconds() {
		t.Errorf("the store is back: %+v", e)
	}
	h.toRows.Set(wiretest.Fault{Cut: true})
	h.silence()
	for _, id := range h.cameras {
		if e := h.untilTold(60*time.Second, journal.CameraLost, id); e.Cause == "" || e.Remedy == "" {
			t.Errorf("the camera is away: %+v", e)
		}
	}
	h.untilTold(60*time.Second, journal.CentralLost, "")
	h.toRows.Set(wiretest.Fault{})
	h.untilTold(90*time.Second, journal.CentralBack, "")
	h.startCameras()
	h.kill()
	h.configure()
	h.said.take()
	h.start()
	h.said.await(t, "segment begun") // something of it is on the disk
	h.kill()
	h.start()
	h.untilStates(20*time.Second, "recording", "recording")
	if e := h.untilTold(5*time.Second, journal.AgentStarted, ""); !strings.Contains(e.Cause, "did not end cleanly") {
		t.Errorf("after a kill: %+v", e)
	}
	for _, e := range h.journal() {
		if e.Kind == string(journal.CameraBack) {
			t.Errorf("a camera that was never lost in this run is back: %+v", e)
		}
	}
	h.stop()
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"recording-agent/agent/journal"
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
	h.start()
	h.untilStates(20*time.Second, "recording", "recording")
	time.Sleep(3 * time.Second) // something of a segment is on the disk
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

package page

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"recording-agent/agent/journal"
	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

func TestEachKindHasItsWords(t *testing.T) {
	for _, k := range journal.Kinds {
		if words := entryWords[k]; words.text == "" || words.class == "" {
			t.Errorf("of %q it is not said what it is", k)
		}
	}
}

// TestLastEvents: the journal and the ledger are one list, the newest first, in which
// nothing stands twice.
func TestLastEvents(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "yard", Name: "Yard", State: "recording", LastFrame: noon})
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	must(t, w.spool.GapBetween(t.Context(), "yard", ago(5*time.Hour), ago(4*time.Hour), spool.Stalled, "before the start"))
	must(t, w.spool.GapBetween(t.Context(), "yard", ago(2*time.Hour+12*time.Second), ago(time.Hour), spool.Unreachable, "no route to host"))
	must(t, w.spool.GapBetween(t.Context(), "yard", ago(30*time.Minute), ago(29*time.Minute), spool.DiskSlow, ""))
	for _, e := range []journal.Entry{
		{At: ago(3 * time.Hour), Kind: journal.AgentStarted, Cause: "the run before did not end cleanly"},
		{At: ago(2 * time.Hour), Kind: journal.CameraLost, Subject: "yard", Name: "Yard", Cause: "no route to host", Remedy: "look whether it has power"},
		{At: ago(time.Hour), Kind: journal.CameraBack, Subject: "yard", Name: "Yard", Cause: "no route to host", Lasted: time.Hour},
		{At: ago(20 * time.Minute), Kind: journal.UploadsFail, Subject: "primary", Name: "footage", Cause: "access denied"},
		{At: ago(10 * time.Minute), Kind: journal.CentralLost, Cause: "502"},
		{At: ago(5 * time.Minute), Kind: journal.FootageLost, Cause: "1 segment"}, // the ledger says more
	} {
		w.journal.Note(e)
	}
	_, _, body := w.get(t, "/")
	_, list, _ := strings.Cut(body, `<div id="events">`)
	list, _, _ = strings.Cut(list, "</div>")
	var got []string
	for _, item := range strings.Split(list, "</li>") {
		if text := strings.TrimSpace(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(item, "")); text != "" {
			got = append(got, text)
		}
	}
	want := []string{
		"11:50:31 Central: gets no reports: 502",
		"11:40:31 S3: uploads fail: access denied",
		"11:30:31 Yard, 1 min: disk too slow",
		"11:00:31 Yard: delivers again, after 1 h",
		"10:00:31 Yard: delivers nothing: no route to host",
		"09:00:31 This host: the agent was started: the run before did not end cleanly",
		"07:00:31 Yard, 1 h: camera stalled: before the start",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the list is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

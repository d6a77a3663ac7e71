package page

import (
	"cmp"
	"slices"
	"time"

	"recording-agent/agent/journal"
	"recording-agent/capture/spool"
)

// event is something that has happened.
type event struct {
	start time.Time
	eventView
}

const (
	shownEvents = 20
	// A camera's gap begins with its last picture, and the journal's entry when that it
	// stays away was noticed, or the other way round.
	sameTrouble = 90 * time.Second
)

// eventViews are the newest entries of the journal, and gaps and losses of all
// cameras, as far as no entry tells of them.
func (l look) eventViews(zone *time.Location) (out []eventView) {
	var all []event
	for _, e := range l.journal {
		if e.Kind != journal.FootageLost { // the ledger says more
			all = append(all, event{e.At, l.entryView(e, zone)})
		}
	}
	for _, c := range l.snap.Cameras {
		line := l.lines[c.ID]
		if line == nil {
			continue
		}
		for _, g := range line.gaps[max(0, len(line.gaps)-shownEvents):] {
			if !l.journalTells(c.ID, g) {
				all = append(all, event{g.Start, l.gapView(g, c.Name, zone)})
			}
		}
		for _, r := range runs(line.footage, nil, l.at.Add(-day), l.at, l.at) {
			if r.Kind == lost {
				all = append(all, event{r.Start, l.lossView(r, c.Name, zone)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(b.start.UnixMicro(), a.start.UnixMicro()) })
	for _, e := range all[:min(len(all), shownEvents)] {
		out = append(out, e.eventView)
	}
	return out
}

// journalTells says whether an entry is about the same as a gap.
func (l look) journalTells(camera string, g spool.Gap) bool {
	return class(run{Kind: gap, Cause: string(g.Cause)}) == "gap camera" && slices.ContainsFunc(l.journal, func(e journal.Entry) bool {
		return e.Kind == journal.CameraLost && e.Subject == camera && e.At.Sub(g.Start).Abs() < sameTrouble
	})
}

// entryWords are what people read, and the colour that goes with it.
var entryWords = map[journal.Kind]struct{ text, class string }{
	journal.AgentStarted:   {"the agent was started", "gap agent"},
	journal.FootageLost:    {"footage was lost", string(lost)},
	journal.CameraLost:     {"delivers nothing", "gap camera"},
	journal.CameraBack:     {"delivers again", string(uploaded)},
	journal.WritingFails:   {"its footage cannot be written", "gap disk"},
	journal.WritingWorks:   {"its footage is written again", string(uploaded)},
	journal.UploadsFail:    {"uploads fail", string(recorded)},
	journal.UploadsWork:    {"uploads work again", string(uploaded)},
	journal.CentralLost:    {"gets no reports", string(recorded)},
	journal.CentralBack:    {"gets reports again", string(uploaded)},
	journal.DiskTrouble:    {"trouble with the disk", "gap disk"},
	journal.DiskWell:       {"the disk is well again", string(uploaded)},
	journal.LedgerTrouble:  {"the ledger cannot be read", "gap disk"},
	journal.LedgerWell:     {"the ledger can be read again", string(uploaded)},
	journal.LeftoversWait:  {"what the last run has recorded is not all taken up", "gap disk"},
	journal.LeftoversTaken: {"what the last run has recorded is taken up", string(uploaded)},
	journal.ClockNotSet:    {"the clock is not set: nothing is uploaded", "gap agent"},
	journal.ClockSet:       {"the clock is set: uploads go on", string(uploaded)},
}

func (l look) entryView(e journal.Entry, zone *time.Location) eventView {
	words := entryWords[e.Kind]
	v := eventView{When: clock(e.At, l.at, zone), Text: words.text, Class: words.class, Camera: "This host"}
	switch e.Kind {
	case journal.CameraLost, journal.CameraBack, journal.WritingFails, journal.WritingWorks:
		v.Camera = cmp.Or(e.Name, e.Subject)
	case journal.UploadsFail, journal.UploadsWork:
		v.Camera = destinationName(e.Subject)
	case journal.CentralLost, journal.CentralBack:
		v.Camera = "Central"
	}
	switch {
	case e.Lasted > 0:
		v.Text += ", after " + length(e.Lasted)
	case e.Cause != "":
		v.Text += ": " + e.Cause
	}
	return v
}

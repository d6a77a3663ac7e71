// Package journal remembers what has happened to the agent, for people: what began to
// fail and when it worked again, that the agent was started, that footage was lost.
// Troubles as they are at present enter, from time to time; entries leave. It is in
// memory only, and bounded: what is missing of footage stands in the ledger.
package journal

import (
	"slices"
	"sync"
	"time"

	"recording-agent/capture/outage"
)

// Kind is what has happened. The names are kept: the API tells them.
type Kind string

// What happens. Of those that come in pairs the second ends the first.
const (
	AgentStarted   Kind = "agent started"
	FootageLost    Kind = "footage lost" // deleted before any destination had it
	CameraLost     Kind = "camera lost"
	CameraBack     Kind = "camera back"
	WritingFails   Kind = "writing fails" // of one camera's footage
	WritingWorks   Kind = "writing works"
	UploadsFail    Kind = "uploads fail"
	UploadsWork    Kind = "uploads work"
	CentralLost    Kind = "central lost"
	CentralBack    Kind = "central back"
	DiskTrouble    Kind = "disk trouble"
	DiskWell       Kind = "disk well"
	LedgerTrouble  Kind = "ledger trouble"
	LedgerWell     Kind = "ledger well"
	LeftoversWait  Kind = "leftovers wait" // of the last run, which cannot be taken up
	LeftoversTaken Kind = "leftovers taken up"
	ClockNotSet    Kind = "clock not set"
	ClockSet       Kind = "clock set"
)

// Kinds are all there are, as openapi.yaml lists them.
var Kinds = []Kind{
	AgentStarted, FootageLost, CameraLost, CameraBack, WritingFails, WritingWorks, UploadsFail, UploadsWork, CentralLost, CentralBack,
	DiskTrouble, DiskWell, LedgerTrouble, LedgerWell, LeftoversWait, LeftoversTaken, ClockNotSet, ClockSet,
}

// Entry is something that has happened.
type Entry struct {
	At      time.Time
	Kind    Kind
	Subject string // a camera's id, a destination's name; else empty
	Name    string // of the subject, for people
	Cause   string
	Remedy  string
	Lasted  time.Duration // of what has ended; 0 for all else
}

const (
	most         = 400 // entries
	mostOfOne    = 24  // of one kind and subject: what comes and goes must not push all else out
	mostOfText   = 300 // characters
	mostTroubles = 4096
)

// Journal holds entries. It is safe for concurrent use.
type Journal struct {
	mu      sync.Mutex
	entries []Entry // the oldest first
	known   map[key]outage.Trouble
}

type key struct {
	begins  Kind
	subject string
}

// New makes an empty journal.
func New() *Journal { return &Journal{known: map[key]outage.Trouble{}} }

// Note adds an entry. With a start of the agent the troubles of the run before are
// forgotten: that those of the new one are not there yet is no end of them.
func (j *Journal) Note(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Kind == AgentStarted {
		clear(j.known)
	}
	j.note(e)
}

func (j *Journal) note(e Entry) {
	e.Cause, e.Remedy, e.Name = clip(e.Cause), clip(e.Remedy), clip(e.Name)
	same := func(o Entry) bool { return o.Kind == e.Kind && o.Subject == e.Subject }
	alike := 0
	for _, o := range j.entries {
		if same(o) {
			alike++
		}
	}
	switch {
	case alike >= mostOfOne:
		at := slices.IndexFunc(j.entries, same)
		j.entries = slices.Delete(j.entries, at, at+1)
	case len(j.entries) >= most:
		j.entries = slices.Delete(j.entries, 0, 1)
	}
	j.entries = append(j.entries, e)
}

func clip(text string) string {
	if r := []rune(text); len(r) > mostOfText {
		return string(r[:mostOfText]) + "…"
	}
	return text
}

// Entries are those that there are, the newest first.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := slices.Clone(j.entries)
	slices.Reverse(out)
	return out
}

// Trouble is what may be going on: Of is empty while it does not.
type Trouble struct {
	Begins, Ends  Kind
	Subject, Name string
	Of            outage.Trouble
	Grace         time.Duration // it is not worth an entry before it has lasted for so long
}

// Follow compares the troubles that can be with those that were the last time, and
// notes what has begun and what has ended. What is not listed any more, as a camera
// that was taken away, is forgotten without an entry.
func (j *Journal) Follow(now time.Time, troubles []Trouble) {
	j.mu.Lock()
	defer j.mu.Unlock()
	listed := make(map[key]outage.Trouble, len(j.known))
	for _, t := range troubles {
		k := key{t.Begins, t.Subject}
		before, lasts := j.known[k]
		if lasts && !before.Since.Equal(t.Of.Since) {
			over := now
			if !t.Of.Since.IsZero() { // it has begun anew since the last look
				over = t.Of.Since
			}
			j.note(Entry{At: over, Kind: t.Ends, Subject: t.Subject, Name: t.Name, Cause: before.Cause, Lasted: over.Sub(before.Since)})
			lasts = false
		}
		switch {
		case lasts:
			listed[k] = before
		case !t.Of.Since.IsZero() && now.Sub(t.Of.Since) >= t.Grace && len(listed) < mostTroubles:
			j.note(Entry{At: t.Of.Since, Kind: t.Begins, Subject: t.Subject, Name: t.Name, Cause: t.Of.Cause, Remedy: t.Of.Remedy})
			listed[k] = t.Of
		}
	}
	j.known = listed
}

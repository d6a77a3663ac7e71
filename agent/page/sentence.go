package page

import (
	"fmt"
	"strings"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

// level is how things stand.
type level string

const (
	good level = "good"
	warn level = "warn" // somebody should look
	bad  level = "bad"  // footage is missing, or at stake
)

const (
	silentFor = 30 * time.Second // a camera that restarts its session is not worth a word
	lateAfter = 10 * time.Minute // footage that waits for longer is said to be missing at the store
	maxNamed  = 3                // cameras that are named in the sentence
)

// judged is how things stand, in one sentence or two.
type judged struct {
	Level    level
	Sentence string
}

// judge says whether all is recorded and uploaded that is to be.
func (l look) judge(zone *time.Location) judged {
	recording, grade := l.recording(zone)
	safety, second := l.safety(zone)
	if second == bad || grade == good {
		grade = second
	}
	if grade == good && len(l.problems) > 0 {
		grade = warn
	}
	return judged{grade, strings.TrimSpace(recording + " " + safety)}
}

// recording says which cameras are recorded.
func (l look) recording(zone *time.Location) (string, level) {
	live, off, connecting := 0, 0, 0
	var silent []string
	for _, c := range l.snap.Cameras {
		switch since, cause := l.silence(c); {
		case c.State == "recording":
			live++
		case c.State == "off schedule":
			off++
		case !since.IsZero() && l.at.Sub(since) < silentFor:
			connecting++
		default:
			silent = append(silent, strings.TrimSpace(c.Name+" ("+cause+sinceWhen(since, l.at, zone)+")"))
		}
	}
	all := len(l.snap.Cameras)
	switch {
	case all == 0:
		return "No camera is configured: nothing is recorded.", warn
	case len(silent) > 0:
		verb := "are"
		if len(silent) == 1 {
			verb = "is"
		}
		return fmt.Sprintf("%d of %s %s not recording: %s.", len(silent), counted(all, "camera"), verb, enumerate(silent, maxNamed)), bad
	case connecting > 0 && live == 0 && off == 0:
		return fmt.Sprintf("Connecting to %s.", allOf(all)), warn
	case connecting > 0:
		return fmt.Sprintf("%d of %s %s connecting, the others are fine.", connecting, counted(all, "camera"), isAre(connecting)), warn
	case off == all:
		return fmt.Sprintf("%s off schedule: nothing is to be recorded now.", sentenceCase(allOf(all)+" "+isAre(all))), good
	case off > 0:
		return fmt.Sprintf("All %s that are to be recorded now %s recording; %d %s off schedule.", counted(live, "camera"), isAre(live), off, isAre(off)), good
	}
	return sentenceCase(fmt.Sprintf("%s %s recording.", allOf(all), isAre(all))), good
}

// silence is since when a camera that is not recorded is not, and why: by the ledger,
// whose gap lasts, or else by the camera's last error.
func (l look) silence(c status.Camera) (since time.Time, cause string) {
	if line := l.lines[c.ID]; line != nil {
		for _, g := range line.gaps {
			if g.End.IsZero() {
				return g.Start, string(g.Cause)
			}
		}
	}
	return c.LastErrorAt, c.State
}

// safety says up to when footage is at the destinations that have to have it.
func (l look) safety(zone *time.Location) (string, level) {
	var names []string
	required := map[string]bool{}
	for _, d := range l.snap.Destinations {
		if d.Required {
			names, required[d.Name] = append(names, destinationName(d.Name)), true
		}
	}
	loss := ""
	if d := l.snap.Disk; !d.LastLoss.IsZero() && l.at.Sub(d.LastLoss) < day {
		loss = " Footage up to " + clock(d.LastLoss, l.at, zone) + " was lost: its files had to go before they were uploaded."
	}
	where := enumerate(names, len(names))
	waits, oldest := l.waiting(required)
	switch {
	case len(l.snap.Destinations) == 0:
		return "Footage is kept on this host only." + loss, worse(good, loss)
	case l.snap.Clock.Message != "":
		return "Nothing is uploaded, because the host's clock is not set." + loss, worse(warn, loss)
	case waits > 0 && l.at.Sub(oldest) > lateAfter:
		return fmt.Sprintf("%s of footage %s not in %s yet.", length(waits), isAre(1), where) + loss, worse(warn, loss)
	}
	upTo := l.at
	if !oldest.IsZero() {
		upTo = oldest
	}
	for _, c := range l.snap.Cameras {
		if !c.SegmentStart.IsZero() && c.SegmentStart.Before(upTo) {
			upTo = c.SegmentStart
		}
	}
	return fmt.Sprintf("Everything up to %s is in %s.", clock(upTo, l.at, zone), where) + loss, worse(good, loss)
}

func worse(l level, loss string) level {
	if loss != "" {
		return bad
	}
	return l
}

// waiting is how much finished footage has yet to reach a required destination, of
// each camera at the one that lacks the most, and when the oldest began.
func (l look) waiting(required map[string]bool) (sum time.Duration, oldest time.Time) {
	most := map[string]time.Duration{}
	for _, u := range l.unsent {
		if !required[u.Destination] {
			continue
		}
		most[u.CameraID] = max(most[u.CameraID], u.Duration)
		if oldest.IsZero() || u.Oldest.Before(oldest) {
			oldest = u.Oldest
		}
	}
	for _, d := range most {
		sum += d
	}
	return sum, oldest
}

// backlog is what of a camera has yet to reach a required destination.
func (l look) backlog(cameraID string) (b spool.Backlog) {
	for _, u := range l.unsent {
		if u.CameraID == cameraID && u.Duration > b.Duration {
			b = u.Backlog
		}
	}
	return b
}

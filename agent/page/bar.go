package page

import (
	"fmt"
	"time"

	"recording-agent/capture/spool"
)

// span is how long a line of time is that is shown.
type span struct {
	Name, Text string
	length     time.Duration
	grain      time.Duration // what goes on is drawn anew so often
	marks      time.Duration // between two marks below it
}

// spans are those to choose from, the first by default.
var spans = []span{
	{"24h", "24 hours", day, 30 * time.Second, 3 * time.Hour}, {"6h", "6 hours", 6 * time.Hour, 30 * time.Second, time.Hour},
	{"1h", "1 hour", time.Hour, 5 * time.Second, 10 * time.Minute},
}

// bar is a line of time to be drawn.
type bar struct {
	Name     string // of the camera
	From, To int64  // milliseconds since 1970
	Stretch  []drawn
	Windows  []drawn
	Marks    []mark
	Summary  string // of the whole day, in words
}

// drawn is one rectangle. What it shows is in its text as well.
type drawn struct {
	X, Width   string // in percent
	Class      string
	From, To   int64 // milliseconds since 1970
	Text, When string
}

type mark struct{ X, Text, Class string }

// maxDrawn is how many runs are drawn as they are. A camera that comes and goes all
// the time has more in a day, and then each minute shows its worst.
const maxDrawn = 500

// barTo is where the line of time ends that is shown at a moment: it moves once a
// minute only, so that nothing is sent for it in between.
func barTo(now time.Time) time.Time { return now.Truncate(time.Minute).Add(time.Minute) }

// draw draws the last part of a camera's day.
func draw(line []run, windows []spool.Stretch, now time.Time, zone *time.Location, over span) bar {
	to := barTo(now)
	from := to.Add(-over.length)
	b := bar{From: from.UnixMilli(), To: to.UnixMilli()}
	if len(line) > maxDrawn {
		line = coarse(line, from, to)
	}
	percent := func(d time.Duration) string { return fmt.Sprintf("%.3f%%", float64(d)/float64(over.length)*100) }
	place := func(s, e time.Time) drawn {
		s, e = later(s, from), earlier(e, to)
		return drawn{X: percent(s.Sub(from)), Width: percent(max(0, e.Sub(s))), From: s.UnixMilli(), To: e.UnixMilli()}
	}
	for _, r := range line {
		if !r.End.After(from) {
			continue
		}
		d, end := place(r.Start, r.End), clock(r.End, now, zone)
		if r.Open {
			end = "now"
			if g := now.Truncate(over.grain); g.After(r.Start) {
				d = place(r.Start, g)
			}
		}
		d.Class, d.Text, d.When = class(r), r.words(), clock(r.Start, now, zone)+" to "+end
		b.Stretch = append(b.Stretch, d)
	}
	for _, w := range windows {
		if w.End.After(from) {
			b.Windows = append(b.Windows, place(w.Start, w.End))
		}
	}
	for _, t := range marked(from, to, over.marks, zone) {
		m := mark{X: percent(t.Sub(from)), Text: t.Format("15:04")}
		if int(t.Sub(midnight(t))/over.marks)%2 != 0 {
			m.Class = "minor"
		}
		b.Marks = append(b.Marks, m)
	}
	return b
}

// words is what a run is, for people.
func (r run) words() string {
	text := map[kind]string{uploaded: "recorded and uploaded", recorded: "recorded, not uploaded yet", lost: "lost: " + r.Cause, gap: "not recorded: " + r.Cause}[r.Kind]
	if r.Detail != "" {
		text += " (" + r.Detail + ")"
	}
	return text
}

// class groups the causes of gaps by who has to do something about them.
func class(r run) string {
	if r.Kind != gap {
		return string(r.Kind)
	}
	switch spool.Cause(r.Cause) {
	case spool.GivenUp:
		return string(lost)
	case spool.DiskFailed, spool.DiskFull, spool.DiskSlow:
		return "gap disk"
	case spool.AgentStopped, spool.Reconfigured, spool.HostAsleep, spool.ClockStep, spool.Connecting:
		return "gap agent"
	}
	return "gap camera"
}

// summarize says what a day's line shows to who does not see it. What was scheduled
// before the first that is known of the camera does not count.
func summarize(line []run, windows []spool.Stretch, now time.Time) string {
	var have, safe, wanted time.Duration
	gaps := 0
	for _, r := range line {
		switch r.Kind {
		case uploaded:
			have, safe = have+r.End.Sub(r.Start), safe+r.End.Sub(r.Start)
		case recorded:
			have += r.End.Sub(r.Start)
		case gap, lost:
			gaps++
		}
	}
	for _, w := range windows {
		if len(line) > 0 {
			wanted += max(0, earlier(w.End, now).Sub(later(w.Start, line[0].Start)))
		}
	}
	return fmt.Sprintf("In the last 24 hours %s were scheduled, %s are recorded, %s of them uploaded; %s.", length(wanted), length(have), length(safe), counted(gaps, "gap"))
}

var rank = map[kind]int{uploaded: 0, recorded: 1, gap: 2, lost: 3}

// coarse makes one run of each minute, of its worst kind, and then of neighbours.
func coarse(line []run, from, to time.Time) (out []run) {
	minutes := make([]*run, int(to.Sub(from)/time.Minute)+1)
	for i := range line {
		r := &line[i]
		last := r.End.Add(-time.Nanosecond)
		for m := max(0, int(r.Start.Sub(from)/time.Minute)); m < len(minutes) && !from.Add(time.Duration(m)*time.Minute).After(last); m++ {
			if minutes[m] == nil || rank[r.Kind] > rank[minutes[m].Kind] {
				minutes[m] = r
			}
		}
	}
	for m, r := range minutes {
		if r == nil {
			continue
		}
		start := from.Add(time.Duration(m) * time.Minute)
		one := run{Kind: r.Kind, Start: start, End: start.Add(time.Minute), Cause: r.Cause}
		if n := len(out) - 1; n >= 0 && out[n].Kind == one.Kind && out[n].Cause == one.Cause && out[n].End.Equal(start) {
			out[n].End = one.End
			continue
		}
		out = append(out, one)
	}
	return out
}

// marked are the times that stand below a line: those of the clock on the wall that
// each is a while apart. A narrow screen shows every other.
func marked(from, to time.Time, each time.Duration, zone *time.Location) (out []time.Time) {
	room := to.Sub(from) / 70 // for the text
	for t := midnight(from.In(zone)); t.Before(to.Add(-room)); t = t.Add(min(each, time.Hour)) {
		if t.After(from.Add(room)) && time.Duration(t.Hour()*60+t.Minute())*time.Minute%each == 0 {
			out = append(out, t)
		}
	}
	return out
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

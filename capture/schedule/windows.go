package schedule

import (
	"cmp"
	"slices"
	"time"
)

// Window is a stretch of time that is to be recorded, from Start until just
// before End.
type Window struct {
	Start, End time.Time
	ScheduleID string // what its footage belongs to; empty: nothing that central knows
}

// Holds says whether a moment is inside.
func (w Window) Holds(t time.Time) bool { return !t.Before(w.Start) && t.Before(w.End) }

// span is a stretch of time in which one schedule wants footage, without a pause.
type span struct {
	start, end time.Time
	schedule   *Schedule
}

// offset is a stretch of time in which the local clock is not set.
type offset struct {
	from, to time.Time
	ahead    time.Duration // of UTC
}

// offsets divides the time from from until to at the changes of the local clock.
func (s *Set) offsets(from, to time.Time) (out []offset) {
	for from.Before(to) {
		local := from.In(s.zone)
		_, until := local.ZoneBounds()
		if until.IsZero() || until.After(to) || !until.After(from) {
			until = to
		}
		_, seconds := local.Zone()
		out = append(out, offset{from, until, time.Duration(seconds) * time.Second})
		from = until
	}
	return out
}

// spans returns what each schedule wants of the time from from until to, cut
// off there. Those of one schedule stand together, in their order.
func (s *Set) spans(from, to time.Time) (out []span) {
	offsets := s.offsets(from, to)
	for i := range s.schedules {
		first := len(out)
		for _, o := range offsets {
			out = s.schedules[i].spans(out, first, o)
		}
	}
	return out
}

// spans appends what s wants of a time without a change of the clock. From first
// on there is what it wants of the time before.
func (s *Schedule) spans(out []span, first int, o offset) []span {
	yesterday, today := dayOf(o.from.Add(o.ahead))-1, dayOf(o.to.Add(o.ahead))
	for day := range s.days(yesterday, today) {
		opens, closes := s.window(day)
		start, end := later(opens.Add(-o.ahead), o.from), earlier(closes.Add(-o.ahead), o.to)
		if !start.Before(end) {
			continue
		}
		if n := len(out); n > first && !start.After(out[n-1].end) {
			out[n-1].end = later(out[n-1].end, end)
		} else {
			out = append(out, span{start, end, s})
		}
	}
	return out
}

// union makes windows of spans that overlap.
func (s *Set) union(spans []span) (out []Window) {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.schedule.ID, b.schedule.ID))
	})
	for _, sp := range spans {
		if n := len(out); n > 0 && sp.start.Before(out[n-1].End) {
			out[n-1].End = later(out[n-1].End, sp.end)
		} else {
			out = append(out, Window{sp.start, sp.end, sp.schedule.ID})
		}
	}
	return out
}

// A period is four weeks. Whoever asks, and about which moment, the answer must
// be the same, although nobody can look back for ever to see which schedule
// opened first. So all that concerns a period is found by looking at the one
// before it and the one after it: a window that begins in the one before is known
// as it is, and is cut at the end of this one. What was open before that is cut at
// the beginning too, and the schedules that were open then count as opened
// together. Four weeks, because schedules repeat each week: an endless window
// has the same id in each period.
const periodDays = 28

// period returns the beginning of a period: midnight of a Monday, or where the
// clock skips that, a moment close to it.
func (s *Set) period(n int) time.Time {
	return time.Date(1970, 1, 5+n*periodDays, 0, 0, 0, 0, s.zone)
}

func (s *Set) periodOf(t time.Time) int {
	local := t.In(s.zone)
	_, seconds := local.Zone()
	n := int(floorDiv(int64(dayOf(t.Add(time.Duration(seconds)*time.Second))-4), periodDays))
	for t.Before(s.period(n)) {
		n--
	}
	for !t.Before(s.period(n + 1)) {
		n++
	}
	return n
}

// windows returns the windows of which a part is in the period, in their order.
func (s *Set) windows(n int) (out []Window) {
	before, start, end := s.period(n-1), s.period(n), s.period(n+1)
	for _, w := range s.union(s.spans(before.Add(-time.Second), s.period(n+2))) {
		if !w.End.After(start) || !w.Start.Before(end) {
			continue
		}
		if w.Start.Before(before) {
			w.Start = start
			w.End = earlier(w.End, end)
		} else if w.Start.Before(start) {
			w.End = earlier(w.End, end)
		}
		w.Start, w.End = w.Start.In(s.zone), w.End.In(s.zone)
		out = append(out, w)
	}
	return out
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

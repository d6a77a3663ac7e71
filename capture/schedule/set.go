package schedule

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// MaxSchedules is how many schedules a camera may have.
const MaxSchedules = 1000

// Set holds the schedules of one camera. It does not change, and is safe for
// concurrent use. Times outside of the years 1900 to 2189 are inside no window.
//
// A question costs some tenths of a millisecond: it is for the edges of windows,
// not for each frame.
type Set struct {
	zone      *time.Location
	schedules []Schedule
}

// NewSet returns the set of what is active among schedules, on the clock of a
// zone; nil is the host's. Its error is of type Errors, or says that there are
// more than MaxSchedules.
func NewSet(zone *time.Location, schedules []Schedule) (*Set, error) {
	if zone == nil {
		zone = time.Local
	}
	if len(schedules) > MaxSchedules {
		return nil, fmt.Errorf("%d schedules for one camera; delete those that are over, down to %d", len(schedules), MaxSchedules)
	}
	s := &Set{zone: zone}
	for i := range schedules {
		if errs := schedules[i].check(); errs != nil {
			return nil, errs
		}
		if schedules[i].Active {
			s.schedules = append(s.schedules, schedules[i])
		}
	}
	return s, nil
}

// Schedules returns those that are in force, also the ones that Update has kept.
func (s *Set) Schedules() []Schedule { return slices.Clone(s.schedules) }

// What is outside of these has no windows. Between them a Duration suffices, and
// even Windows of all of it comes to an end within a second.
var (
	earliest = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC)
)

func known(t time.Time) bool { return !t.Before(earliest) && t.Before(latest) }

// At returns the window that is open at t, if one is.
func (s *Set) At(t time.Time) (w Window, open bool) {
	if !known(t) {
		return Window{}, false
	}
	for _, w := range s.windows(s.periodOf(t)) {
		if w.Holds(t) {
			return w, true
		}
	}
	return Window{}, false
}

// lookAhead is for how many periods a window is searched: 52 weeks at least.
const lookAhead = 14

// Upcoming returns the first window that opens after t, if one does within 52
// weeks. It may follow the one that is open without a pause.
func (s *Set) Upcoming(t time.Time) (w Window, found bool) {
	if !known(t) {
		return Window{}, false
	}
	first := s.periodOf(t)
	for n := first; n < first+lookAhead; n++ {
		for _, w := range s.windows(n) {
			if w.Start.After(t) {
				return w, true
			}
		}
	}
	return Window{}, false
}

// Next returns the first moment after t for which At answers something else than
// for t: the end of the window that is open, or else the beginning of the next
// one, if there is one within 52 weeks.
func (s *Set) Next(t time.Time) (edge time.Time, found bool) {
	if w, open := s.At(t); open {
		return w.End, true
	}
	w, found := s.Upcoming(t)
	return w.Start, found
}

// ConnectAt returns when to connect to a camera that is not connected at t, so
// that it delivers when its window opens: lead before that, but not before t. It
// returns t when a window is open, and nothing when none opens within 52 weeks.
func (s *Set) ConnectAt(t time.Time, lead time.Duration) (at time.Time, found bool) {
	if _, open := s.At(t); open {
		return t, true
	}
	w, found := s.Upcoming(t)
	if !found {
		return time.Time{}, false
	}
	return later(w.Start.Add(-max(lead, 0)), t), true
}

// Windows yields what is to be recorded from from until to, in its order: the
// windows, cut off there.
func (s *Set) Windows(from, to time.Time) iter.Seq[Window] {
	from, to = later(from, earliest), earlier(to, latest)
	return func(yield func(Window) bool) {
		if !from.Before(to) {
			return
		}
		first := s.periodOf(from)
		for n := first; s.period(n).Before(to); n++ {
			for _, w := range s.windows(n) {
				if n > first && w.Start.Before(s.period(n)) || !w.End.After(from) {
					continue // it came with the period before, or ended
				}
				if !w.Start.Before(to) {
					return
				}
				w.Start, w.End = later(w.Start, from), earlier(w.End, to)
				if !yield(w) {
					return
				}
			}
		}
	}
}

// Scheduled returns how much of the time from from until to is to be recorded.
func (s *Set) Scheduled(from, to time.Time) (sum time.Duration) {
	for w := range s.Windows(from, to) {
		sum += w.End.Sub(w.Start)
	}
	return sum
}

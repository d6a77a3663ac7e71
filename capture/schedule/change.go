package schedule

import (
	"slices"
	"time"
)

// Update returns the set that follows s when schedules are all that there are
// now. A schedule that is new or changed counts at once, also in the middle of its
// window; one that is gone or inactive does not count any more, except for this:
// the central server makes a once schedule inactive soon after it has begun, so
// one that has begun stays, as it was, until the window that it is a part of is
// over. When now is zero it is not known, and each once schedule may have begun. When
// it fails, as NewSet does, s is to be kept.
func (s *Set) Update(schedules []Schedule, now time.Time) (*Set, error) {
	next, err := NewSet(s.zone, schedules)
	if err != nil {
		return nil, err
	}
	begun := s.schedules
	if !now.IsZero() {
		begun = s.begun(now)
	}
	for _, old := range begun {
		// More than a set may hold would be refused when it is made anew.
		if old.Kind == Once && len(next.schedules) < MaxSchedules && !slices.ContainsFunc(next.schedules, old.is) {
			next.schedules = append(next.schedules, old)
		}
	}
	return next, nil
}

// is says whether other is the same schedule, though it may have changed.
func (s Schedule) is(other Schedule) bool {
	return s.ID == other.ID && (s.ID != "" || s == other)
}

// begun returns the schedules that are, or were, a part of the window that is
// open now.
func (s *Set) begun(now time.Time) (out []Schedule) {
	w, open := s.At(now)
	if !open {
		return nil
	}
	for _, sp := range s.spans(w.Start, now.Add(1)) {
		if !slices.Contains(out, *sp.schedule) {
			out = append(out, *sp.schedule)
		}
	}
	return out
}

// Follow returns the window to be recorded now, if one is open, when recorded is
// the one that has been recorded until now; a zero Window is none. It is for each
// edge, and for each change of the set: recording goes on if there is a window,
// until its end or the next change, and a segment is cut if the id is another one
// than before.
//
// The id is that of At, with one exception: while its schedule is a part of the
// window, what is recorded keeps its id, even if a schedule was added that should
// have opened sooner. If its schedule is gone and others go on, it is theirs.
func (s *Set) Follow(recorded Window, now time.Time) (w Window, open bool) {
	w, open = s.At(now)
	if !open || recorded.Start.IsZero() || w.ScheduleID == recorded.ScheduleID {
		return w, open
	}
	for _, c := range s.begun(now) {
		if c.ID == recorded.ScheduleID {
			w.ScheduleID = c.ID
		}
	}
	return w, true
}

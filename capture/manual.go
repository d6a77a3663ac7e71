package capture

import (
	"time"

	"recording-agent/capture/schedule"
)

// maxStop is for how long at most a window can be stopped by hand: one that has no
// end would be forgotten for good.
const maxStop = 24 * time.Hour

// Begin records by hand from now on: for a while, or with 0 until Stop. It says no
// while the camera is to be recorded anyway.
func (p *Plan) Begin(now time.Time, length time.Duration) (begun bool) {
	if length <= 0 {
		length = forEver
	}
	p.change(func() bool {
		if _, open := p.at(now); !open {
			p.manual, begun = schedule.Window{Start: now, End: now.Add(length)}, true
		}
		return begun
	})
	return begun
}

// Stop ends by hand what is to be recorded now, whether that was begun by hand or
// by a schedule: then until its window is over, but for a day at most. It says no
// if nothing is to be recorded, or if the camera is recorded at all times.
func (p *Plan) Stop(now time.Time) (stopped bool) {
	p.change(func() bool {
		if p.set == nil {
			return false
		}
		stopped = p.manual.Holds(now)
		p.manual = schedule.Window{}
		if w, open := p.scheduled(now); open {
			p.stopped, stopped = schedule.Window{Start: now, End: earlier(w.End, now.Add(maxStop))}, true
		}
		return stopped
	})
	return stopped
}

// Forget ends what is recorded by hand, and lets go on what was stopped by hand.
func (p *Plan) Forget() {
	p.change(func() bool {
		p.manual, p.stopped = schedule.Window{}, schedule.Window{}
		return true
	})
}

// scheduled is the window of the schedules that is open at t, as far as it was not
// stopped. The mutex is held, as below.
func (p *Plan) scheduled(t time.Time) (w schedule.Window, open bool) {
	w, open = p.set.At(t)
	if !open {
		return w, false
	}
	for _, left := range without(w, p.stopped) {
		if left.Holds(t) {
			return left, true
		}
	}
	return schedule.Window{}, false
}

// upcoming is the first window that opens after t.
func (p *Plan) upcoming(t time.Time) (w schedule.Window, found bool) {
	w, found = p.nextScheduled(t)
	if p.manual.Start.After(t) && (!found || p.manual.Start.Before(w.Start)) {
		return p.manual, true // t is when a picture was taken, or an edge is accounted for
	}
	return w, found
}

func (p *Plan) nextScheduled(t time.Time) (w schedule.Window, found bool) {
	if !p.stopped.Holds(t) {
		return p.set.Upcoming(t)
	}
	if w, open := p.scheduled(p.stopped.End); open {
		return w, true
	}
	return p.set.Upcoming(p.stopped.End)
}

// without is what is left of a window.
func without(w, taken schedule.Window) (left []schedule.Window) {
	if !taken.Start.Before(w.End) || !w.Start.Before(taken.End) {
		return []schedule.Window{w}
	}
	if before := (schedule.Window{Start: w.Start, End: taken.Start, ScheduleID: w.ScheduleID}); before.Start.Before(before.End) {
		left = append(left, before)
	}
	if after := (schedule.Window{Start: taken.End, End: w.End, ScheduleID: w.ScheduleID}); after.Start.Before(after.End) {
		left = append(left, after)
	}
	return left
}

package capture

import (
	"sync"
	"time"

	"recording-agent/capture/schedule"
)

// Plan is when a camera is to be recorded. It may change while the camera runs,
// and is safe for concurrent use.
type Plan struct {
	mu      sync.Mutex
	set     *schedule.Set   // nil: at all times
	manual  schedule.Window // what is recorded by hand
	stopped schedule.Window // what of the schedules' windows is not recorded, by hand
	version int             // counts changes
	replans int             // of them, those of what is wanted
	changed chan struct{}   // closed, and made anew, with each change
}

// NewPlan returns a plan of schedules; nil records at all times.
func NewPlan(set *schedule.Set) *Plan { return &Plan{set: set, changed: make(chan struct{})} }

// forEver is an end that is not reached.
const forEver = 100 * 365 * 24 * time.Hour

// Set replaces the schedules. What is recorded, or was stopped, by hand stays so.
func (p *Plan) Set(set *schedule.Set) {
	p.change(func() bool {
		p.set = set
		return true
	})
}

// change makes a change, and has it noticed if do says that there was one.
func (p *Plan) change(do func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !do() {
		return
	}
	p.version, p.replans = p.version+1, p.replans+1
	close(p.changed)
	p.changed = make(chan struct{})
}

// At returns the window that is open at t, if one is. Where a schedule's window
// and a manual one overlap, it is the schedule's.
func (p *Plan) At(t time.Time) (schedule.Window, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at(t)
}

func (p *Plan) at(t time.Time) (w schedule.Window, open bool) {
	if p.set == nil {
		return schedule.Window{Start: t.Add(-forEver), End: t.Add(forEver)}, true
	}
	if w, open = p.scheduled(t); open {
		return w, true
	}
	if !p.manual.Holds(t) {
		return schedule.Window{}, false
	}
	w = p.manual
	if next, found := p.upcoming(t); found && next.Start.Before(w.End) {
		w.End = next.Start
	}
	return w, true
}

// Next returns when the plan is to be asked again after t: the next edge of a
// window. It finds none where nothing changes within a year.
func (p *Plan) Next(t time.Time) (edge time.Time, found bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w, open := p.at(t); open {
		return w.End, p.set != nil
	}
	w, found := p.upcoming(t)
	return w.Start, found
}

// Windows lists what was, or is, to be recorded between two moments.
func (p *Plan) Windows(from, to time.Time) (out []schedule.Window) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		if from.Before(to) {
			out = append(out, schedule.Window{Start: from, End: to})
		}
		return out
	}
	for w := range p.set.Windows(from, to) {
		out = append(out, without(w, p.stopped)...)
	}
	return out
}

// Schedules lists the schedules in force; none for a camera that is recorded at
// all times.
func (p *Plan) Schedules() []schedule.Schedule {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		return nil
	}
	return p.set.Schedules()
}

const (
	// lead is how long before its window opens a camera is connected to, so that it
	// delivers by then.
	lead = 15 * time.Second
	// tail is for how long after the end of a window its last pictures may arrive.
	tail = 3 * time.Second
	// planEvery is how often the plan is asked at least: the host's clock may be set.
	planEvery = 30 * time.Second
)

// connected says whether there is to be a session at now, and when to ask again.
func (p *Plan) connected(now time.Time) (wanted bool, again time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	again = now.Add(planEvery)
	for _, at := range []time.Time{now, now.Add(-tail)} {
		if w, open := p.at(at); open {
			return true, earlier(again, w.End.Add(tail))
		}
	}
	next, found := p.upcoming(now)
	if !found {
		return false, again
	}
	opens := next.Start.Add(-lead)
	if !opens.After(now) {
		return true, earlier(again, next.Start)
	}
	return false, earlier(again, opens)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// watch returns a channel that is closed when the plan changes.
func (p *Plan) watch() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// stepped has what is recorded by hand last as long as it was to, when the host's clock
// is set; and what was stopped stay so.
func (p *Plan) stepped(by time.Duration) {
	p.change(func() bool {
		if p.replans--; !p.manual.Start.IsZero() {
			p.manual.Start, p.manual.End = p.manual.Start.Add(by), p.manual.End.Add(by)
		}
		if !p.stopped.Start.IsZero() {
			p.stopped.Start = p.stopped.Start.Add(by)
		}
		return true // whoever waits for an edge has to look at the clock again
	})
}

// follower is a recorder's view of the plan. Asking for each picture would cost
// too much: what was said holds until the next edge, or change.
type follower struct {
	plan    *Plan
	window  schedule.Window
	open    bool
	version int
	replans int
	from    time.Time // what was said holds from here
	until   time.Time // to here
}

// at returns the window that holds t. edge says that it is another one than
// before, or has another id.
func (f *follower) at(t time.Time) (w schedule.Window, open, edge bool) {
	p := f.plan
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.version == p.version+1 && !t.Before(f.from) && t.Before(f.until) {
		return f.window, f.open, false
	}
	before, was := f.window, f.open
	f.window, f.open = p.at(t)
	if p.set != nil && was && f.open && f.window.ScheduleID != before.ScheduleID {
		if w, open := p.set.Follow(before, t); open && !p.stopped.Holds(t) { // what is recorded may keep its id
			f.window.ScheduleID = w.ScheduleID
		}
	}
	if f.open && !was && f.version != 0 && f.replans != p.replans { // from now on, not from the window's start
		f.window.Start = later(f.window.Start, t)
	}
	f.version, f.replans, f.from, f.until = p.version+1, p.replans, t, f.window.End
	if !f.open {
		f.until = t.Add(planEvery)
		if next, found := p.upcoming(t); found {
			f.until = next.Start
		}
	}
	edge = was != f.open || f.open && f.window.ScheduleID != before.ScheduleID
	return f.window, f.open, edge
}

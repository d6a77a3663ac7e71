package capture

import (
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/spool"
)

// maxApart is how far a segment's wall-clock time and that of its media may come
// apart.
const maxApart = 500 * time.Millisecond

// apart says that the host's time and the camera's have come apart since the segment
// began: one of them was set, or runs at another speed.
func (r *Recorder) apart(s *media.Sample) bool {
	c := r.current
	passed := media.Duration(s.DTS-c.firstDTS, r.tracks[0].ClockRate)
	return (s.Wall.Sub(c.dated) - passed).Abs() > maxApart
}

// minStep is what counts as setting the clock: NTP slews what is less.
const minStep = 200 * time.Millisecond

// watchClock notes that the host's clock was set, before anything else is dated by it.
// What is footage under the old time and under the new one is not put into one segment:
// the old time lasts until that ends. The mutex is held.
func (r *Recorder) watchClock() {
	before, now := r.heard, r.now()
	r.heard = now
	if before.IsZero() {
		return
	}
	step := r.step(before, now)
	if step.Abs() < minStep {
		return
	}
	r.plan.plan.stepped(step)
	if r.recording() && r.stepped == 0 && r.paused(now.Add(-step)) { // its time was over before
		r.finish()
		r.missing(r.plan.window.Start)
	}
	if r.recording() {
		r.newest, r.end, r.partBegan = r.newest.Add(step), r.end.Add(step), r.partBegan.Add(step)
		r.stepped += step
		r.cutDue = true
		return
	}
	if r.ahead != nil {
		r.forget()
	}
	r.newest, r.end = now, now
	r.noteStep(now, step, spool.Connecting)
}

// look looks at the host's clock for the first time: that it is set before the first
// picture comes is noticed as well.
func (r *Recorder) look() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = r.now()
	return r.heard
}

// redate moves a picture that was dated before the clock was set, and handed on
// afterwards, to the new time: as if it were of the old one, all that follows would come
// before it. The mutex is held.
func (r *Recorder) redate(s *media.Sample) {
	if s.DatedAt.IsZero() {
		return
	}
	if step := r.step(s.DatedAt, r.heard); step.Abs() >= minStep {
		s.Wall = s.Wall.Add(step)
	}
}

// noteStep tells of a step. A cause says why there was no footage before it.
func (r *Recorder) noteStep(now time.Time, step time.Duration, cause spool.Cause) {
	r.note(gap{kind: clockSet, from: now.Add(-step), to: now, cause: cause, detail: "set by " + step.String()})
}

// watch looks at the host's clock, also while nothing comes.
func (r *Recorder) watch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.passing("looking at the host's clock")
	r.watchClock()
}

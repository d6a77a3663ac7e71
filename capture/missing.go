package capture

import (
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/spool"
)

// drops says whether a sample has to go because too much waits for the disk. What
// is kept ends before it, and begins again with a segment of its own.
func (r *Recorder) drops(s *media.Sample) bool {
	now := r.now()
	if r.dropping && s.Track == 0 && s.Sync && r.queue.room(now) {
		r.dropping = false
	}
	if !r.dropping && r.current != nil && r.ahead == nil && r.queue.full(now) {
		r.dropping = true
		r.finish()
		r.why = gap{cause: spool.DiskSlow, detail: "the disk takes less than the camera sends; footage had to be dropped"}
		r.missing(r.plan.window.Start)
	}
	return r.dropping
}

// Damaged notes that footage is missing up to the next key frame.
func (r *Recorder) Damaged(cause string) {
	r.meter.damaged(cause)
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.passing("noting damage")
	if r.ahead != nil {
		r.forget() // what comes next cannot be decoded from it
	}
	if r.why.cause == "" {
		r.why = gap{cause: spool.BadFootage, detail: cause}
	}
}

// shown takes the picture s into account: what is missing since the one before it is a
// gap inside of the segment.
func (r *Recorder) shown(s *media.Sample) {
	from := r.end
	if r.ahead == nil && r.paused(r.newest) {
		r.flush() // or the gap would be noted before the footage in front of it
		from = later(from, r.plan.window.Start)
		r.current.missing += max(0, r.newest.Sub(from))
		r.note(gap{kind: inside, from: from.Add(-r.stepped), to: r.newest.Add(-r.stepped), cause: r.why.cause, detail: r.why.detail})
	}
	r.why = gap{}
	r.pace.picture(s, r.tracks[0].ClockRate)
	end := r.newest.Add(r.pace.length(r.meter.frameTime()))
	if r.ahead != nil {
		r.ahead.end = end
	} else {
		r.end = end
	}
}

// paused says whether pictures are missing between the last one and a moment; then why
// says what is the matter.
func (r *Recorder) paused(until time.Time) bool {
	switch {
	case r.why.cause != "":
		return until.After(r.end)
	case until.Sub(r.end) > r.pace.pause():
		r.why = gap{cause: spool.Stalled, detail: "the pictures paused"}
		return true
	}
	return false
}

// missing notes that from now on there is no footage, nor was there since the last of
// it in the window that has opened then.
func (r *Recorder) missing(opened time.Time) {
	cause := r.why.cause
	if cause == "" {
		cause = spool.Connecting
	}
	r.note(gap{kind: lasting, from: opened, cause: cause, detail: r.why.detail})
}

// ended finishes what a session leaves behind, and returns where its footage
// ends: the zero time if there never was any. From there on there is a gap with
// the given cause.
func (r *Recorder) ended(cause spool.Cause, detail string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.passing("ending a session")
	r.watchClock()
	r.finish()
	r.tracks = nil
	r.meter.stop()
	if !r.dropping {
		r.why = gap{cause: cause, detail: detail}
		if w, open := r.plan.plan.At(r.now().Add(-tail)); open { // else the edge accounts for it
			r.missing(w.Start)
		}
	}
	return r.end
}

// stopped finishes what a session leaves behind that the plan, or the end of the
// camera, has ended.
func (r *Recorder) stopped() {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.passing("ending a session")
	r.watchClock()
	now := r.now()
	if !r.told.IsZero() {
		now = r.told
	}
	w, open := r.plan.plan.At(now.Add(-tail))
	if !open && r.recording() { // its end is being accounted for right now
		w, open = r.plan.window, true
	}
	if open {
		r.shut(w.Start, earlier(w.End, now), w.End.After(now))
	}
	r.finish()
	r.tracks = nil
	r.meter.stop()
}

// stopping notes that the camera was told to end: its session may take a while to.
func (r *Recorder) stopping() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = r.now()
}

// note queues a gap. Gaps go the way of the parts, so that none is noted before
// the footage in front of it is.
func (r *Recorder) note(g gap) {
	r.queue.put(job{gap: &g, at: r.now()})
	r.disk.wake()
}

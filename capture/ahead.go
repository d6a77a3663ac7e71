package capture

import (
	"time"

	"recording-agent/capture/spool"
)

// maxAhead bounds what is held of a group of pictures before its window opens. Of a
// larger one nothing is held: the recording begins with the next key frame.
const maxAhead = 8 << 20

// ahead is what has come since the last key frame before a window opens: without
// that the window's first second could not be decoded. It is a segment like any
// other, of which nothing has been written.
type ahead struct {
	buffers *Buffers // what is held counts as waiting
	parts   []job
	bytes   int64
	large   bool
	end     time.Time // of the pictures so far
}

func (a *ahead) hold(j job) {
	size := int64(j.part.Size())
	a.parts = append(a.parts, j)
	a.bytes += size
	all := a.buffers.queued.Add(size)
	a.large = a.large || a.bytes > maxAhead || all > maxQueuedAll && a.bytes > queuedAnyway
}

// release has what was held not count any more.
func (a *ahead) release() { a.buffers.queued.Add(-a.bytes) }

// follow has the recording begin and end with the windows of the plan. The mutex
// is held.
func (r *Recorder) follow(now time.Time) {
	was := r.plan.window
	w, open, edge := r.plan.at(now)
	switch {
	case !open && r.recording(): // the window has closed
		r.shut(was.Start, earlier(was.End, now), false)
		r.meter.idle()
	case open && r.recording() && w.Start.After(was.End): // it has closed, and the next one has opened
		r.shut(was.Start, was.End, false)
	case !open && r.ahead != nil && r.ahead.large:
		r.forget()
	case open && r.ahead != nil:
		r.begin()
	case open && edge && r.current != nil && r.current.ScheduleID != w.ScheduleID:
		r.cutDue = true
	}
}

// begin has what was held written: the window has opened.
func (r *Recorder) begin() {
	held := r.ahead.parts
	r.ahead.release()
	r.end, r.ahead = r.ahead.end, nil
	r.current.ScheduleID = r.plan.window.ScheduleID
	for _, j := range held {
		r.current.bytes += int64(j.part.Size())
		r.queue.put(j)
	}
	r.opens()
	r.disk.wake()
}

// opens has the current segment be what is recorded: what was missing up to it is so no
// more.
func (r *Recorder) opens() {
	r.current.opened, r.current.why = r.plan.window.Start, r.why
	if r.why.cause == "" {
		r.current.why = gap{cause: spool.Connecting}
	}
	r.why = gap{}
	r.meter.segment(r.current)
}

// forget gives up what was held.
func (r *Recorder) forget() {
	r.ahead.release()
	for _, j := range r.ahead.parts {
		r.buffers.parts.Put(j.part)
	}
	if r.part != nil {
		r.buffers.parts.Put(r.part)
	}
	r.ahead, r.part, r.current = nil, nil, nil
}

// opened notes that a window has opened: what does not come is missing from then on.
func (r *Recorder) opened(start time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.passing("opening a window")
	r.watchClock()
	if !r.recording() {
		r.missing(start)
	}
}

// closed notes that a window is over: nothing is missing any more.
func (r *Recorder) closed(start, end time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.passing("closing a window")
	r.watchClock()
	r.shut(start, end, false)
}

// shut ends the footage with a window, or early, with as much as there was of it. The
// last picture lasts to the window's end if that is near; else there is a gap. The mutex
// is held.
func (r *Recorder) shut(start, end time.Time, early bool) {
	g := gap{kind: windowOver, from: start, to: end}
	if r.recording() && !r.current.opened.Before(end) { // the next one is recorded already
		g.cause = spool.Stalled
		r.note(g)
		return
	}
	paused := !early
	if r.recording() && r.stepped == 0 {
		if paused = r.paused(end); !paused && !early {
			r.end = end
		}
	}
	if early && !paused {
		g.slack = forEver // what is missing from there on, the next start knows
	}
	r.finish()
	if g.cause, g.detail = r.why.cause, r.why.detail; g.cause == "" {
		g.cause = spool.Stalled
	}
	r.note(g)
	if !r.dropping {
		r.why = gap{}
	}
}

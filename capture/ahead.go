package capture

import (
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/spool"
)

// maxAhead bounds what is held of a group of pictures before its window opens. Of a
// larger one nothing is held: the recording begins with the next key frame.
const maxAhead = 8 << 20

// ahead is what has come since the last key frame before a window opens: without
// that the window's first second could not be decoded. It is a segment like any
// other, of which nothing has been written.
type ahead struct {
	parts []job
	bytes int64
	large bool
	end   time.Time // of the pictures so far
}

func (a *ahead) hold(j job) {
	a.parts = append(a.parts, j)
	a.bytes += int64(j.part.Size())
	a.large = a.large || a.bytes > maxAhead
}

// follow has the recording begin and end with the windows of the plan. The mutex
// is held.
func (r *Recorder) follow(s *media.Sample) {
	w, open, edge := r.plan.at(s.Wall)
	switch {
	case !open && r.current != nil && r.ahead == nil: // the window has closed
		r.finish()
		r.damage = nil
		r.meter.idle()
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
	r.end, r.ahead = r.ahead.end, nil
	r.current.ScheduleID = r.plan.window.ScheduleID
	for _, j := range held {
		r.current.bytes += int64(j.part.Size())
		r.queue.put(j)
	}
	r.meter.segment(r.current)
	r.disk.wake()
}

// forget gives up what was held.
func (r *Recorder) forget() {
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
	if r.current == nil || r.ahead != nil {
		r.note(gap{from: start, cause: spool.Connecting})
	}
}

// closed notes that a window is over: nothing is missing any more.
func (r *Recorder) closed(end time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(gap{to: end})
}

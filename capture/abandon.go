package capture

import (
	"recording-agent/capture/panics"
)

// A panic in the recorder leaves it in a state that nobody has thought of: the part that
// was being filled is given up, what was whole before it is kept, and the session ends
// with the next sample, so that the camera begins anew.

// surviving is deferred, with the mutex held, by what can return an error.
func (r *Recorder) surviving(doing string, err *error) {
	if p := recover(); p != nil {
		e := r.panics.Caught(doing, p)
		r.abandon(e)
		*err = e
	}
}

// passing is deferred, with the mutex held, by what cannot: whoever called it is to know.
func (r *Recorder) passing(doing string) {
	if p := recover(); p != nil {
		e := r.panics.Caught(doing, p)
		r.abandon(e)
		panic(e)
	}
}

// abandon ends the current segment with its last whole part. From there on footage is
// missing: the end of the session accounts for it.
func (r *Recorder) abandon(e *panics.Error) {
	r.fault = e
	if r.part != nil && r.recording() {
		r.end = earlier(r.end, r.partBegan)
	}
	r.part = nil // it may hold anything: it is not used again
	seg := r.current
	if err := r.panics.Guard("giving up a segment", r.finish); err == nil || seg == nil || r.current != seg {
		return
	}
	if r.ahead != nil {
		r.ahead.release()
	} else {
		seg.end = later(seg.Start, r.end)
		r.queue.put(job{segment: seg, at: r.heard})
	}
	r.current, r.ahead, r.stepped = nil, nil, 0
}

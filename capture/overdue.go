package capture

import (
	"time"

	"recording-agent/capture/media"
)

// maxOverdue is how long a segment waits at least for a key frame at which it could be
// cut.
const maxOverdue = 10 * time.Minute

// overdue says that a segment has waited for a key frame in vain, and has to be cut at
// the ordinary picture s: without an end it would never be finished, and never fit into
// an upload. What follows it can be decoded in order behind it, by itself only as well
// as a decoder makes up for what it has not seen.
func (r *Recorder) overdue(s *media.Sample) bool {
	c := r.current
	if c == nil || r.ahead != nil {
		return false
	}
	return !s.Wall.Before(c.boundary.Add(max(maxOverdue, r.cut.Duration))) ||
		r.cut.MaxBytes > 0 && c.bytes-r.cut.MaxBytes >= r.cut.MaxBytes/200
}

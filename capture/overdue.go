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
// an upload.
func (r *Recorder) overdue(s *media.Sample) bool {
	c := r.current
	if c == nil || r.ahead != nil {
		return false
	}
	return !s.Wall.Add(-r.stepped).Before(c.boundary.Add(max(maxOverdue, r.cut.Duration))) ||
		r.cut.MaxBytes > 0 && c.bytes-r.cut.MaxBytes >= r.cut.MaxBytes/200
}

// entered returns an ordinary picture as one from which decoding can start, badly: a
// message in front of it says that it is a recovery point behind a broken link (ITU-T
// H.264 D.2.8, H.265 D.3.8). Behind the segment before it is decoded as it was; by
// itself as well as a decoder makes up for what it has not seen. Most show nothing at
// all of a file without such a point.
func entered(s *media.Sample, codec media.Codec) *media.Sample {
	message := map[media.Codec][]byte{
		media.H264: {0x06, 0x06, 0x01, 0xa4, 0x80},
		media.H265: {0x4e, 0x01, 0x06, 0x01, 0xb0, 0x80},
	}[codec]
	if message == nil {
		return s
	}
	out := *s
	out.Units, out.Sync = append([][]byte{message}, s.Units...), true
	return &out
}

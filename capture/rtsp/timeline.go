package rtsp

import (
	"time"

	"recording-agent/capture/media"
)

const (
	// maxBack is how far a timestamp may lie before the newest one: pictures are sent
	// in decoding order, so that some are presented before what came already.
	maxBack = 2 * time.Second
	// maxAhead is how much more than the time of arrival a timestamp may pass from one
	// packet to the next. A camera that has fallen behind may leave pictures out, so it
	// is no less than that.
	maxAhead = 10 * time.Second
)

// timeline keeps the timestamps of a track on one line. Where the camera's clock
// jumps, because it was set or the camera began anew, the line goes on by the time
// of arrival: nothing that comes is lost for it.
type timeline struct {
	lag     int64 // added to timestamps, in ticks
	newest  int64 // on the line
	arrival time.Duration
	begun   bool
}

// place lays a timestamp that arrives on the line, and says whether the clock has
// jumped before it. usual is what lies between two timestamps at least.
func (l *timeline) place(pts int64, rate int, arrival, usual time.Duration) (at int64, jumped bool) {
	at = pts + l.lag
	if !l.begun {
		l.begun, l.newest, l.arrival = true, at, arrival
		return at, false
	}
	passed := arrival - l.arrival
	step := media.Duration(at-l.newest, rate)
	if step < -maxBack || step-passed > maxAhead {
		to := l.newest + media.Ticks(max(passed, usual), rate)
		l.lag += to - at
		at, jumped = to, true
	}
	l.newest, l.arrival = max(l.newest, at), arrival
	return at, jumped
}

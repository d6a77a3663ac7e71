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
	// maxSame and sameFor: timestamps that so many more than one picture have, for so
	// long, stand still. Cameras that send pictures together may stamp them together.
	maxSame = 10
	sameFor = 500 * time.Millisecond
)

// timeline keeps the timestamps of a track on one line. Where the camera's clock
// jumps, because it was set or the camera began anew, or stands still, the line goes
// on by the time of arrival: nothing that comes is lost for it.
type timeline struct {
	lag     int64 // added to timestamps, in ticks
	newest  int64 // on the line
	arrival time.Duration
	step    int64 // the smallest between two timestamps that rise
	begun   bool

	order order
	same  int           // pictures with the last timestamp, but for the first
	stamp int64         // that timestamp
	since time.Duration // when the first of them came
	first int64         // where it lies on the line
}

// anyOrder says that nothing is known of how many pictures come before one that is
// shown before them.
const anyOrder = -1

// place lays a timestamp that arrives on the line, and says whether the clock has
// jumped before it. held is behind how many pictures that are shown after it it may
// come: if it lies before more, the clock was set back.
func (l *timeline) place(pts int64, rate int, arrival time.Duration, held int) (at int64, jumped bool) {
	defer func() {
		if l.same == 0 {
			l.first = at
		}
		l.newest, l.arrival = max(l.newest, at), arrival
		l.order.add(at)
	}()
	at = pts + l.lag
	if !l.begun {
		l.begun, l.newest, l.stamp, l.since = true, at, pts, arrival
		return at, false
	}
	passed := arrival - l.arrival
	if l.stands(pts, arrival) {
		return max(l.newest, l.first+media.Ticks(arrival-l.since, rate)), false
	}
	step := media.Duration(at-l.newest, rate)
	if step < -maxBack || step-passed > maxAhead || held != anyOrder && l.order.after(at) > held {
		to := l.newest + max(media.Ticks(passed, rate), l.step, 1)
		l.lag += to - at
		return to, true
	}
	if ticks := at - l.newest; ticks > 0 && (l.step == 0 || ticks < l.step) {
		l.step = ticks
	}
	return at, false
}

// stands says whether the camera's clock stands still.
func (l *timeline) stands(pts int64, arrival time.Duration) bool {
	if pts != l.stamp {
		l.stamp, l.since, l.same = pts, arrival, 0
		return false
	}
	l.same++
	return l.same > maxSame && arrival-l.since > sameFor
}

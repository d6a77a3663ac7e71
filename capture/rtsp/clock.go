package rtsp

import (
	"time"

	"recording-agent/capture/media"
)

const (
	// maxSlew is how fast the estimate may follow a camera whose clock runs slow.
	maxSlew = 500e-6
	// maxOffset is how far arrival may be from the estimate before the estimate is
	// given up.
	maxOffset = 2 * time.Second
)

// clock estimates the wall-clock time at which a sample was taken: that of the
// least-delayed sample so far, carried on by the stream's own clock. Network
// jitter only ever delays, so the smallest distance between arrival and stream
// time is the best one; it is let go slowly, in case the camera's clock drifts.
type clock struct {
	base   time.Time     // wall-clock time of stream time 0
	heard  time.Time     // of the host's clock
	last   time.Duration // stream time of the last sample
	primed bool
}

// at returns the wall-clock time of a sample with stream time pts that arrives
// at now.
func (c *clock) at(pts time.Duration, now time.Time) time.Time {
	if c.primed { // a wall clock that is set moves the estimate with it
		c.base = c.base.Add(media.ClockStep(c.heard, now))
	}
	c.heard = now
	base := now.Add(-pts).Round(0)
	passed := max(0, pts-c.last)
	c.last = pts
	off := base.Sub(c.base)
	switch {
	case !c.primed, off > maxOffset, off < -maxOffset, off < 0:
		c.base, c.primed = base, true
	default:
		c.base = c.base.Add(min(off, time.Duration(float64(passed)*maxSlew)))
	}
	return c.base.Add(pts)
}

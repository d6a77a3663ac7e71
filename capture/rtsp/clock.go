package rtsp

import (
	"time"

	"recording-agent/capture/media"
)

const (
	// maxSlew is how fast the estimate may follow a camera whose clock runs slow.
	maxSlew = 500e-6
	// maxOffset and lateFor: when all that comes for so long is so late, the estimate is
	// given up. What is late for a shorter time was held up in the network, and dated
	// rightly.
	maxOffset = 2 * time.Second
	lateFor   = 15 * time.Second
	// maxLate is later than anything that a network holds up.
	maxLate = time.Minute
)

// clock estimates the wall-clock time at which a sample was taken: that of the
// least-delayed sample so far, carried on by the stream's own clock. Network
// jitter only ever delays, so the smallest distance between arrival and stream
// time is the best one; it is let go slowly, in case the camera's clock drifts.
type clock struct {
	base   time.Time     // wall-clock time of stream time 0
	heard  time.Time     // of the host's clock
	late   time.Time     // since when all is late; zero: it is not
	least  time.Duration // how late the least late was
	last   time.Duration // stream time of the last sample
	primed bool
}

// at returns the wall-clock time of a sample with stream time pts that arrives
// at now.
func (c *clock) at(pts time.Duration, now time.Time) time.Time {
	if c.primed {
		c.set(media.ClockStep(c.heard, now))
	}
	c.heard = now
	base := now.Add(-pts).Round(0)
	passed := max(0, pts-c.last)
	c.last = pts
	off := base.Sub(c.base)
	switch {
	case !c.primed, off > maxLate, off < 0:
		c.base, c.primed, c.late = base, true, time.Time{}
	case off <= maxOffset:
		c.late = time.Time{}
		c.base = c.base.Add(min(off, time.Duration(float64(passed)*maxSlew)))
	case c.late.IsZero():
		c.late, c.least = now, off
	default:
		if c.least = min(c.least, off); now.Sub(c.late) > lateFor {
			c.base, c.late = c.base.Add(c.least), time.Time{}
		}
	}
	return c.base.Add(pts)
}

// set moves the estimate with the host's clock, which was set.
func (c *clock) set(by time.Duration) { c.base = c.base.Add(by) }

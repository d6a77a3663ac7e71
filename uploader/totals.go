package uploader

import (
	"time"

	"recording-agent/capture/spool"
)

// Totals are what a destination has had since the agent was started.
type Totals struct {
	Segments int64 // that it has confirmed
	Bytes    int64 // of these
	Sent     int64 // bytes of what was sent to it, whatever came of that
	Failures int64 // attempts that have failed
}

// verified counts a segment that was just confirmed.
func (u *Uploader) verified(seg spool.Segment) {
	u.mu.Lock()
	u.status.Totals.Segments++
	u.status.Totals.Bytes += seg.Size
	u.mu.Unlock()
	// Of one that no clock has dated it is not known when its last picture came.
	if u.opts.Latency != nil && seg.Dated == spool.Dated {
		u.opts.Latency.Observe(max(0, u.opts.Now().Sub(seg.End).Seconds()))
	}
}

// sent counts the bytes of a body that is over with.
func (u *Uploader) sent(began time.Time, bytes int64) {
	u.speed.add(began, bytes)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.Totals.Sent += bytes
}

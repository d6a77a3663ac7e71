package capture

import (
	"context"
	"time"

	"recording-agent/capture/spool"
)

// Account is what coverage needs of the spool.
type Account interface {
	Recorded(ctx context.Context, cameraID string, from, to time.Time) (time.Duration, error)
	Seen(ctx context.Context, cameraID string) (time.Time, error)
	LastGaps(ctx context.Context, cameraID string, since time.Time, limit int) ([]spool.Gap, error)
}

// Coverage is how much of the time in which a camera was to be recorded there is
// footage of.
type Coverage struct {
	Scheduled time.Duration // by the plan as it is now, since the camera was first heard of
	Recorded  time.Duration
}

// Share is Recorded of Scheduled, 0 to 1; 1 where nothing was to be recorded.
func (c Coverage) Share() float64 {
	if c.Scheduled <= 0 {
		return 1
	}
	return min(1, float64(c.Recorded)/float64(c.Scheduled))
}

// Coverage accounts for the time since then up to now.
func (c *Camera) Coverage(ctx context.Context, a Account, since time.Time) (covered Coverage, err error) {
	defer func() { // whoever asks tells of all cameras
		if p := recover(); p != nil {
			err = c.panics.Caught("counting what was recorded", p)
		}
	}()
	seen, err := a.Seen(ctx, c.opts.ID)
	if err != nil || seen.IsZero() {
		return Coverage{}, err
	}
	now, from := c.opts.Now(), since
	if seen.After(from) {
		from = seen
	}
	var out Coverage
	for _, w := range c.opts.Plan.Windows(from, now) {
		out.Scheduled += w.End.Sub(w.Start)
	}
	if out.Recorded, err = a.Recorded(ctx, c.opts.ID, from, now); err != nil {
		return Coverage{}, err
	}
	out.Recorded += c.recorder.sofar(from)
	return out, nil
}

// sofar is how long the segment that is being recorded holds footage since a moment.
func (r *Recorder) sofar(since time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil || r.ahead != nil {
		return 0
	}
	from := r.current.Start
	if since.After(from) {
		from = since
	}
	return max(0, r.end.Sub(from)-r.current.missing-max(0, r.stepped))
}

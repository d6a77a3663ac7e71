package uploader

import (
	"context"
	"time"
)

// farAhead is by how much the host's clock has to be set forward for the age of footage
// to be in doubt.
const farAhead = time.Hour

// agesDoubted says whether footage that has no other copy may be younger than it looks:
// the host's clock was set forward, and what has lain here for a day is a year old all at
// once. Whether the clock was wrong before or is so now nobody knows.
func (r *Retention) agesDoubted(ctx context.Context) (bool, error) {
	now := r.opts.Now()
	step := r.step(r.seen, now)
	if r.seen.IsZero() {
		step = 0
	}
	r.seen = now
	switch most := r.opts.Keep.MaxAge; {
	case step >= farAhead:
		r.doubtedUntil = now.Add(min(step, most))
	case step <= -farAhead: // by then it was a time of a clock that has been put right
		r.doubtedUntil = time.Time{}
	}
	until := r.doubtedUntil
	if r.opts.Anywhere { // what is safe has another copy
		return false, nil
	}
	noted, err := r.opts.Files.AgesDoubtedUntil(ctx, now, farAhead, r.opts.Keep.MaxAge) // in this run or before
	if err != nil {
		return false, err
	}
	if noted.After(until) {
		until = noted
	}
	doubted := now.Before(until)
	if doubted && !r.doubted {
		r.opts.Log.Warn().Time("until", until).Str("remedy", "look whether the host's clock is right").
			Msg("the host's clock was set forward: footage that has no other copy is not deleted for its age (retention.max_age) for as long as that, or retention.max_age")
	}
	r.doubted = doubted
	return doubted, nil
}

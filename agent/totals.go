package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture"
	"recording-agent/capture/spool"
)

// gapKey is of what gaps are summed up.
type gapKey struct {
	camera string
	cause  spool.Cause
}

// counts are numbers of the ledger that metrics tell.
type counts struct {
	mu      sync.Mutex
	missing map[gapKey]time.Duration // the most that was told
	gaps    []spool.GapTotal         // as they were last read
	states  map[string]int
	again   time.Time // when states are counted again
}

const (
	countEvery = 5 * time.Second
	// countShare bounds what counting costs where there are very many segments: a
	// hundredth of the time.
	countShare = 100
)

// totals are what the ledger has of all time; while it cannot be read, what it had
// last.
func (a *agent) totals(ctx context.Context) status.Totals {
	c := a.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	if began := time.Now(); began.After(c.again) {
		err := footage{a}.view(ctx, func(v *spool.View) error {
			states, err := v.States(ctx)
			if err == nil {
				c.states = map[string]int{}
			}
			for state, n := range states {
				c.states[string(state)] = n
			}
			return err
		})
		if err == nil {
			c.again = began.Add(max(countEvery, countShare*time.Since(began)))
		}
	}
	if gaps, err := a.spool.GapTotals(ctx, a.now()); err == nil {
		c.gaps = gaps
	}
	out := status.Totals{Segments: c.states}
	for _, g := range c.gaps {
		// The end of a gap is set back to the first picture after it, and one may be taken
		// back: a counter that falls would be taken for one that began anew.
		key := gapKey{g.CameraID, g.Cause}
		c.missing[key] = max(c.missing[key], g.Missing)
		out.Gaps = append(out.Gaps, status.GapTotal{Camera: g.CameraID, Cause: string(g.Cause), Missing: c.missing[key]})
	}
	return out
}

// unsafe is how much footage of a camera is only on this host. Where nothing is
// uploaded it is not told.
func (a *agent) unsafe(ctx context.Context, c capture.Status, unsent []spool.Unsent) *time.Duration {
	if len(a.uploaders) == 0 {
		return nil
	}
	all := a.unsafeOpen(ctx, c)
	for _, u := range unsent {
		if u.CameraID == c.ID {
			all += u.Unsafe
		}
	}
	return &all
}

// unsafeOpen is how much of the segment that is being recorded would be lost with
// this host: what the parts that were sent ahead do not hold, by their share of the
// file.
func (a *agent) unsafeOpen(ctx context.Context, c capture.Status) time.Duration {
	if c.Segment == "" || c.LastFrame.Before(c.SegmentStart) {
		return 0
	}
	length := c.LastFrame.Sub(c.SegmentStart)
	segment, err := a.spool.Segment(ctx, c.Segment)
	if err != nil { // in its first second it has no row
		return length
	}
	sent, err := a.spool.SentAhead(ctx, c.Segment)
	if err != nil || sent == 0 {
		return length
	}
	info, err := os.Stat(filepath.Join(a.spool.Dir(), filepath.FromSlash(segment.Path)))
	if err != nil || info.Size() == 0 {
		return length
	}
	return time.Duration(float64(length) * (1 - min(1, float64(sent)/float64(info.Size()))))
}

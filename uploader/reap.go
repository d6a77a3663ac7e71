package uploader

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// Safes is what reaping needs of the spool.
type Safes interface {
	Safe(ctx context.Context, centralConfigured bool, now time.Time, keepFor time.Duration, limit int) ([]spool.Segment, error)
	Delete(ctx context.Context, segmentID string) error
}

// Reaper deletes the local files of segments that are safe elsewhere.
type Reaper struct {
	Ledger            Safes
	Changed           <-chan struct{}
	CentralConfigured bool          // safe then includes central's word
	KeepFor           time.Duration // after verification
	Log               zerolog.Logger
	Now               func() time.Time
}

const (
	reapEvery = 30 * time.Second
	reapBatch = 64
)

// Run deletes until ctx ends.
func (r *Reaper) Run(ctx context.Context) error {
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for {
		if err := r.reap(ctx); err != nil && ctx.Err() == nil {
			r.Log.Error().Err(err).Msg("safe segments could not be deleted; trying again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.Changed:
		case <-tick.C:
		}
	}
}

// reap deletes what is safe now, oldest first. One file that cannot be deleted
// does not keep the others.
func (r *Reaper) reap(ctx context.Context) error {
	segs, err := r.Ledger.Safe(ctx, r.CentralConfigured, r.Now(), r.KeepFor, reapBatch)
	if err != nil {
		return err
	}
	var first error
	for _, seg := range segs {
		if err := r.Ledger.Delete(ctx, seg.ID); err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		r.Log.Info().Str("segment", seg.ID).Str("camera", seg.CameraID).Msg("local file deleted: the segment is safe elsewhere")
	}
	return first
}

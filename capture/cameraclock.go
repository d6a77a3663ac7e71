package capture

import (
	"context"
	"fmt"
	"time"

	"recording-agent/capture/media"
)

// A camera's clock that is so wrong is worth a word; one that has come so near is
// right again.
const (
	wrongClock = 10 * time.Second
	rightClock = 5 * time.Second
)

// hearClock notes how far the camera's clock is from the host's: for the segment at its
// beginning, or as soon as the camera says it. The mutex is held.
func (r *Recorder) hearClock(s *media.Sample) {
	if s.CameraTime.IsZero() {
		return
	}
	offset := s.CameraTime.Sub(s.Wall)
	r.meter.clock(offset)
	if offset == 0 {
		offset = 1 // it is known
	}
	r.current.clock.CompareAndSwap(0, int64(offset))
}

// noteClock writes it to the ledger, and says when it is wrong.
func (d *disk) noteClock(ctx context.Context, seg *segment) {
	offset := time.Duration(seg.clock.Load())
	if offset == 0 || seg.ClockOffset != nil || !seg.open.begun {
		return
	}
	seg.ClockOffset = &offset
	if err := d.spool.ClockOffset(ctx, seg.ID, offset); err != nil {
		d.log.Error().Err(err).Str("segment", seg.ID).Msg("what the camera's clock shows could not be noted")
	}
	switch {
	case !d.wrong && offset.Abs() > wrongClock:
		d.wrong = true
		by, where := spoken(offset.Abs()), "behind"
		if offset > 0 {
			where = "ahead of"
		}
		d.log.Warn().Str("by", by).Msgf("the camera's clock is %s %s this host's: set NTP in the camera, or look at the host's clock; recording is not affected", by, where)
	case d.wrong && offset.Abs() < rightClock:
		d.wrong = false
		d.log.Info().Msg("the camera's clock is right again")
	}
}

// spoken is a length of time for people.
func spoken(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Round(time.Second).String()
}

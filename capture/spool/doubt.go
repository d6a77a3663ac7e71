package spool

import (
	"context"
	"fmt"
	"time"
)

// AgesDoubtedUntil is until when nobody knows how old footage is, since the host's clock
// was set forward by least or more: as long as it was set forward by, and not longer than
// most. By then what was there is as old as it looks, or at least as old as most. It is
// in the past when there is no doubt, and knows what cameras that were to be recorded
// have noted.
func (s *Spool) AgesDoubtedUntil(ctx context.Context, now time.Time, least, most time.Duration) (time.Time, error) {
	var us int64
	err := s.ledger.db.QueryRowContext(ctx, `SELECT coalesce(max(end_us + min(end_us - start_us, ?3)), 0) FROM gaps
		WHERE cause = ?4 AND end_us - start_us >= ?2 AND end_us <= ?1`,
		micros(now), least.Microseconds(), most.Microseconds(), ClockStep).Scan(&us)
	if err != nil {
		return time.Time{}, fmt.Errorf("ledger: look whether the clock was set forward: %w", err)
	}
	return fromMicros(us), nil
}

package spool

import (
	"context"
	"fmt"
	"time"
)

// Recorded is how much footage of a camera there is between two moments: of each
// segment as much as it holds pictures, not how long it is. What is being recorded
// at the moment is not among it: the camera knows it. Files of other recorders do
// not count.
func (s *Spool) Recorded(ctx context.Context, cameraID string, from, to time.Time) (time.Duration, error) {
	var us float64
	err := s.ledger.db.QueryRowContext(ctx, `SELECT coalesce(sum(CAST(min(recorded_us, end_us - start_us) AS REAL)
			* (min(end_us, ?3) - max(start_us, ?2)) / (end_us - start_us)), 0) FROM segments
		WHERE camera_id = ?1 AND end_us > ?2 AND start_us < ?3 AND end_us > start_us AND state IN ('finished','deleted') AND `+ours,
		cameraID, micros(from), micros(to)).Scan(&us)
	if err != nil {
		return 0, fmt.Errorf("ledger: coverage of camera %s: %w", cameraID, err)
	}
	return time.Duration(us * float64(time.Microsecond)), nil
}

// Seen is when a camera was first heard of: the beginning of its first footage or
// gap. It is zero for one that never was.
func (s *Spool) Seen(ctx context.Context, cameraID string) (time.Time, error) {
	var us int64
	// The first to end is the first to begin, and found without looking at all.
	err := s.ledger.db.QueryRowContext(ctx, `SELECT coalesce(min(at), 0) FROM (
		SELECT * FROM (SELECT start_us AS at FROM segments WHERE camera_id = ?1 AND end_us > 0 AND `+ours+` ORDER BY end_us LIMIT 1)
		UNION ALL SELECT * FROM (SELECT start_us FROM gaps WHERE camera_id = ?1 AND end_us > 0 ORDER BY end_us LIMIT 1)
		UNION ALL SELECT start_us FROM gaps WHERE camera_id = ?1 AND end_us = 0)`, cameraID).Scan(&us)
	if err != nil {
		return time.Time{}, fmt.Errorf("ledger: camera %s: %w", cameraID, err)
	}
	return fromMicros(us), nil
}

// LastGaps lists the newest gaps of a camera that were not over at a moment, the
// newest first.
func (s *Spool) LastGaps(ctx context.Context, cameraID string, since time.Time, limit int) ([]Gap, error) {
	return s.gaps(ctx, cameraID, `WHERE camera_id = ? AND (end_us = 0 OR end_us > ?) ORDER BY start_us DESC, id DESC LIMIT ?`, cameraID, micros(since), limit)
}

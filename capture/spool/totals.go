package spool

import (
	"context"
	"fmt"
	"time"
)

// GapTotal is how much of a camera's scheduled time is missing for one cause.
type GapTotal struct {
	CameraID string
	Cause    Cause
	Missing  time.Duration
}

// GapTotals sums up all gaps that there ever were, open ones up to now. One
// whose cause is not known yet is left out.
func (s *Spool) GapTotals(ctx context.Context, now time.Time) ([]GapTotal, error) {
	rows, err := s.ledger.db.QueryContext(ctx, `SELECT camera_id, cause, sum(us) FROM (
			SELECT camera_id, cause, max(0, iif(end_us = 0, ?1, end_us) - start_us) AS us FROM gaps WHERE cause <> ?2 OR end_us <> 0
			UNION ALL SELECT camera_id, cause, missing_us FROM pruned_gaps)
		GROUP BY camera_id, cause ORDER BY camera_id, cause`, micros(now), Connecting)
	if err != nil {
		return nil, fmt.Errorf("ledger: sum up gaps: %w", err)
	}
	defer rows.Close()
	var out []GapTotal
	for rows.Next() {
		var t GapTotal
		var us int64
		if err := rows.Scan(&t.CameraID, &t.Cause, &us); err != nil {
			return nil, fmt.Errorf("ledger: sum up gaps: %w", err)
		}
		t.Missing = time.Duration(us) * time.Microsecond
		out = append(out, t)
	}
	return out, rows.Err()
}

// SentAhead is how many bytes, from the first on and without a hole, the stores of
// all required destinations hold of a segment that is being recorded: what could be
// played if this host were lost now.
func (s *Spool) SentAhead(ctx context.Context, segmentID string) (int64, error) {
	least, known := int64(0), false
	for _, d := range s.opts.Destinations {
		if d.Optional {
			continue
		}
		job, err := s.LiveDelivery(ctx, segmentID, d.Name)
		if err != nil || job == nil {
			return 0, err
		}
		sent := unbroken(job.Delivery.Upload)
		if !known || sent < least {
			least, known = sent, true
		}
	}
	return least, nil
}

// unbroken is how many bytes the parts of an upload hold before the first that is
// missing.
func unbroken(u *Upload) (n int64) {
	if u == nil {
		return 0
	}
	for i, p := range u.Parts { // in the order of their numbers
		if p.Number != i+1 {
			break
		}
		n += p.Size
	}
	return n
}

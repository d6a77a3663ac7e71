package spool

import (
	"context"
	"database/sql"
	"fmt"
)

// over: a gap has its end and its times. That of a clock that was set forward is needed
// for as long as the ages of footage are in doubt by it, see AgesDoubtedUntil. ?1 is the
// time, ?2 the cause of such a gap.
const over = `end_us <> 0 AND boot = '' AND (cause <> ?2 OR end_us + (end_us - start_us) < ?1)`

// outlivedGap: as outlived. The last time that a camera's clock was set stays as well.
const outlivedGap = `EXISTS (SELECT 1 FROM gaps AS later WHERE later.camera_id = gaps.camera_id AND later.end_us >= gaps.end_us
	AND +later.id > gaps.id AND (gaps.cause <> ?2 OR later.cause = ?2))`

// pruneGaps goes through the gaps between two numbers. Their sums stay.
func (s *Spool) pruneGaps(ctx context.Context, from, to int64) (int, error) {
	const going = over + ` AND ` + outlivedGap + ` AND id BETWEEN ?3 AND ?4`
	args := []any{micros(s.opts.Now()), ClockStep, from, to}
	var n int64
	err := s.ledger.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO pruned_gaps (camera_id, cause, missing_us)
			SELECT camera_id, cause, sum(max(0, end_us - start_us)) FROM gaps WHERE `+going+` GROUP BY camera_id, cause
			ON CONFLICT DO UPDATE SET missing_us = missing_us + excluded.missing_us`, args...)
		if err != nil {
			return err
		}
		// outlived by rows that go in the same stroke: SQLite reads all of them first.
		res, err := tx.ExecContext(ctx, `DELETE FROM gaps WHERE id IN (SELECT id FROM gaps WHERE `+going+`)`, args...)
		if err == nil {
			n, err = res.RowsAffected()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: prune gaps: %w", err)
	}
	return int(n), nil
}

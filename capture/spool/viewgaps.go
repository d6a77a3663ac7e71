package spool

import (
	"context"
	"fmt"
	"math"
	"time"
)

// GapQuery chooses gaps.
type GapQuery struct {
	Camera string    // id; empty: of all
	Since  time.Time // those that ended before are left out
	Until  time.Time // those that began then or later are left out; zero: none
	Limit  int       // so many of the newest
	After  int64     // those that were noted before the one of this number; 0: all
}

// Gaps lists what a query chooses, what was noted last first. more says that others
// were left out for its limit.
func (v *View) Gaps(ctx context.Context, q GapQuery) (gaps []Gap, more bool, err error) {
	until, after := int64(math.MaxInt64), int64(math.MaxInt64)
	if !q.Until.IsZero() {
		until = micros(q.Until)
	}
	if q.After > 0 {
		after = q.After
	}
	gaps, err = v.ledger.gaps(ctx, `WHERE (?1 = '' OR camera_id = ?1) AND (end_us = 0 OR end_us >= ?2) AND start_us < ?3 AND id < ?4
		ORDER BY id DESC LIMIT ?5`, q.Camera, micros(q.Since), until, after, q.Limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("ledger: gaps: %w", err)
	}
	if more = len(gaps) > q.Limit; more {
		gaps = gaps[:q.Limit]
	}
	return gaps, more, nil
}

// States counts the segments there ever were, by their state. Nearly all are deleted:
// these are what is left of a count of all, which reads a small index, when those that
// have indices of their own are taken off.
func (v *View) States(ctx context.Context) (map[State]int, error) {
	rows, err := v.ledger.db.QueryContext(ctx, `SELECT ?1, count(*) FROM segments
		UNION ALL SELECT state, count(*) FROM segments WHERE state IN ('recording','finished') GROUP BY state
		UNION ALL SELECT state, count(*) FROM segments WHERE state IN ('missing','empty') GROUP BY state`, Deleted)
	if err != nil {
		return nil, fmt.Errorf("ledger: count segments: %w", err)
	}
	defer rows.Close()
	counts := map[State]int{Recording: 0, Finished: 0, Deleted: 0, Missing: 0, Empty: 0}
	for rows.Next() {
		var state State
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return nil, fmt.Errorf("ledger: count segments: %w", err)
		}
		counts[state] += n
		if state != Deleted {
			counts[Deleted] -= n
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ledger: count segments: %w", err)
	}
	return counts, v.ledger.addPruned(ctx, counts)
}

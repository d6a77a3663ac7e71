package spool

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// How old a row is is not read off the host's clock: set a year forward, it would make
// old what was recorded yesterday, and set back keep it for ever. The ledger adds up for
// how long an agent has run with it, and marks once in each such day up to where it has
// come: what lies before a mark is at least as old as that. A host that is off most of
// the time keeps its rows for longer.

// day is one of those that an agent has run.
const day = 24 * time.Hour

// uptime goes on evenly. Without a clock that can be judged the time is believed.
func (s *Spool) uptime() time.Duration {
	if s.opts.Clock == nil {
		return time.Duration(s.opts.Now().UnixNano())
	}
	return s.opts.Clock.Uptime()
}

// Ran notes that the agent has run since it was noted last, or since the spool was
// opened. It is to be called every hour or so, and at the end, by one goroutine: what a
// kill comes before does not count. marked says that another day is over.
func (s *Spool) Ran(ctx context.Context) (marked bool, err error) {
	up := s.uptime()
	passed := max(0, up-s.ran)
	err = s.ledger.tx(ctx, func(tx *sql.Tx) error {
		var us int64
		if err := tx.QueryRowContext(ctx, `UPDATE pruned SET ran_us = ran_us + ? RETURNING ran_us`, passed.Microseconds()).Scan(&us); err != nil {
			return err
		}
		today := us / day.Microseconds()
		res, err := tx.ExecContext(ctx, `INSERT INTO marks (day, segment, gap)
			SELECT ?, (SELECT coalesce(max(rowid), 0) FROM segments), (SELECT coalesce(max(id), 0) FROM gaps) WHERE TRUE ON CONFLICT DO NOTHING`, today)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if marked = n > 0; err != nil || !marked {
			return err
		}
		// Of those that are older than is ever asked for the last is needed.
		_, err = tx.ExecContext(ctx, `DELETE FROM marks WHERE day < (SELECT max(day) FROM marks WHERE day < ?)`, today-s.keep.gapDays)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ledger: note for how long the agent has run: %w", err)
	}
	s.ran = up
	return marked, nil
}

// before is up to where rows are older than some days that an agent has run. Which hour
// of its day a mark is of is not known.
func (l *ledger) before(ctx context.Context, days int64) (segment, gap int64, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT coalesce(max(segment), 0), coalesce(max(gap), 0) FROM marks
		WHERE day < (SELECT ran_us FROM pruned) / ? - ?`, day.Microseconds(), days).Scan(&segment, &gap)
	if err != nil {
		return 0, 0, fmt.Errorf("ledger: look what is old: %w", err)
	}
	return segment, gap, nil
}

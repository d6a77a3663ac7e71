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
		_, err = tx.ExecContext(ctx, `DELETE FROM marks WHERE day < (SELECT max(day) FROM marks WHERE day < ?)`, today-s.keep.longDays)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ledger: note for how long the agent has run: %w", err)
	}
	s.ran = up
	return marked, nil
}

// mark is up to where a table had come.
type mark struct{ segment, gap int64 }

// before is up to where rows are older than some days that an agent has run. Which hour
// of its day a mark is of is not known.
func (l *ledger) before(ctx context.Context, days int64) (m mark, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT coalesce(max(segment), 0), coalesce(max(gap), 0) FROM marks
		WHERE day < (SELECT ran_us FROM pruned) / ? - ?`, day.Microseconds(), days).Scan(&m.segment, &m.gap)
	if err != nil {
		return m, fmt.Errorf("ledger: look what is old: %w", err)
	}
	return m, nil
}

// newest is the last row of each table.
func (l *ledger) newest(ctx context.Context) (m mark, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT (SELECT coalesce(max(rowid), 0) FROM segments), (SELECT coalesce(max(id), 0) FROM gaps)`).Scan(&m.segment, &m.gap)
	if err != nil {
		return m, fmt.Errorf("ledger: look what is old: %w", err)
	}
	return m, nil
}

// oldRows are the last rows that may go.
type oldRows struct{ segments, refused, gaps int64 }

// old says what may go: what is old, and of more than there are to be the oldest.
func (s *Spool) old(ctx context.Context) (o oldRows, err error) {
	var at [3]mark
	for i, days := range []int64{s.keep.days, s.keep.longDays, s.keep.youngest} {
		if at[i], err = s.ledger.before(ctx, days); err != nil {
			return o, err
		}
	}
	newest, err := s.ledger.newest(ctx)
	surplus, aged, long, young := mark{newest.segment - s.keep.rows, newest.gap - s.keep.gaps}, at[0], at[1], at[2]
	return oldRows{
		segments: min(young.segment, max(aged.segment, surplus.segment)),
		refused:  min(young.segment, max(long.segment, surplus.segment)),
		gaps:     min(young.gap, max(long.gap, surplus.gap)),
	}, err
}

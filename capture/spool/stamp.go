package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Dating is what a segment's times are worth.
type Dating string

// The datings of segments.
const (
	Dated      Dating = "yes"   // by a clock that was believed
	DatedLater Dating = "later" // the host's clock is not set: nothing is uploaded or told before it is
	Undated    Dating = "never" // they only say in which order it was recorded, and how long it is
)

// ready is what may be uploaded and told to central: what is dated, or never will
// be, while the host's clock can be believed or has been waited for for too long.
const ready = `segments.dated <> 'later' AND (SELECT open FROM clock)`

// stampOf is what the row of a segment keeps of the clock that it was recorded by.
// The files of other recorders are dated by theirs.
func (s *Spool) stampOf(seg Segment) (Dating, stamp) {
	if s.clock == nil || foreign(seg.ID) {
		return Dated, stamp{}
	}
	st, found := s.clock.of(seg.Start)
	switch {
	case !found && seg.Start.Before(notBefore), st.state == ClockUnset: // not found: adopted
		return DatedLater, st
	case st.state == ClockDoubted:
		return Undated, st
	}
	return Dated, stamp{}
}

// stampOfFound is that of a segment whose file was found: an earlier run has recorded it,
// whatever this one's clock has shown.
func (s *Spool) stampOfFound(seg Segment) (Dating, stamp) {
	if s.clock != nil && !foreign(seg.ID) && seg.Start.Before(notBefore) {
		return DatedLater, stamp{}
	}
	return Dated, stamp{}
}

// gapStamp is what the row of a gap keeps of the clock that its start was read from;
// nothing if that was believed.
func (s *Spool) gapStamp(start time.Time) stamp {
	if s.clock == nil {
		return stamp{}
	}
	if st, found := s.clock.of(start); found && st.state != ClockSet {
		return st
	}
	return stamp{}
}

// firstSetting says whether the clock was set at a moment for the first time: what
// is between the time before and that one is not missing.
func (s *Spool) firstSetting(at time.Time) bool {
	return s.clock != nil && s.clock.firstSetting(at)
}

// startClock judges the clock by what the last run has left, and the other way round.
func (s *Spool) startClock(ctx context.Context) error {
	if s.opts.Clock != nil {
		var last clockMemory
		var trusted, waited, uptime int64
		if err := s.ledger.db.QueryRowContext(ctx, `SELECT trusted_us, boot, waited_us, uptime_us FROM clock`).Scan(&trusted, &last.boot, &waited, &uptime); err != nil {
			return fmt.Errorf("ledger: read the time of the last run: %w", err)
		}
		last.trusted, last.waited, last.uptime = fromMicros(trusted), time.Duration(waited)*time.Microsecond, time.Duration(uptime)*time.Microsecond
		s.clock = newClock(*s.opts.Clock, last)
		s.setBack = s.clock.setBack(last)
		return s.keepClock(ctx, s.clock.report())
	}
	_, err := s.ledger.db.ExecContext(ctx, `UPDATE clock SET open = 1`)
	return err
}

// keepClock remembers the clock's condition: not before it is noted that it was set.
func (s *Spool) keepClock(ctx context.Context, r ClockReport) error {
	if s.setBack != 0 {
		return nil
	}
	if err := rememberClock(ctx, s.ledger.db, r); err != nil {
		return fmt.Errorf("ledger: remember the time: %w", err)
	}
	s.kept = r
	return nil
}

func rememberClock(ctx context.Context, db execer, r ClockReport) error {
	_, err := db.ExecContext(ctx, `UPDATE clock SET open = ?, trusted_us = ?, boot = ?, waited_us = ?, uptime_us = ?, gaps_before = (SELECT coalesce(max(id), 0) FROM gaps)`,
		r.State != ClockUnset, micros(r.memory.trusted), r.memory.boot, r.memory.waited.Microseconds(), r.memory.uptime.Microseconds())
	return err
}

// execer is the ledger, or a transaction of it.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// keepEvery is how often the time is remembered.
const keepEvery = time.Minute

// FollowClock looks at the host's clock; it is to be called every second or so, by
// one goroutine. Once the clock is set, what was recorded before gets its times.
func (s *Spool) FollowClock(ctx context.Context) (ClockReport, error) {
	r, before := s.clock.report(), s.kept.State
	taking := s.intake.undated()
	if taking && r.State == ClockSet && before != ClockSet {
		return r, nil
	}
	if opened := r.State != before; opened || s.dueToKeep(r) {
		if err := s.keepClock(ctx, r); err != nil {
			return r, err
		}
		if opened {
			s.changed()
		}
	}
	switch r.State {
	case ClockSet:
		var err error
		if !taking {
			err = s.date(ctx, r)
		}
		err = errors.Join(err, s.seeUndated(ctx, r.Now))
		if before != ClockSet {
			err = errors.Join(err, s.accountAbsence(ctx, r.Now))
		}
		return r, err
	case ClockDoubted:
		return r, s.giveUpDating(ctx)
	}
	return r, nil
}

// dueToKeep says whether the time is to be remembered: now and then, and soon after the
// clock was set.
func (s *Spool) dueToKeep(r ClockReport) bool {
	if s.kept.memory.sameSetting(r.memory) {
		s.setSeen = 0
		return (r.uptime - s.kept.uptime).Abs() >= keepEvery
	}
	if s.setSeen == 0 {
		s.setSeen = r.uptime
	}
	return r.uptime-s.setSeen >= tellSteps
}

// HostClock is the condition of the host's clock.
func (s *Spool) HostClock() ClockReport { return s.clock.report() }

// giveUpDating lets go what has waited for a clock that nobody sets.
func (s *Spool) giveUpDating(ctx context.Context) error {
	res, err := s.ledger.db.ExecContext(ctx, `UPDATE segments SET dated = 'never' WHERE dated = 'later'`)
	if err != nil {
		return fmt.Errorf("ledger: give up dating: %w", err)
	}
	if n, err := res.RowsAffected(); err == nil && n > 0 {
		s.opts.Log.Warn().Int64("segments", n).Msg("the host's clock was not set for too long: what was recorded meanwhile goes out under wrong times, marked as undated")
		s.changed()
	}
	return nil
}

// seeUndated gives segments that nobody can date any more a time from which their age
// counts: the first that a clock showed which can be believed. Their own times may be of
// 1970, and say that they are old.
func (s *Spool) seeUndated(ctx context.Context, now time.Time) error {
	var some bool
	err := s.ledger.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM segments WHERE dated = 'never' AND seen_us = 0)`).Scan(&some)
	if err == nil && some {
		_, err = s.ledger.db.ExecContext(ctx, `UPDATE segments SET seen_us = ? WHERE dated = 'never' AND seen_us = 0`, micros(now))
	}
	if err != nil {
		return fmt.Errorf("ledger: age of segments that cannot be dated: %w", err)
	}
	return nil
}

// HeldBack counts the segments that wait for the host's clock.
func (s *Spool) HeldBack(ctx context.Context) (n int, err error) {
	err = s.ledger.db.QueryRowContext(ctx, `SELECT count(*) FROM segments WHERE dated = 'later'`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("ledger: count what waits for the clock: %w", err)
	}
	return n, nil
}

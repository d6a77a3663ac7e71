package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// aliveEvery is how often it is noted that the agent runs.
const aliveEvery = 10 * time.Second

// Alive notes that the agent runs: what it does while nothing comes leaves no row, and
// after a kill the next start is to know until when it ran. It is the time of the lock
// file. That it cannot be set is no fault: the rows say less, but enough.
func (s *Spool) Alive() {
	now := s.opts.Now()
	s.mu.Lock()
	due := now.Sub(s.alive).Abs() >= aliveEvery
	if due {
		s.alive = now
	}
	s.mu.Unlock()
	if due {
		_ = os.Chtimes(lockFile(s.opts.Dir), now, now)
	}
}

func lockFile(dir string) string { return filepath.Join(dir, "lock") }

// lastAlive is when the last run is known to have been alive; zero: nothing is known.
func lastAlive(dir string) time.Time {
	st, err := os.Stat(lockFile(dir))
	if err != nil {
		return time.Time{}
	}
	return st.ModTime()
}

// settleGaps ends the gaps that were open when the last run ended: where footage
// begins that it could not say so of any more, else where it is last known to have run.
// A camera that goes on accounts for the time since by itself; one that is not wanted
// any more misses nothing. It follows the recovery of the segments. One that ends where
// the gap begins is in front of it. Times of a clock that was not set are compared with
// those of the same boot only.
func (s *Spool) settleGaps(ctx context.Context) error {
	err := s.ledger.tx(ctx, func(tx *sql.Tx) error {
		if s.setBack == 0 {
			return s.settleGapsBy(ctx, tx, s.opts.Now(), `TRUE`)
		}
		err := s.settleGapsBy(ctx, tx, s.thenNow(), `gaps.camera_id NOT IN (`+toldOfStep+`)`)
		return errors.Join(err, s.settleGapsBy(ctx, tx, s.opts.Now(), `gaps.camera_id IN (`+toldOfStep+`)`))
	})
	if err != nil {
		return fmt.Errorf("ledger: settle the gaps of the last run: %w", err)
	}
	return nil
}

// settleGapsBy ends the gaps of some cameras. at is the present, by the clock that their
// rows are of.
func (s *Spool) settleGapsBy(ctx context.Context, tx *sql.Tx, at time.Time, cameras string) error {
	now, known := micros(at), int64(0)
	err := tx.QueryRowContext(ctx, `SELECT coalesce(max(at), 0) FROM (
		SELECT max(start_us, end_us) AS at FROM segments WHERE max(start_us, end_us) <= ?1 AND dated <> 'later' AND `+ours+`
		UNION ALL SELECT max(start_us, end_us) FROM gaps WHERE max(start_us, end_us) <= ?1 AND boot = '')`, now).Scan(&known)
	if err != nil {
		return err
	}
	if alive := micros(s.before); alive <= now { // else it is no time of ours
		known = max(known, alive)
	}
	_, err = tx.ExecContext(ctx, `UPDATE gaps SET end_us = coalesce(
		(SELECT min(start_us) FROM segments WHERE segments.camera_id = gaps.camera_id AND segments.start_us >= gaps.start_us
			AND segments.end_us > gaps.start_us + 1000 AND segments.start_us <= ?2
			AND segments.rowid > coalesce((SELECT segments_before FROM gaps step WHERE step.camera_id = gaps.camera_id AND step.cause = ?3 AND step.id <= gaps.id
				ORDER BY step.id DESC LIMIT 1), 0)
			AND state IN ('recording','finished','deleted') AND segments.boot = gaps.boot AND `+ours+`),
		max(start_us, iif(boot = '', ?1, (SELECT coalesce(max(max(start_us, end_us)), 0) FROM segments WHERE segments.boot = gaps.boot))))
		WHERE end_us = 0 AND `+cameras, known, now, ClockStep)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM gaps WHERE end_us = start_us AND cause = ?`, Connecting)
	return err
}

// maxLast is how long a segment's last picture may have lasted.
const maxLast = 10 * time.Second

// settleEnd brings the end of a recovered segment together with what the ledger has
// after it: it was not finished in its turn, and knows its end by its media only. What
// a power cut has taken from it is a gap.
func (s *Spool) settleEnd(ctx context.Context, seg Segment) error {
	seg, err := s.Segment(ctx, seg.ID)
	if err != nil || seg.Dated == DatedLater {
		return err // which of them follows is known when they have got their times
	}
	next, err := s.follows(ctx, seg)
	if err != nil {
		return err
	}
	switch {
	case next.IsZero() || next.Equal(seg.End):
		return nil
	case next.Sub(seg.End) > maxLast:
		return s.GapBetween(ctx, seg.CameraID, seg.End, next, AgentStopped, "lost when the agent or the host was killed")
	}
	return s.ledger.one(ctx, "end", seg.ID, `UPDATE segments SET end_us = ? WHERE id = ? AND state IN ('recording','finished')`, micros(next), seg.ID)
}

// keepEnd keeps the end of a segment that was noted before anything was recorded: what is
// missing was counted from there. Where less could be read than was seen then, a gap
// follows.
func (s *Spool) keepEnd(ctx context.Context, before Segment) error {
	now, err := s.Segment(ctx, before.ID)
	if err != nil || now.End.Equal(before.End) {
		return err
	}
	if before.End.Sub(now.End) > maxLast {
		return s.GapBetween(ctx, now.CameraID, now.End, before.End, DiskFailed, "it cannot be read any more")
	}
	return s.ledger.one(ctx, "end", now.ID, `UPDATE segments SET end_us = ? WHERE id = ? AND state = 'finished'`, micros(before.End), now.ID)
}

// follows is the beginning of what the ledger has of a camera after a segment. What was
// recorded before the clock was set back is not behind it, whatever its times.
func (s *Spool) follows(ctx context.Context, seg Segment) (time.Time, error) {
	var us int64
	err := s.ledger.db.QueryRowContext(ctx, `SELECT coalesce(min(at), 0) FROM (
		SELECT start_us AS at FROM segments
			WHERE camera_id = ?1 AND start_us > ?2 AND (end_us = 0 OR end_us > ?2) AND state <> 'empty' AND dated <> 'later' AND `+ours+`
				AND rowid > (SELECT rowid FROM segments WHERE id = ?4)
		UNION ALL SELECT start_us FROM gaps WHERE camera_id = ?1 AND boot = '' AND start_us > ?2 AND start_us <= ?5 AND (end_us = 0 OR end_us > ?3)
				AND id > coalesce((SELECT max(id) FROM gaps WHERE camera_id = ?1 AND cause = ?6 AND segments_before < (SELECT rowid FROM segments WHERE id = ?4)), 0))`,
		seg.CameraID, micros(seg.Start), micros(seg.End), seg.ID, micros(s.thenNow()), ClockStep).Scan(&us)
	if err != nil {
		return time.Time{}, fmt.Errorf("ledger: look what follows segment %s: %w", seg.ID, err)
	}
	return fromMicros(us), nil
}

// unplayed notes that nothing of a segment can be played: its time is missing, up to where
// it was seen to end, or to what the ledger has after it, else to where the agent is last
// known to have run, and not beyond a moment unless that is zero. A gap that holds its
// beginning holds it already.
func (s *Spool) unplayed(ctx context.Context, id string, before time.Time, cause Cause, detail string) error {
	seg, err := s.Segment(ctx, id)
	if err != nil || seg.Dated == DatedLater {
		return err // what is before the next one is noted when that has got its time
	}
	var held bool
	err = s.ledger.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM gaps WHERE camera_id = ?1 AND start_us <= ?2 AND (end_us = 0 OR end_us > ?2))`,
		seg.CameraID, micros(seg.Start)).Scan(&held)
	if err != nil {
		return fmt.Errorf("ledger: look what is missing around segment %s: %w", id, err)
	}
	next := seg.End
	if next.IsZero() {
		seg.End = seg.Start
		next, err = s.follows(ctx, seg)
	}
	if next.IsZero() && !s.before.After(s.thenNow()) {
		next = s.before
	}
	if !before.IsZero() && before.Before(next) {
		next = before
	}
	if err != nil || held || !next.After(seg.Start) {
		return err
	}
	return s.GapBetween(ctx, seg.CameraID, seg.Start, next, cause, detail)
}

package spool

import (
	"context"
	"database/sql"
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
// any more misses nothing. It follows the recovery of the segments.
func (s *Spool) settleGaps(ctx context.Context) error {
	err := s.ledger.tx(ctx, func(tx *sql.Tx) error {
		now := micros(s.opts.Now())
		known := int64(0)
		err := tx.QueryRowContext(ctx, `SELECT coalesce(max(at), 0) FROM (
			SELECT max(start_us, end_us) AS at FROM segments WHERE max(start_us, end_us) <= ?1 AND `+ours+`
			UNION ALL SELECT max(start_us, end_us) FROM gaps WHERE max(start_us, end_us) <= ?1)`, now).Scan(&known)
		if err != nil {
			return err
		}
		if alive := micros(s.before); alive <= now { // else it is no time of ours
			known = max(known, alive)
		}
		_, err = tx.ExecContext(ctx, `UPDATE gaps SET end_us = coalesce(
			(SELECT min(start_us) FROM segments WHERE segments.camera_id = gaps.camera_id AND segments.start_us >= gaps.start_us
				AND segments.end_us > 0 AND state IN ('finished','deleted') AND `+ours+`), max(start_us, ?)) WHERE end_us = 0`, known)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM gaps WHERE end_us = start_us AND cause = ?`, Connecting)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: settle the gaps of the last run: %w", err)
	}
	return nil
}

// settleEnd has a recovered segment end where the next one begins, should that be
// sooner: it was not finished in its turn.
func (s *Spool) settleEnd(ctx context.Context, seg Segment) error {
	var next int64
	err := s.ledger.db.QueryRowContext(ctx, `SELECT coalesce(min(start_us), 0) FROM segments
		WHERE camera_id = ? AND start_us > ? AND (end_us = 0 OR end_us > ?) AND state <> 'empty' AND `+ours,
		seg.CameraID, micros(seg.Start), micros(seg.Start)).Scan(&next)
	if err != nil {
		return fmt.Errorf("ledger: look what follows segment %s: %w", seg.ID, err)
	}
	if next == 0 {
		return nil
	}
	return s.Overtaken(ctx, seg.ID, fromMicros(next))
}

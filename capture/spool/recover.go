package spool

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"recording-agent/capture/mp4"
)

// Recovery is what Recover found and did.
type Recovery struct {
	Recovered int // unfinished segments that were finished
	Adopted   int // files that had no row
	Empty     int // files that held no whole part and were removed
	Missing   int // rows whose file is gone
	Failed    int // files that could not be read; they are left as they are
}

// add makes one of two.
func (r *Recovery) add(other Recovery) {
	r.Recovered, r.Adopted, r.Empty = r.Recovered+other.Recovered, r.Adopted+other.Adopted, r.Empty+other.Empty
	r.Missing, r.Failed = r.Missing+other.Missing, r.Failed+other.Failed
}

// Recover is Prepare, TakeIn and ReadThrough at once, for whoever has no cameras that
// wait for it. It can be run again after a crash of its own.
//
// One file's trouble is logged and does not stop the rest.
func (s *Spool) Recover(ctx context.Context) (Recovery, error) {
	r, err := s.Prepare(ctx)
	if err != nil {
		return r, err
	}
	taken, err := s.TakeIn(ctx)
	r.add(taken)
	if err != nil {
		return r, err
	}
	read, err := s.readAll(ctx, hurried)
	r.add(read)
	return r, err
}

func (s *Spool) recoverRow(ctx context.Context, seg Segment, r *Recovery) error {
	name, err := s.file(seg.Path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if at := s.elsewhere(seg); at != "" {
			return s.movedTo(ctx, seg, at, r)
		}
		return s.withoutFile(ctx, seg, r)
	} else if err != nil || seg.State == Finished {
		return err
	}
	return s.recoverSegment(ctx, seg, name, hurried, r)
}

// recoverSegment finishes a segment that the last run did not.
func (s *Spool) recoverSegment(ctx context.Context, seg Segment, name string, p pace, r *Recovery) error {
	result, err := s.readFile(name, seg.ID, p)
	if !foreign(seg.ID) && (errors.Is(err, mp4.ErrEmpty) || errors.Is(err, mp4.ErrNotSegment)) {
		return s.giveUp(ctx, seg, name, time.Time{}, r)
	}
	if err != nil {
		return err
	}
	s.sayRecovered(seg, result)
	r.Recovered++
	if err := s.Finished(ctx, seg.ID, seg.Start, result); err != nil {
		return err
	}
	if !seg.End.IsZero() {
		return s.keepEnd(ctx, seg)
	}
	return s.settleEnd(ctx, seg)
}

// movedTo goes on with a segment whose file has another name than its row knows: a
// crash came while it got its times.
func (s *Spool) movedTo(ctx context.Context, seg Segment, at string, r *Recovery) error {
	seg.Path = at
	if err := s.ledger.one(ctx, "moved", seg.ID, `UPDATE segments SET path = ? WHERE id = ?`, at, seg.ID); err != nil {
		return err
	}
	return s.recoverRow(ctx, seg, r)
}

func (s *Spool) sayRecovered(seg Segment, result mp4.Result) {
	s.opts.Log.Info().Str("segment", seg.ID).Str("camera", seg.CameraID).Dur("duration", result.Duration).
		Int64("torn_bytes", result.Cut).Msg("unfinished segment recovered")
}

// withoutFile settles a row whose file is gone: a crash between unlink and row
// leaves it safe, and then it was deleted, or given up.
func (s *Spool) withoutFile(ctx context.Context, seg Segment, r *Recovery) error {
	verified, err := s.segments(ctx, "WHERE id = ?3 AND "+safe, false, s.names(false), seg.ID)
	if err != nil {
		return err
	}
	if len(verified) == 1 {
		return s.deleted(ctx, seg.ID)
	}
	if seg.State == Finished && seg.GivenUp != "" {
		return s.goneBefore(ctx, seg)
	}
	r.Missing++
	s.opts.Log.Error().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", seg.Path).
		Time("start", seg.Start).Msg("the file of a segment that was not uploaded yet is gone: somebody removed it, or the disk lost it")
	return s.FileMissing(ctx, seg.ID)
}

// giveUp settles a file of which nothing can be played: one that a crash cut off
// before its first whole part is removed, and its time with what was missing before; one
// that held more and was damaged is kept aside. What it is of ends before a moment, unless
// that is zero.
func (s *Spool) giveUp(ctx context.Context, seg Segment, name string, before time.Time, r *Recovery) error {
	footage, err := holdsFootage(name)
	if err != nil {
		return err
	}
	if footage {
		return s.setAside(ctx, seg, name, before, r)
	}
	r.Empty++
	s.opts.Log.Warn().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", seg.Path).
		Msg("segment ends before its first whole part: nothing in it can be played, it is removed")
	if err := s.unplayed(ctx, seg.ID, before, AgentStopped, "segment cut off before its first whole part"); err != nil {
		return err
	}
	if err := s.empty(ctx, seg.ID); err != nil {
		return err
	}
	return removeFile(name)
}

// setAside keeps a damaged file for whoever can read more of it than we.
func (s *Spool) setAside(ctx context.Context, seg Segment, name string, before time.Time, r *Recovery) error {
	r.Missing++
	aside := name + ".damaged"
	s.opts.Log.Error().Str("segment", seg.ID).Str("camera", seg.CameraID).Time("start", seg.Start).Str("moved_to", aside).
		Msg("the front of a segment's file is damaged: it cannot be played and is not uploaded; look at the disk")
	if err := s.unplayed(ctx, seg.ID, before, DiskFailed, "segment file damaged"); err != nil {
		return err
	}
	if err := renameFile(name, aside); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	if err := syncDirs(filepath.Dir(name)); err != nil {
		return err
	}
	return s.FileMissing(ctx, seg.ID)
}

func holdsFootage(name string) (bool, error) {
	f, err := openFile(name, os.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return mp4.HoldsFootage(f)
}

func (s *Spool) nameOf(cameraID string) string {
	name := ""
	if s.opts.CameraName != nil {
		name = s.opts.CameraName(cameraID)
	}
	return cmp.Or(name, cameraID)
}

// planPresent makes the deliveries that a destination added to the
// configuration since is owed.
func (s *Spool) planPresent(ctx context.Context) error {
	if len(s.opts.Destinations) == 0 {
		return nil
	}
	var all []string
	for _, d := range s.opts.Destinations {
		all = append(all, d.Name)
	}
	names, _ := json.Marshal(all) // of strings: it cannot fail
	segs, err := s.segments(ctx, `WHERE state IN ('recording','finished') AND (SELECT count(*) FROM deliveries
		WHERE segment_id = segments.id AND destination IN (SELECT value FROM json_each(?))) < ? ORDER BY start_us`, string(names), len(s.opts.Destinations))
	if err != nil {
		return err
	}
	return s.ledger.tx(ctx, func(tx *sql.Tx) error {
		for _, seg := range segs {
			if err := s.plan(ctx, tx, seg); err != nil {
				return err
			}
		}
		// What is not verified yet goes to the bucket that is configured now. An upload
		// that was open in another is not known there, and is begun again.
		for _, d := range s.opts.Destinations {
			_, err := tx.ExecContext(ctx, `UPDATE deliveries SET bucket = ?, state = 'pending'
				WHERE destination = ? AND bucket <> ? AND state IN ('pending','stored')`, d.Bucket, d.Name, d.Bucket)
			if err != nil {
				return fmt.Errorf("ledger: turn deliveries to %s: %w", d.Name, err)
			}
		}
		// Central was told that a segment stays here; now it is to learn where it goes.
		_, err := tx.ExecContext(ctx, `UPDATE segments SET central_state = 'recording'
			WHERE state = 'finished' AND central_state = 'completed' AND EXISTS
				(SELECT 1 FROM deliveries WHERE segment_id = segments.id AND deliveries.state IN ('pending','stored') AND destination = ?)`,
			s.primary())
		if err != nil {
			return fmt.Errorf("ledger: report segments again: %w", err)
		}
		for _, d := range s.opts.Destinations {
			if err := s.copyAgain(ctx, tx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// copyAgain has what is here and was verified in another bucket sent to the one that a
// destination has now: its file would go while that has no copy.
func (s *Spool) copyAgain(ctx context.Context, tx *sql.Tx, d Destination) error {
	res, err := tx.ExecContext(ctx, `UPDATE deliveries SET bucket = ?1, state = 'pending', verified_by = '', verified_us = 0
		WHERE destination = ?2 AND bucket <> ?1 AND state = 'verified'
			AND segment_id IN (SELECT id FROM segments WHERE state = 'finished')`, d.Bucket, d.Name)
	if err != nil {
		return fmt.Errorf("ledger: turn deliveries to %s: %w", d.Name, err)
	}
	if n, err := res.RowsAffected(); err == nil && n > 0 {
		s.opts.Log.Info().Str("destination", d.Name).Str("bucket", d.Bucket).Int64("segments", n).
			Msg("the destination has another bucket now: what is still here is sent there as well")
	}
	return nil
}

// retryAtOnce forgets the waiting times of the last run: what made calls fail
// may have been mended by the restart.
func (s *Spool) retryAtOnce(ctx context.Context) error {
	for _, query := range []string{
		"UPDATE deliveries SET next_us = 0 WHERE state IN ('pending','stored')",
		"UPDATE segments SET central_next_us = 0 WHERE central_state IN ('none','registered','recording')",
	} {
		if _, err := s.ledger.db.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("ledger: clear waiting times: %w", err)
		}
	}
	return nil
}

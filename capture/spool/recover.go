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
	"strings"
	"time"

	"github.com/google/uuid"

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

// Recover brings files and ledger together again after whatever ended the last
// run: unfinished segments are cut and finished, files without a row adopted,
// rows without a file marked. It is to be called once, before anything is
// recorded or uploaded, and can be run again after a crash of its own. Gaps that were
// open are ended.
//
// One file's trouble is logged and does not stop the rest.
func (s *Spool) Recover(ctx context.Context) (Recovery, error) {
	var r Recovery
	if err := s.recoverRows(ctx, &r); err != nil {
		return r, err
	}
	if err := s.adoptFiles(ctx, &r); err != nil {
		return r, err
	}
	if err := s.settleGaps(ctx); err != nil {
		return r, err
	}
	if err := s.noteSetBack(ctx); err != nil {
		return r, err
	}
	if err := s.planPresent(ctx); err != nil {
		return r, err
	}
	return r, s.retryAtOnce(ctx)
}

// recoverRows goes through the segments that should have a file.
func (s *Spool) recoverRows(ctx context.Context, r *Recovery) error {
	for _, state := range []State{Recording, Finished} {
		segs, err := s.Segments(ctx, state)
		if err != nil {
			return err
		}
		for _, seg := range segs {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.recoverRow(ctx, seg, r); err != nil {
				r.Failed++
				s.left.row(seg.ID, err)
				s.opts.Log.Error().Err(err).Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", seg.Path).
					Msg("segment could not be recovered; it is left as it is, and tried again from time to time")
			}
		}
	}
	return nil
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
	result, err := recoverFile(name)
	if errors.Is(err, mp4.ErrEmpty) || errors.Is(err, mp4.ErrNotSegment) {
		return s.giveUp(ctx, seg, name, r)
	}
	if err != nil {
		return err
	}
	s.sayRecovered(seg, result)
	r.Recovered++
	if err := s.Finished(ctx, seg.ID, seg.Start, result); err != nil {
		return err
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
// that held more and was damaged is kept aside.
func (s *Spool) giveUp(ctx context.Context, seg Segment, name string, r *Recovery) error {
	footage, err := holdsFootage(name)
	if err != nil {
		return err
	}
	if footage {
		return s.setAside(ctx, seg, name, r)
	}
	r.Empty++
	s.opts.Log.Warn().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", seg.Path).
		Msg("segment ends before its first whole part: nothing in it can be played, it is removed")
	if err := s.unplayed(ctx, seg.ID, AgentStopped, "segment cut off before its first whole part"); err != nil {
		return err
	}
	if err := s.empty(ctx, seg.ID); err != nil {
		return err
	}
	return removeFile(name)
}

// setAside keeps a damaged file for whoever can read more of it than we.
func (s *Spool) setAside(ctx context.Context, seg Segment, name string, r *Recovery) error {
	r.Missing++
	aside := name + ".damaged"
	s.opts.Log.Error().Str("segment", seg.ID).Str("camera", seg.CameraID).Time("start", seg.Start).Str("moved_to", aside).
		Msg("the front of a segment's file is damaged: it cannot be played and is not uploaded; look at the disk")
	if err := s.unplayed(ctx, seg.ID, DiskFailed, "segment file damaged"); err != nil {
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

func recoverFile(name string) (mp4.Result, error) {
	f, err := openFile(name, os.O_RDWR)
	if err != nil {
		return mp4.Result{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return mp4.Result{}, err
	}
	result, err := mp4.Recover(f, st.Size())
	if err != nil {
		return result, fmt.Errorf("recover %s: %w", filepath.Base(name), err)
	}
	return result, nil
}

// adoptFiles makes rows for the files that have none: the ledger was lost, or a
// crash came between the first part and its row.
func (s *Spool) adoptFiles(ctx context.Context, r *Recovery) error {
	present, err := s.present(ctx)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(filepath.Join(s.opts.Dir, segmentsDir), func(name string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.Failed++
			s.left.directory(name, err)
			s.opts.Log.Error().Err(err).Str("directory", name).
				Msg("a directory cannot be read: files in it that have no row are not taken up before it can; look at its rights and at the disk")
			return nil // of the others, and of what could be read of it, the rest is taken up
		}
		if entry.Type().IsRegular() && strings.HasSuffix(name, ".mp4"+copying) {
			_ = os.Remove(name) // what was copied is still where it was, and this no loss
			return nil
		}
		if entry.IsDir() || !entry.Type().IsRegular() || filepath.Ext(name) != ".mp4" {
			return nil
		}
		rel, err := filepath.Rel(s.opts.Dir, name)
		if err != nil || present[filepath.ToSlash(rel)] {
			return err
		}
		if err := s.adoptFile(ctx, name, filepath.ToSlash(rel), r); err != nil {
			r.Failed++
			s.left.file(filepath.ToSlash(rel), err)
			s.opts.Log.Error().Err(err).Str("file", filepath.ToSlash(rel)).Msg("file without a row could not be adopted; it is left as it is")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for files without a row: %w", err)
	}
	return nil
}

// present is where files lie that have a row which knows of them.
func (s *Spool) present(ctx context.Context) (map[string]bool, error) {
	rows, err := s.ledger.db.QueryContext(ctx, `SELECT path FROM segments WHERE state IN ('recording','finished')`)
	if err != nil {
		return nil, fmt.Errorf("ledger: list files: %w", err)
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var path string
		if err := rows.Scan(&path); err != nil {
			return nil, fmt.Errorf("ledger: list files: %w", err)
		}
		out[path] = true
	}
	return out, rows.Err()
}

func (s *Spool) adoptFile(ctx context.Context, name, rel string, r *Recovery) error {
	known, err := s.segments(ctx, "WHERE path = ?", rel)
	if err != nil {
		return err
	}
	if len(known) > 0 {
		return s.revive(ctx, known[0], name, r)
	}
	cameraID, segmentID, start, ok := parsePath(rel)
	if !ok {
		return errNotOurs
	}
	seg := Segment{ID: segmentID, CameraID: cameraID, ClientName: s.opts.ClientName, Path: rel, Start: start}
	result, err := readFile(name, segmentID)
	if errors.Is(err, mp4.ErrEmpty) {
		seg.CameraName = s.nameOf(cameraID)
		if err := s.Begun(ctx, seg); err != nil {
			return err
		}
		return s.giveUp(ctx, seg, name, r)
	}
	if err != nil {
		return err
	}
	if seg.take(result); seg.CameraName == "" {
		seg.CameraName = s.nameOf(cameraID)
	}
	if foreign(seg.ID) && ForeignID(seg.CameraID, seg.Size, seg.Checksum) != seg.ID {
		s.opts.Log.Error().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", rel).
			Msg("the disk returns other bytes than were taken over from another recorder: the segment is adopted as it is now; look at the disk")
	}
	if err := s.adopted(ctx, seg); err != nil {
		return err
	}
	r.Adopted++
	s.opts.Log.Info().Str("segment", seg.ID).Str("camera", seg.CameraID).Dur("duration", seg.Duration).
		Int64("torn_bytes", result.Cut).Msg("file without a row adopted")
	return nil
}

func (s *Spool) nameOf(cameraID string) string {
	name := ""
	if s.opts.CameraName != nil {
		name = s.opts.CameraName(cameraID)
	}
	return cmp.Or(name, cameraID)
}

// revive takes up a segment whose file was missing and is there again: a disk that
// was not mounted, a file that somebody had moved.
func (s *Spool) revive(ctx context.Context, seg Segment, name string, r *Recovery) error {
	switch seg.State {
	case Missing:
	case Empty: // a crash came before it was removed
		if footage, err := holdsFootage(name); err != nil || footage {
			return err
		}
		return removeFile(name)
	default:
		return nil
	}
	result, err := readFile(name, seg.ID)
	if err != nil {
		return err
	}
	err = s.ledger.one(ctx, "revived", seg.ID, `UPDATE segments SET state = 'recording',
		central_state = CASE central_state WHEN 'failed' THEN 'recording' ELSE central_state END
		WHERE id = ? AND state = 'missing'`, seg.ID)
	if err != nil {
		return err
	}
	r.Adopted++
	s.opts.Log.Info().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", seg.Path).Msg("the file of a missing segment is there again")
	return s.Finished(ctx, seg.ID, seg.Start, result)
}

// take fills in what a recovered file says of itself. Its camera and id are those
// of its place: the metadata only adds what the name does not say.
func (seg *Segment) take(r mp4.Result) {
	if r.CameraName != "" {
		seg.CameraName = r.CameraName
	}
	if r.ClientName != "" {
		seg.ClientName = r.ClientName
	}
	seg.ScheduleID = r.ScheduleID
	if !r.Start.IsZero() && r.Start.Sub(seg.Start).Abs() < time.Second {
		seg.Start = r.Start
	}
	if _, err := uuid.Parse(seg.ID); err != nil && plainID.MatchString(r.SegmentID) {
		seg.ID = r.SegmentID
	}
	seg.State, seg.End, seg.Duration, seg.Recorded = Finished, seg.Start.Add(pictures(r)), r.Duration, r.Recorded
	seg.Size, seg.Checksum = r.Size, r.Checksum
	seg.VideoCodec, seg.AudioCodec, seg.Width, seg.Height = r.VideoCodec, r.AudioCodec, r.Width, r.Height
	seg.FrameRate, seg.Frames = r.FrameRate, r.Frames
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
	segs, err := s.segments(ctx, `WHERE state = 'finished' AND (SELECT count(*) FROM deliveries
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

package spool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/mp4"
)

// pace bounds how much of the disk's time reading takes: it is called between two reads,
// and may end them.
type pace func() error

func hurried() error { return nil }

// half reads for as long as it waits. What records on the same disk gets the rest.
func half(ctx context.Context) pace {
	const turn = 50 * time.Millisecond
	began := time.Now()
	return func() error {
		if took := time.Since(began); took >= turn {
			wait(ctx, min(took, time.Second))
			began = time.Now()
		}
		return ctx.Err()
	}
}

// pacedFile is a file that is read at a pace.
type pacedFile struct {
	*os.File
	pace pace
}

func (f pacedFile) ReadAt(p []byte, at int64) (int, error) {
	if err := f.pace(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, at)
}

const (
	unreadAtOnce  = 64
	newestUnread  = 10 * time.Minute // what ended since is read before all that is older
	lookForUnread = time.Second      // while there may be more in a moment
	lookUnread    = time.Minute
)

// ReadThrough reads what was taken in by a glance, until ctx ends: it recovers what the
// last run did not finish, and notes checksums, without which nothing is uploaded. It does
// so at half the speed that the disk has. The newest comes first, then the oldest.
func (s *Spool) ReadThrough(ctx context.Context) error {
	for ctx.Err() == nil {
		r, err := s.readAll(ctx, half(ctx))
		if err != nil && ctx.Err() == nil {
			s.opts.Log.Error().Err(err).Msg("the ledger does not say what has yet to be read; trying again")
		}
		if r != (Recovery{}) {
			s.opts.Log.Info().Int("recovered", r.Recovered).Int("missing", r.Missing).Int("failed", r.Failed).Msg("what the last run did not finish is settled")
		}
		again := lookUnread
		if s.intake.lasts() {
			again = lookForUnread
		}
		wait(ctx, again)
	}
	return nil
}

// readAll reads all that there is to be read now. What cannot be read is left for later.
func (s *Spool) readAll(ctx context.Context, p pace) (Recovery, error) {
	var r Recovery
	for open := s.intake.nextOpen(); open.id != ""; open = s.intake.nextOpen() {
		seg, err := s.Segment(ctx, open.id)
		var one Recovery
		if err == nil && seg.State == Recording {
			err = s.recoverOpen(ctx, seg, p, &one)
		}
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if err != nil {
			s.leaveRow(seg, err, &one)
		}
		if open.adopted { // and counted as that
			one.Recovered = 0
		}
		r.add(one)
		s.intake.recovered()
	}
	for {
		segs, err := s.unreadSegments(ctx)
		if err != nil || len(segs) == 0 {
			return r, err
		}
		for _, seg := range segs {
			err := s.readThrough(ctx, seg, p, &r)
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if err != nil {
				s.leaveRow(seg, err, &r)
			}
		}
		if err := s.countUnread(ctx); err != nil {
			return r, err
		}
	}
}

// recoverOpen finishes a segment of the last run, if its disk is there.
func (s *Spool) recoverOpen(ctx context.Context, seg Segment, p pace, r *Recovery) error {
	if err := s.Present(); err != nil {
		return err
	}
	name, err := s.file(seg.Path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(name); err != nil {
		return s.recoverRow(ctx, seg, r)
	}
	return s.recoverSegment(ctx, seg, name, p, r)
}

// isUnread are segments that are to be read, but for ?1, which are tried again apart.
const isUnread = `state = 'finished' AND checksum = '' AND dated <> 'later' AND id NOT IN (SELECT value FROM json_each(?1))`

// leftRows are the segments that could not be brought in order, as a JSON array.
func (s *Spool) leftRows() string {
	ids, _ := json.Marshal(append([]string{}, s.left.names(s.left.rows)...)) // of strings: it cannot fail
	return string(ids)
}

// unreadSegments are those that are to be read next. Those whose times are not known yet
// are read when they get them.
func (s *Spool) unreadSegments(ctx context.Context) ([]Segment, error) {
	return s.segments(ctx, `WHERE `+isUnread+` ORDER BY end_us < ?2, start_us LIMIT ?3`, s.leftRows(), micros(s.opts.Now().Add(-newestUnread)), unreadAtOnce)
}

// countUnread notes how much is still to be read.
func (s *Spool) countUnread(ctx context.Context) error {
	var u Unread
	err := s.ledger.db.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(size), 0) FROM segments WHERE `+isUnread, s.leftRows()).Scan(&u.Segments, &u.Bytes)
	if err != nil {
		return fmt.Errorf("ledger: count what is to be read: %w", err)
	}
	s.intake.counted(u)
	return nil
}

// readThrough reads a finished segment, and notes what it holds.
func (s *Spool) readThrough(ctx context.Context, seg Segment, p pace, r *Recovery) error {
	if err := s.Present(); err != nil { // else a file that cannot be found is not lost
		return err
	}
	name, err := s.file(seg.Path)
	if err != nil {
		return err
	}
	result, err := s.readFile(name, seg.ID, p)
	now, rerr := s.Segment(ctx, seg.ID)
	switch {
	case rerr != nil:
		return rerr
	case now.State != Finished || now.Checksum != "": // deleted meanwhile
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return s.goneNow(ctx, seg.ID, r)
	case !foreign(seg.ID) && (errors.Is(err, mp4.ErrEmpty) || errors.Is(err, mp4.ErrNotSegment)):
		return s.setAside(ctx, seg, name, seg.End, r)
	case err != nil:
		return err
	}
	if foreign(seg.ID) && ForeignID(seg.CameraID, result.Size, result.Checksum) != seg.ID {
		s.opts.Log.Error().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", seg.Path).
			Msg("the disk returns other bytes than were taken over from another recorder: the segment is adopted as it is now; look at the disk")
	}
	crashpoint.Here("file read through")
	if err := s.readWhole(ctx, seg, result); errors.Is(err, ErrTransition) {
		return nil // deleted meanwhile, or read by whoever was about to
	} else if err != nil {
		return err
	}
	crashpoint.Here("checksum noted")
	return s.keepEnd(ctx, seg)
}

// goneNow settles a segment whose file is not there. It may just be deleted to make room:
// then its row says so in a moment, and it is no loss.
func (s *Spool) goneNow(ctx context.Context, id string, r *Recovery) error {
	s.removing.Lock()
	seg, err := s.Segment(ctx, id)
	s.removing.Unlock()
	if err != nil || seg.State != Finished {
		return err
	}
	return s.withoutFile(ctx, seg, r)
}

// readWhole notes what reading a finished segment has shown.
func (s *Spool) readWhole(ctx context.Context, seg Segment, m mp4.Result) error {
	defer s.changed()
	return s.ledger.one(ctx, "read", seg.ID, `UPDATE segments SET end_us = ?, duration_us = ?, recorded_us = ?, size = ?, checksum = ?,
		video_codec = ?, audio_codec = ?, width = ?, height = ?, frame_rate = ?, frames = ? WHERE id = ? AND state = 'finished' AND checksum = ''`,
		micros(seg.Start.Add(pictures(m))), m.Duration.Microseconds(), m.Recorded.Microseconds(), m.Size, m.Checksum,
		m.VideoCodec, m.AudioCodec, m.Width, m.Height, m.FrameRate, m.Frames, seg.ID)
}

// lossWithin is how long a segment may be read that is about to be given up.
const lossWithin = 5 * time.Second

// readBeforeLoss reads a segment that is about to be given up unread: only by its checksum
// can the store be asked whether it has it. Room is needed, so it may not take long.
func (s *Spool) readBeforeLoss(ctx context.Context, seg Segment) {
	if seg.Checksum != "" || len(s.opts.Destinations) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lossWithin)
	defer cancel()
	name, err := s.file(seg.Path)
	if err != nil {
		return
	}
	if m, err := s.readFile(name, seg.ID, ctx.Err); err == nil {
		_ = s.readWhole(ctx, seg, m) // without it is given up all the same
	}
}

// readThroughFile says what the file of a segment holds, after a crash or without a row.
// Our own is finished first; another recorder's is read as it is.
func readThroughFile(name, segmentID string, p pace) (mp4.Result, error) {
	read, doing, flag := mp4.Recover, "recover", os.O_RDWR
	if foreign(segmentID) {
		read, doing, flag = readForeign, "read", os.O_RDONLY
	}
	f, err := openFile(name, flag)
	if err != nil {
		return mp4.Result{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return mp4.Result{}, err
	}
	result, err := read(pacedFile{f, p}, st.Size())
	if err != nil {
		return result, fmt.Errorf("%s %s: %w", doing, filepath.Base(name), err)
	}
	return result, nil
}

func readForeign(f mp4.File, size int64) (mp4.Result, error) {
	found, err := mp4.ReadForeign(f, size)
	if err == nil {
		found.Checksum, err = mp4.Checksum(f, size)
	}
	return found.Result, err
}

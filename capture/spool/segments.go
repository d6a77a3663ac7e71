package spool

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"recording-agent/capture/mp4"
)

// Begun makes the row of a segment whose file holds its first part, and the
// deliveries it is due. A crash before leaves a file that is adopted.
func (s *Spool) Begun(ctx context.Context, seg Segment) error {
	seg.State = Recording
	return s.insert(ctx, "begun", seg)
}

// adopted makes the rows of files that had none: all of them, or none. That a file is not
// read through yet says its empty checksum.
func (s *Spool) adopted(ctx context.Context, segs ...Segment) error {
	return s.insert(ctx, "adopted", segs...)
}

func (s *Spool) insert(ctx context.Context, verb string, segs ...Segment) error {
	id := ""
	err := s.ledger.tx(ctx, func(tx *sql.Tx) error {
		for _, seg := range segs {
			id = seg.ID
			dated, by := s.stampOf(seg)
			if verb == "adopted" {
				dated, by = s.stampOfFound(seg)
			}
			if err := s.insertRow(ctx, tx, seg, dated, by); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ledger: %s %s: %w", verb, id, err)
	}
	s.changed()
	return nil
}

func (s *Spool) insertRow(ctx context.Context, tx *sql.Tx, seg Segment, dated Dating, by stamp) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO segments
			(id, camera_id, camera_name, client_name, schedule_id, path, state, start_us, end_us, duration_us, recorded_us, size, checksum,
			 video_codec, audio_codec, width, height, frame_rate, frames, dated, boot, booted_us)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		seg.ID, seg.CameraID, seg.CameraName, seg.ClientName, seg.ScheduleID, seg.Path, seg.State, micros(seg.Start), micros(seg.End),
		seg.Duration.Microseconds(), seg.Recorded.Microseconds(), seg.Size, seg.Checksum, seg.VideoCodec, seg.AudioCodec, seg.Width, seg.Height,
		seg.FrameRate, seg.Frames, dated, by.boot, by.booted)
	if err != nil {
		return err
	}
	return s.plan(ctx, tx, seg)
}

// OwnKey is a key that only this segment can have, for when its own is taken.
func OwnKey(key, segmentID string) string {
	return strings.TrimSuffix(key, ".mp4") + "_" + segmentID + ".mp4"
}

// plan makes the deliveries of a segment that are not there yet. The key is
// rendered here, once, and never again. Another recorder's file may begin in the
// same millisecond as ours, and then gets another key.
func (s *Spool) plan(ctx context.Context, tx *sql.Tx, seg Segment) error {
	for _, d := range s.opts.Destinations {
		key := d.Key(seg)
		_, err := tx.ExecContext(ctx, `INSERT INTO deliveries (segment_id, destination, bucket, key, state)
			VALUES (?1, ?2, ?3, iif(EXISTS (SELECT 1 FROM deliveries WHERE destination = ?2 AND key = ?4), ?5, ?4), 'pending')
			ON CONFLICT DO NOTHING`, seg.ID, d.Name, d.Bucket, key, OwnKey(key, seg.ID))
		if err != nil {
			return fmt.Errorf("plan its delivery to %s: %w", d.Name, err)
		}
	}
	return nil
}

// Finished notes that the file of a segment is complete. Its end is that of its
// pictures: sound that outlives them is not footage.
func (s *Spool) Finished(ctx context.Context, id string, start time.Time, r mp4.Result) error {
	defer s.changed()
	defer s.settled(id)
	return s.ledger.one(ctx, "finished", id, `UPDATE segments SET state = 'finished', end_us = ?, duration_us = ?, recorded_us = ?,
		size = ?, checksum = ?, video_codec = ?, audio_codec = ?, width = ?, height = ?, frame_rate = ?, frames = ?
		WHERE id = ? AND state = 'recording'`,
		micros(start.Add(pictures(r))), r.Duration.Microseconds(), r.Recorded.Microseconds(), r.Size, r.Checksum, r.VideoCodec, r.AudioCodec,
		r.Width, r.Height, r.FrameRate, r.Frames, id)
}

// pictures is how long a segment lasts. What is not known of another recorder's file
// is how long its sound alone goes on.
func pictures(r mp4.Result) time.Duration { return cmp.Or(r.Pictures, r.Duration) }

// ClockOffset notes how far the camera's clock was from the host's when a segment
// began, as soon as it is known.
func (s *Spool) ClockOffset(ctx context.Context, id string, offset time.Duration) error {
	return s.ledger.one(ctx, "clock offset", id, `UPDATE segments SET clock_offset_us = ? WHERE id = ?`, offset.Microseconds(), id)
}

// empty notes that a segment's file held no whole part.
func (s *Spool) empty(ctx context.Context, id string) error {
	defer s.changed()
	return s.ledger.one(ctx, "empty", id, `UPDATE segments SET state = 'empty' WHERE id = ? AND state = 'recording'`, id)
}

// ErrGivenUp says that a file that is missed was removed here, and that this is noted.
var ErrGivenUp = errors.New("its file was deleted for want of room")

// FileMissing notes that the file of a segment is gone though nobody here removed
// it. It is reported, not looked for again. What was being given up is settled as that:
// then it returns ErrGivenUp.
func (s *Spool) FileMissing(ctx context.Context, id string) error {
	if seg, err := s.Segment(ctx, id); err != nil {
		return err
	} else if seg.GivenUp != "" {
		if err := s.settleGivenUp(ctx, id); err != nil {
			return err
		}
		return fmt.Errorf("segment %s: %w", id, ErrGivenUp)
	}
	defer s.changed()
	defer s.settled(id)
	return s.ledger.one(ctx, "file missing", id,
		`UPDATE segments SET state = 'missing' WHERE id = ? AND state IN ('recording','finished') AND given_up = ''`, id)
}

// Damaged notes that the bytes on the disk are not those that were written: from
// here on the segment is what its file holds.
func (s *Spool) Damaged(ctx context.Context, id string, size int64, checksum string) error {
	return s.ledger.one(ctx, "damaged", id,
		`UPDATE segments SET size = ?, checksum = ? WHERE id = ? AND state = 'finished'`, size, checksum, id)
}

// Segment returns one row.
func (s *Spool) Segment(ctx context.Context, id string) (Segment, error) {
	segs, err := s.segments(ctx, "WHERE id = ?", id)
	if err == nil && len(segs) == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return Segment{}, fmt.Errorf("ledger: segment %s: %w", id, err)
	}
	return segs[0], nil
}

// Segments lists all rows of a state, oldest first.
func (s *Spool) Segments(ctx context.Context, state State) ([]Segment, error) {
	return s.segments(ctx, "WHERE state = ? ORDER BY start_us", state)
}

const segmentColumns = `segments.id, camera_id, camera_name, client_name, schedule_id, path, segments.state, dated, start_us, end_us, duration_us, recorded_us, size, checksum,
	video_codec, audio_codec, width, height, frame_rate, frames, given_up, clock_offset_us,
	central_state, central_recording_id, central_attempts, central_error, central_refused_us, central_next_us`

func (s *Spool) segments(ctx context.Context, where string, args ...any) ([]Segment, error) {
	return s.ledger.segments(ctx, where, args...)
}

func (l *ledger) segments(ctx context.Context, where string, args ...any) ([]Segment, error) {
	rows, err := l.db.QueryContext(ctx, "SELECT "+segmentColumns+" FROM segments "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("ledger: list segments: %w", err)
	}
	defer rows.Close()
	var out []Segment
	for rows.Next() {
		var seg Segment
		if err := scanSegment(rows, &seg); err != nil {
			return nil, fmt.Errorf("ledger: list segments: %w", err)
		}
		out = append(out, seg)
	}
	return out, rows.Err()
}

// scanSegment reads segmentColumns, and what else the query selected behind them.
func scanSegment(rows *sql.Rows, seg *Segment, more ...any) error {
	var start, end, duration, recorded, refused, next int64
	var offset sql.NullInt64
	into := append([]any{
		&seg.ID, &seg.CameraID, &seg.CameraName, &seg.ClientName, &seg.ScheduleID, &seg.Path, &seg.State, &seg.Dated, &start, &end, &duration, &recorded,
		&seg.Size, &seg.Checksum, &seg.VideoCodec, &seg.AudioCodec, &seg.Width, &seg.Height, &seg.FrameRate, &seg.Frames, &seg.GivenUp, &offset,
		&seg.Central.State, &seg.Central.RecordingID, &seg.Central.Attempts, &seg.Central.LastError, &refused, &next,
	}, more...)
	if err := rows.Scan(into...); err != nil {
		return err
	}
	seg.Start, seg.End, seg.Central.RefusedAt = fromMicros(start), fromMicros(end), fromMicros(refused)
	seg.Central.NextTry = fromMicros(next)
	seg.Duration, seg.Recorded = time.Duration(duration)*time.Microsecond, time.Duration(recorded)*time.Microsecond
	if offset.Valid {
		d := time.Duration(offset.Int64) * time.Microsecond
		seg.ClockOffset = &d
	}
	return nil
}

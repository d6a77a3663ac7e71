package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"recording-agent/capture/crashpoint"
)

// Worth is what would be lost with a local file.
type Worth int

// From nothing to everything. The order is that in which files make room.
const (
	Safe       Worth = iota // nothing: all that has to have the segment has it, central knows
	Unreported              // central has yet to be told; the footage is at every required destination
	Copied                  // some destination has it, but not every required one
	OnlyCopy                // the footage
)

// Local is a finished segment with its file on this host.
type Local struct {
	Segment
	Worth Worth
}

// worth is the Worth of a finished segment, with the parameters of safe. Where
// segments go nowhere they are kept for as long as there is room, and none is lost
// before its time.
const worth = `CASE
	WHEN ` + safe + ` OR json_array_length(?2) = 0 AND (central_state IN ('completed','refused') OR NOT ?1) THEN 0
	WHEN json_array_length(?2) = (SELECT count(*) FROM deliveries WHERE segment_id = segments.id
		AND deliveries.state = 'verified' AND destination IN (SELECT value FROM json_each(?2))) THEN 1
	WHEN EXISTS (SELECT 1 FROM deliveries WHERE segment_id = segments.id AND deliveries.state = 'verified') THEN 2
	ELSE 3 END`

// Locals lists finished segments in the order in which their files should go when
// room is needed: by their worth, then oldest first, which is not what a clock that is
// not set says. Those that ended after endedBefore are left out, unless that is zero, and those of
// which it is not known yet; one whose times nobody knows ended when a clock that can be
// believed was first seen behind it.
func (s *Spool) Locals(ctx context.Context, centralConfigured bool, endedBefore time.Time, limit int) ([]Local, error) {
	rows, err := s.ledger.db.QueryContext(ctx, `SELECT `+segmentColumns+`, `+worth+` AS worth FROM segments
		WHERE state = 'finished' AND (?3 = 0 OR CASE dated WHEN 'later' THEN 0 WHEN 'never' THEN seen_us <> 0 AND seen_us < ?3 ELSE end_us < ?3 END)
			AND (?5 = 0 OR start_us <= ?5) ORDER BY worth, dated = 'later', iif(dated = 'later', rowid, start_us) LIMIT ?4`,
		centralConfigured, s.names(false), micros(endedBefore), limit, micros(s.intake.oldest()))
	if err != nil {
		return nil, fmt.Errorf("ledger: list local segments: %w", err)
	}
	defer rows.Close()
	var out []Local
	for rows.Next() {
		var l Local
		if err := scanSegment(rows, &l.Segment, &l.Worth); err != nil {
			return nil, fmt.Errorf("ledger: list local segments: %w", err)
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// LocalBytes is how much the files of finished segments take on this host, with those that
// have no row yet.
func (s *Spool) LocalBytes(ctx context.Context) (n int64, err error) {
	if err := s.ledger.db.QueryRowContext(ctx, `SELECT coalesce(sum(size), 0) FROM segments WHERE state = 'finished'`).Scan(&n); err != nil {
		return 0, fmt.Errorf("ledger: size of local segments: %w", err)
	}
	return n + s.Intake().Bytes, nil
}

// GiveUp deletes the file of a finished segment that is not safe, because there is
// no room for it. Why is noted before the file goes, so that a crash right after
// does not make a loss of it that nobody can explain; footage that no destination
// has leaves a gap. An upload that is open stays in the store, where
// housekeeping completes it if it can be played. A file that cannot be removed is not
// given up. What it returns is what was lost with the file: less than l says if the
// segment has arrived somewhere meanwhile.
func (s *Spool) GiveUp(ctx context.Context, l Local, reason string) (lost Worth, err error) {
	s.removing.Lock()
	defer s.removing.Unlock()
	name, err := s.file(l.Path)
	if err != nil {
		return 0, err
	}
	s.readBeforeLoss(ctx, l.Segment)
	err = s.ledger.one(ctx, "give up", l.ID, `UPDATE segments SET given_up = ? WHERE id = ? AND state = 'finished'`, reason, l.ID)
	if err != nil {
		return 0, err
	}
	crashpoint.Here("loss noted")
	if err := s.remove(name); err != nil {
		return 0, errors.Join(fmt.Errorf("give up segment %s: %w", l.ID, err), s.takeBack(context.WithoutCancel(ctx), l.ID, name))
	}
	crashpoint.Here("file given up")
	l.GivenUp = reason
	return s.gone(context.WithoutCancel(ctx), l.Segment)
}

// takeBack clears why a file was to be given up that is still there: whoever removes
// it later is not us.
func (s *Spool) takeBack(ctx context.Context, id, name string) error {
	if _, err := os.Lstat(name); err != nil {
		return nil // it is gone, or nobody knows
	}
	return s.ledger.one(ctx, "keep", id, `UPDATE segments SET given_up = '' WHERE id = ? AND state = 'finished'`, id)
}

// settleGivenUp settles a segment that is being given up and whose file somebody has
// found gone. GiveUp is waited for; what that could not note is noted here.
func (s *Spool) settleGivenUp(ctx context.Context, id string) error {
	s.removing.Lock()
	defer s.removing.Unlock()
	seg, err := s.Segment(ctx, id)
	if err != nil || seg.State != Finished || seg.GivenUp == "" {
		return err
	}
	return s.goneBefore(ctx, seg)
}

// gone notes that the file of a segment that was given up is gone, and says what was
// lost with it. What destinations have is looked at as the row is written: what arrives
// later takes the loss back, see savedAfterAll.
func (s *Spool) gone(ctx context.Context, seg Segment) (lost Worth, err error) {
	defer s.changed()
	err = s.ledger.tx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT `+worth+` FROM segments WHERE id = ?3`, true, s.names(false), seg.ID).Scan(&lost)
		if err != nil {
			return fmt.Errorf("ledger: gave up %s: %w", seg.ID, err)
		}
		if lost < Copied || len(s.opts.Destinations) == 0 { // what was lost is not the footage
			return nil
		}
		if lost == OnlyCopy {
			_, err := tx.ExecContext(ctx, `INSERT INTO gaps (camera_id, start_us, end_us, cause, detail, boot, booted_us)
				SELECT camera_id, start_us, end_us, ?2, given_up, iif(dated = 'later', boot, ''), iif(dated = 'later', booted_us, 0) FROM segments WHERE id = ?1`,
				seg.ID, GivenUp)
			if err != nil {
				return fmt.Errorf("ledger: gave up %s: %w", seg.ID, err)
			}
		}
		return changed("gave up", seg.ID)(tx.ExecContext(ctx, `UPDATE segments SET state = 'missing' WHERE id = ? AND state = 'finished'`, seg.ID))
	})
	if err == nil && (lost < Copied || len(s.opts.Destinations) == 0) {
		err = s.deleted(ctx, seg.ID) // all that could happen in between is that more has arrived
	}
	return lost, err
}

// goneBefore settles a segment whose file was given up, and of which nobody has told: a
// crash came, or the ledger did not take it.
func (s *Spool) goneBefore(ctx context.Context, seg Segment) error {
	left, err := s.gone(ctx, seg)
	if err != nil {
		return err
	}
	log := s.opts.Log.With().Str("segment", seg.ID).Str("camera", seg.CameraID).Time("start", seg.Start).Int64("bytes", seg.Size).Str("reason", seg.GivenUp).Logger()
	switch {
	case len(s.opts.Destinations) == 0 || left < Copied:
		log.Warn().Msg("a local file was deleted to make room; it is noted only now")
	case left == Copied:
		log.Error().Msg("a local file was deleted to make room, before every required destination had it; a mirror has it; it is noted only now")
	default:
		log.Error().Str("remedy", "a larger disk or a faster uplink; look why uploads are behind").
			Msg("FOOTAGE GIVEN UP: the disk was nearly full, and the segment was deleted before a destination had confirmed it; it is noted only now")
	}
	return nil
}

// savedAfterAll takes back the loss of a segment that was given up while it was being
// sent, and has arrived: the sender had its file open.
func (s *Spool) savedAfterAll(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM gaps WHERE cause = ?2
		AND (camera_id, start_us) IN (SELECT camera_id, start_us FROM segments WHERE id = ?1 AND state = 'missing' AND given_up <> '')`, id, GivenUp)
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE segments SET state = 'deleted', central_state = CASE central_state WHEN 'failed' THEN 'recording' ELSE central_state END
			WHERE id = ?1 AND state = 'missing' AND given_up <> '' AND json_array_length(?2) = (SELECT count(*) FROM deliveries
				WHERE segment_id = ?1 AND state = 'verified' AND destination IN (SELECT value FROM json_each(?2)))`, id, s.names(false))
	}
	if err != nil {
		return fmt.Errorf("ledger: loss of %s taken back: %w", id, err)
	}
	return nil
}

// remove deletes a file so that a power cut does not bring it back. One that is
// gone already is no error, unless all are.
func (s *Spool) remove(name string) error {
	if err := s.Present(); err != nil {
		return err
	}
	if err := removeFile(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := syncDirs(filepath.Dir(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// lost: the footage of a segment was given up before any destination had it.
const lost = `given_up <> '' AND state = 'missing'
	AND NOT EXISTS (SELECT 1 FROM deliveries WHERE segment_id = segments.id AND deliveries.state = 'verified')`

// Losses is the footage that was given up, all in all.
type Losses struct {
	Segments int
	Bytes    int64
	Last     time.Time // the end of the newest of it
}

// Losses sums up the footage that was given up before any destination had it.
func (s *Spool) Losses(ctx context.Context) (Losses, error) {
	var l Losses
	var last int64
	err := s.ledger.db.QueryRowContext(ctx, `SELECT sum(n), sum(bytes), max(last) FROM (
		SELECT count(*) AS n, coalesce(sum(size), 0) AS bytes, coalesce(max(end_us), 0) AS last FROM segments WHERE `+lost+`
		UNION ALL SELECT lost, lost_bytes, lost_us FROM pruned)`).
		Scan(&l.Segments, &l.Bytes, &last)
	if err != nil {
		return Losses{}, fmt.Errorf("ledger: footage that was given up: %w", err)
	}
	l.Last = fromMicros(last)
	return l, nil
}

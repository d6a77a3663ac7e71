package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Cause is why there is no footage of a stretch of time.
type Cause string

// The causes of gaps.
const (
	Connecting   Cause = "connecting"         // not known yet: the next cause takes its place
	Unreachable  Cause = "camera unreachable" // it does not answer, or the connection broke
	Refused      Cause = "camera refused"     // it answers, and gives no stream
	Stalled      Cause = "camera stalled"     // connected, and no pictures
	BadFootage   Cause = "damaged"            // pictures that cannot be decoded, up to the next random access point
	DiskSlow     Cause = "disk too slow"
	DiskFull     Cause = "disk full"
	DiskFailed   Cause = "disk failed"    // it does not take what is written
	GivenUp      Cause = "deleted unsent" // there was footage, and the disk had no room to keep it until it was uploaded
	AgentStopped Cause = "agent stopped"
	Reconfigured Cause = "settings changed" // of the camera: it was connected to anew
	HostAsleep   Cause = "host asleep"
	ClockStep    Cause = "host clock was set"
	AgentFault   Cause = "agent fault" // its code panicked over what the camera sent, and the camera was begun anew
)

// GapOpened notes that a camera is without footage since start; detail says more
// for people. While one gap of a camera is open another cannot be: the first cause
// stands, but for Connecting.
func (s *Spool) GapOpened(ctx context.Context, cameraID string, start time.Time, cause Cause, detail string) error {
	by := s.gapStamp(start)
	_, err := s.ledger.db.ExecContext(ctx, `INSERT INTO gaps (camera_id, start_us, cause, detail, boot, booted_us) VALUES (?,?,?,?,?,?)
		ON CONFLICT DO UPDATE SET cause = excluded.cause, detail = excluded.detail WHERE gaps.cause = ?`,
		cameraID, micros(start), cause, detail, by.boot, by.booted, Connecting)
	if err != nil {
		return fmt.Errorf("ledger: gap of camera %s opened: %w", cameraID, err)
	}
	return nil
}

// GapClosed notes that a camera has footage again from end on. A gap that turns
// out to have no length is taken back.
func (s *Spool) GapClosed(ctx context.Context, cameraID string, end time.Time) error {
	err := s.ledger.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM gaps WHERE camera_id = ? AND end_us = 0 AND start_us >= ?`, cameraID, micros(end)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE gaps SET end_us = ? WHERE camera_id = ? AND end_us = 0`, micros(end), cameraID)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: gap of camera %s closed: %w", cameraID, err)
	}
	return nil
}

// GapBetween notes a gap whose both ends are known: footage goes on around it.
func (s *Spool) GapBetween(ctx context.Context, cameraID string, start, end time.Time, cause Cause, detail string) error {
	by := s.gapStamp(start)
	if cause == ClockStep && (by.boot != "" || s.firstSetting(end)) {
		return nil // what lies between a clock that was not set and its first setting is not missing
	}
	if err := gapBetween(ctx, s.ledger.db, cameraID, start, end, cause, detail, by); err != nil {
		return fmt.Errorf("ledger: gap of camera %s: %w", cameraID, err)
	}
	return nil
}

func gapBetween(ctx context.Context, db execer, cameraID string, start, end time.Time, cause Cause, detail string, by stamp) error {
	_, err := db.ExecContext(ctx, `INSERT INTO gaps (camera_id, start_us, end_us, cause, detail, boot, booted_us, segments_before)
		VALUES (?1,?2,?3,?4,?5,?6,?7, iif(?4 = ?8, (SELECT coalesce(max(rowid), 0) FROM segments), 0))`,
		cameraID, micros(start), micros(end), cause, detail, by.boot, by.booted, ClockStep)
	return err
}

// Gaps lists the gaps of a camera, oldest first.
func (s *Spool) Gaps(ctx context.Context, cameraID string) ([]Gap, error) {
	return s.gaps(ctx, cameraID, `WHERE camera_id = ? ORDER BY start_us, id`, cameraID)
}

func (s *Spool) gaps(ctx context.Context, cameraID, where string, args ...any) ([]Gap, error) {
	gaps, err := s.ledger.gaps(ctx, where, args...)
	if err != nil {
		return nil, fmt.Errorf("ledger: gaps of camera %s: %w", cameraID, err)
	}
	return gaps, nil
}

func (l *ledger) gaps(ctx context.Context, where string, args ...any) ([]Gap, error) {
	rows, err := l.db.QueryContext(ctx, `SELECT id, camera_id, start_us, end_us, cause, detail FROM gaps `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Gap
	for rows.Next() {
		var g Gap
		var start, end int64
		if err := rows.Scan(&g.ID, &g.CameraID, &start, &end, &g.Cause, &g.Detail); err != nil {
			return nil, err
		}
		g.Start, g.End = fromMicros(start), fromMicros(end)
		out = append(out, g)
	}
	return out, rows.Err()
}

// ours are the segments that this agent has recorded: not the files of other
// recorders, see ForeignID.
const ours = `substr(segments.id, 15, 1) <> '5'`

// lastStep is the row of the last time that the host's clock was set while camera ?1 ran;
// ?3 is its cause. segments_before tells what was recorded before it: by their times one
// could not know.
const lastStep = `SELECT id, segments_before FROM gaps WHERE camera_id = ?1 AND cause = ?3 ORDER BY id DESC LIMIT 1`

// AccountedUntil is the end of the last footage or gap of a camera: from there on
// nothing is known of it. It is zero for a camera that was never seen, and the
// start of a gap that is still open. Files of other recorders do not count, for
// the time between them and ours is not known, nor what was recorded before the host's
// clock was set, nor what lies in the future: a clock that was set back shows these
// times a second time.
func (s *Spool) AccountedUntil(ctx context.Context, cameraID string) (time.Time, error) {
	now := s.opts.Now()
	return s.accounted(ctx, cameraID, now, now.Add(maxLast))
}

// AccountedBefore is what AccountedUntil was at a moment: footage that began later does
// not count.
func (s *Spool) AccountedBefore(ctx context.Context, cameraID string, moment time.Time) (time.Time, error) {
	return s.accounted(ctx, cameraID, moment, moment)
}

// accounted leaves out footage that began after began.
func (s *Spool) accounted(ctx context.Context, cameraID string, now, began time.Time) (time.Time, error) {
	var us sql.NullInt64
	err := s.ledger.db.QueryRowContext(ctx, `WITH step AS (`+lastStep+`)
		SELECT max(at) FROM (
			SELECT max(end_us) AS at FROM segments WHERE camera_id = ?1 AND end_us <= ?2 AND start_us <= ?4 AND rowid > coalesce((SELECT segments_before FROM step), 0) AND `+ours+`
			UNION ALL SELECT max(max(start_us, end_us)) FROM gaps WHERE camera_id = ?1 AND max(start_us, end_us) <= ?2 AND id >= coalesce((SELECT id FROM step), 0))`,
		cameraID, micros(now.Add(maxLast)), ClockStep, micros(began)).Scan(&us)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("ledger: camera %s: %w", cameraID, err)
	}
	return fromMicros(us.Int64), nil
}

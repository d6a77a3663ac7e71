package spool

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"recording-agent/capture/mp4"
)

// Stretch is a stretch of time.
type Stretch struct{ Start, End time.Time }

// Wanted lists when, between two moments, a camera was to be recorded.
type Wanted func(cameraID string, from, to time.Time) []Stretch

// undated is a row whose times are of a clock that was not set. All times are in µs.
type undated struct {
	row        int64
	id, camera string // the id of a segment
	path       string
	state      State
	start, end int64 // end is 0 while it is recorded, or a gap lasts
	boot       string
	booted     int64 // when the host was, by that clock
}

// date gives what was recorded before the clock was set its times: gaps first, then
// segments in the order in which they were recorded. One that is still being recorded
// is dated once it is finished.
func (s *Spool) date(ctx context.Context, r ClockReport) error {
	gaps, err := s.undatedRows(ctx, `SELECT id, '', camera_id, '', '', start_us, end_us, boot, booted_us FROM gaps WHERE boot <> '' ORDER BY start_us`)
	if err != nil {
		return err
	}
	segs, err := s.undatedRows(ctx, `SELECT rowid, id, camera_id, path, state, start_us, end_us, boot, booted_us FROM segments WHERE dated = 'later' ORDER BY rowid`)
	if err != nil || len(gaps)+len(segs) == 0 {
		return err
	}
	boots, err := s.boots(ctx, r, slices.Concat(segs, gaps))
	if err != nil {
		return err
	}
	if err := s.dateGaps(ctx, r, gaps, boots, segs); err != nil {
		return err
	}
	segs = slices.DeleteFunc(segs, func(u undated) bool { return u.state == Recording })
	var errs []error
	for _, u := range segs {
		if err := s.dateSegment(ctx, u, boots[u.boot]-u.booted); err != nil {
			errs = append(errs, fmt.Errorf("date segment %s: %w", u.id, err))
		}
	}
	if len(segs) > len(errs) {
		s.opts.Log.Info().Int("segments", len(segs)-len(errs)).Msg("the host's clock is set: what was recorded before has its times now")
		s.changed()
	}
	return errors.Join(errs...)
}

func (s *Spool) undatedRows(ctx context.Context, query string) ([]undated, error) {
	rows, err := s.ledger.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("ledger: list what is undated: %w", err)
	}
	defer rows.Close()
	var out []undated
	for rows.Next() {
		var u undated
		if err := rows.Scan(&u.row, &u.id, &u.camera, &u.path, &u.state, &u.start, &u.end, &u.boot, &u.booted); err != nil {
			return nil, fmt.Errorf("ledger: list what is undated: %w", err)
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

// boots says when the host was booted, in µs. Of this boot it is known. What was
// recorded under an earlier one is put as late as possible: each boot ends where the
// next begins, but none begins before the last time that is known.
func (s *Spool) boots(ctx context.Context, r ClockReport, rows []undated) (map[string]int64, error) {
	this := r.Now.Add(-r.uptime).UnixMicro()
	boots := map[string]int64{s.opts.Clock.Boot: this}
	first, last, order := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, u := range rows {
		if u.boot == s.opts.Clock.Boot {
			continue
		}
		start, end := u.start-u.booted, max(u.start, u.end)-u.booted
		if _, known := last[u.boot]; !known {
			first[u.boot], last[u.boot] = start, end
		}
		first[u.boot], last[u.boot] = min(first[u.boot], start), max(last[u.boot], end)
		if u.id != "" {
			order[u.boot] = max(order[u.boot], u.row)
		}
	}
	if len(last) == 0 {
		return boots, nil
	}
	var known int64
	err := s.ledger.db.QueryRowContext(ctx, `SELECT coalesce(max(end_us), 0) FROM segments WHERE dated = 'yes' AND end_us <= ? AND substr(id, 15, 1) <> '5'`, this).Scan(&known)
	if err != nil {
		return nil, fmt.Errorf("ledger: look for the last time that is known: %w", err)
	}
	next := this
	for _, boot := range slices.SortedFunc(maps.Keys(last), func(a, b string) int { return cmp.Compare(order[b], order[a]) }) {
		boots[boot] = max(next-last[boot], known-first[boot])
		next = boots[boot] + first[boot]
	}
	return boots, nil
}

// dateGaps moves gaps. The end of one that was closed after the clock had been set
// is right as it is: by the old setting it would not have come yet.
func (s *Spool) dateGaps(ctx context.Context, r ClockReport, gaps []undated, boots map[string]int64, segs []undated) error {
	return s.ledger.tx(ctx, func(tx *sql.Tx) error {
		for _, u := range gaps {
			shift := boots[u.boot] - u.booted
			end := u.end
			if right := u.boot == s.opts.Clock.Boot && u.end-u.booted > (r.uptime+slack).Microseconds(); u.end != 0 && !right {
				end += shift
			}
			_, err := tx.ExecContext(ctx, `UPDATE gaps SET start_us = ?1, end_us = iif(?2 = 0, 0, max(?1, ?2)), boot = '', booted_us = 0 WHERE id = ?3`, u.start+shift, end, u.row)
			if err != nil {
				return fmt.Errorf("ledger: date gap of camera %s: %w", u.camera, err)
			}
			if !u.isFirst(slices.Concat(gaps, segs)) {
				continue
			}
			if err := s.accountBefore(ctx, tx, Segment{CameraID: u.camera, Start: fromMicros(u.start + shift)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// isFirst says whether nothing else is known of its camera from before in its boot.
func (u undated) isFirst(rows []undated) bool {
	return !slices.ContainsFunc(rows, func(o undated) bool { return o.camera == u.camera && o.boot == u.boot && o.start < u.start })
}

// dateSegment moves one segment. The file comes before the row: what a crash in
// between leaves is found by its id, and dated again.
func (s *Spool) dateSegment(ctx context.Context, u undated, shift int64) error {
	segs, err := s.segments(ctx, `WHERE id = ?`, u.id)
	if err != nil || len(segs) != 1 {
		return errors.Join(err, ErrUnknown)
	}
	seg := segs[0]
	seg.Start = fromMicros(u.start + shift)
	seg.Dated = Dated
	if u.boot != s.opts.Clock.Boot {
		seg.Dated = Undated
	}
	if seg.State == Finished {
		if err := s.restampFile(&seg); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return s.ledger.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE segments SET dated = ?2, start_us = ?3, end_us = iif(end_us = 0, 0, end_us + ?4),
			path = ?5, size = ?6, checksum = ?7, booted_us = 0, boot = '' WHERE id = ?1`,
			seg.ID, seg.Dated, micros(seg.Start), shift, seg.Path, seg.Size, seg.Checksum)
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if err := keepApart(ctx, tx, seg); err != nil {
			return err
		}
		if err := s.rekeyDated(ctx, tx, seg); err != nil {
			return err
		}
		return s.accountBefore(ctx, tx, seg)
	})
}

// keepApart shortens what reaches into the segment that follows it: a segment that
// has got its time, and the one before that.
func keepApart(ctx context.Context, tx *sql.Tx, seg Segment) error {
	const other = `SELECT start_us FROM segments WHERE camera_id = ?1 AND dated <> 'later' AND substr(id, 15, 1) <> '5' AND start_us > own.start_us`
	_, err := tx.ExecContext(ctx, `UPDATE segments AS own SET end_us = min(end_us, coalesce((SELECT min(start_us) FROM (
			`+other+` AND end_us > own.start_us UNION ALL `+other+` AND end_us = 0)), end_us))
		WHERE camera_id = ?1 AND end_us > ?2 AND start_us <= ?2 AND dated <> 'later' AND substr(id, 15, 1) <> '5'`, seg.CameraID, micros(seg.Start))
	if err != nil {
		return fmt.Errorf("ledger: keep segments of camera %s apart: %w", seg.CameraID, err)
	}
	return nil
}

// restampFile lets a segment's file tell its start, in its metadata and in its name.
func (s *Spool) restampFile(seg *Segment) error {
	name, err := s.find(seg)
	if err != nil {
		return err
	}
	size, checksum, err := restampIn(name, seg.Start)
	if err != nil {
		return err
	}
	seg.Size, seg.Checksum = size, checksum
	rel, err := PathFor(seg.CameraID, seg.ID, seg.Start)
	if err != nil {
		return err
	}
	to, err := s.file(rel)
	if err != nil {
		return err
	}
	if err := s.rename(name, to); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	seg.Path = rel
	return syncDirs(filepath.Dir(to))
}

// find says where the file of a segment is, also when its row does not know yet.
func (s *Spool) find(seg *Segment) (name string, err error) {
	if name, err = s.file(seg.Path); err != nil {
		return "", err
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if at := s.elsewhere(*seg); at != "" {
			seg.Path = at
			return s.file(at)
		}
	}
	return name, nil
}

// restampIn returns what the file is afterwards. One whose metadata cannot be changed
// in place keeps it.
func restampIn(name string, start time.Time) (size int64, checksum string, err error) {
	f, err := openFile(name, os.O_RDWR)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, "", err
	}
	err = mp4.Restamp(f, st.Size(), start)
	if err != nil && !errors.Is(err, mp4.ErrOtherForm) && !errors.Is(err, mp4.ErrEmpty) && !errors.Is(err, mp4.ErrNotSegment) {
		return 0, "", err
	}
	checksum, err = mp4.Checksum(f, st.Size())
	return st.Size(), checksum, err
}

// rekeyDated renders the keys of a segment anew. Nothing of it can have been sent.
func (s *Spool) rekeyDated(ctx context.Context, tx *sql.Tx, seg Segment) error {
	for _, d := range s.opts.Destinations {
		key := d.Key(seg)
		_, err := tx.ExecContext(ctx, `UPDATE deliveries SET key =
				iif(EXISTS (SELECT 1 FROM deliveries other WHERE other.destination = ?2 AND other.key = ?3 AND other.segment_id <> ?1), ?4, ?3)
			WHERE segment_id = ?1 AND destination = ?2 AND state = 'pending' AND upload_id = ''`, seg.ID, d.Name, key, OwnKey(key, seg.ID))
		if err != nil {
			return fmt.Errorf("ledger: its key at %s: %w", d.Name, err)
		}
	}
	return nil
}

// unaccounted is a hole between rows that is worth a gap.
const unaccounted = 200 * time.Millisecond

// accountBefore notes what is missing between the last that is known of a camera and
// a segment that has got its time. When it was begun nobody could tell.
func (s *Spool) accountBefore(ctx context.Context, tx *sql.Tx, seg Segment) error {
	var us sql.NullInt64
	err := tx.QueryRowContext(ctx, `SELECT max(at) FROM (
		SELECT * FROM (SELECT end_us AS at FROM segments WHERE camera_id = ?1 AND dated <> 'later' AND start_us < ?2 AND id <> ?3
			AND substr(id, 15, 1) <> '5' ORDER BY end_us DESC LIMIT 1)
		UNION ALL SELECT max(iif(end_us = 0, ?2, end_us)) FROM gaps WHERE camera_id = ?1 AND start_us < ?2)`,
		seg.CameraID, micros(seg.Start), seg.ID).Scan(&us)
	if err != nil {
		return fmt.Errorf("ledger: what is known of camera %s: %w", seg.CameraID, err)
	}
	from := fromMicros(us.Int64)
	if !us.Valid || seg.Start.Sub(from) < unaccounted {
		return nil
	}
	missing := []Stretch{{from, seg.Start}}
	if s.opts.Wanted != nil {
		missing = s.opts.Wanted(seg.CameraID, from, seg.Start)
	}
	for _, m := range missing {
		_, err := tx.ExecContext(ctx, `INSERT INTO gaps (camera_id, start_us, end_us, cause, detail) VALUES (?,?,?,?,?)`,
			seg.CameraID, micros(m.Start), micros(m.End), AgentStopped, startedUnset)
		if err != nil {
			return fmt.Errorf("ledger: gap of camera %s: %w", seg.CameraID, err)
		}
	}
	return nil
}

// accountAbsence notes the windows that were over before the clock was set, of cameras
// of which nothing else is known since: nobody could tell that they were missed.
func (s *Spool) accountAbsence(ctx context.Context, now time.Time) error {
	if s.opts.Wanted == nil {
		return nil
	}
	cameras, err := idsOf(s.ledger.db.QueryContext(ctx, `SELECT camera_id FROM segments UNION SELECT camera_id FROM gaps
		EXCEPT SELECT camera_id FROM gaps WHERE end_us = 0`))
	if err != nil {
		return fmt.Errorf("ledger: list cameras: %w", err)
	}
	for _, camera := range cameras {
		from, err := s.AccountedUntil(ctx, camera)
		if err != nil {
			return err
		}
		for _, missed := range s.opts.Wanted(camera, from, now) {
			if !missed.End.Before(now) {
				continue // the camera's own
			}
			if err := s.GapBetween(ctx, camera, missed.Start, missed.End, AgentStopped, startedUnset); err != nil {
				return err
			}
		}
	}
	return nil
}

// startedUnset is what gaps say for people that nobody could note in time.
const startedUnset = "the host's clock was not set when it was started again"

// elsewhere looks for the file of a segment under another start: a crash came
// between its name and its row. It returns nothing when there is none.
func (s *Spool) elsewhere(seg Segment) string {
	dir, _ := path.Split(seg.Path)
	name, err := s.file(dir)
	if err != nil {
		return ""
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		rel := path.Join(dir, e.Name())
		if _, id, _, ok := parsePath(rel); ok && id == seg.ID && e.Type().IsRegular() && strings.HasSuffix(rel, ".mp4") {
			return rel
		}
	}
	return ""
}

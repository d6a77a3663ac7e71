package spool

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// keeping is what Prune leaves, at least and at most.
type keeping struct {
	days     int64 // that the agent has run: rows of segments are kept for as long,
	rows     int64 // if there are not more
	longDays int64 // the same of gaps, and of segments that central has refused
	gaps     int64
	youngest int64 // however many there are, what is younger, in days, stays
	ids      int64 // of segments whose rows are gone, that are remembered
	together int64 // rows that are looked at in one go: nothing else comes to the ledger meanwhile
}

// A row of a segment with its deliveries takes 700 bytes, one of a gap 200, an id 13.
// What people look at is of days; who has to show what is missing asks for a year, and
// what central has refused can be made due again for as long.
var keepRows = keeping{days: 45, rows: 150_000, longDays: 400, gaps: 20_000, youngest: 3, ids: 1_000_000, together: 64}

// finishedWith: nothing is left to be done for a segment. Its file is gone, and so no
// delivery can be made any more; and central, if there is one (?1), knows all that it is
// ever told. One to which something was begun does also if none is configured now.
const finishedWith = `dated <> 'later' AND state IN ('deleted','missing','empty')
	AND (central_state IN ('completed','failed','refused')
		OR central_state = 'none' AND central_attempts = 0 AND (NOT ?1 OR state = 'deleted' AND given_up = ''))`

// outlived: there is a row of the same camera that was made later and does not end
// before. So the last of each camera stays, by whichever clock: what it is accounted for
// up to, its name, and the highest row, whose number would be given a second time. A
// file of another recorder does not take the place of footage of ours.
const outlived = `EXISTS (SELECT 1 FROM segments AS later WHERE later.camera_id = segments.camera_id AND later.end_us >= segments.end_us
	AND +later.rowid > segments.rowid AND (substr(later.id, 15, 1) <> '5' OR substr(segments.id, 15, 1) = '5'))`

// Pruned is how many rows are gone.
type Pruned struct{ Segments, Gaps int }

// Prune deletes old rows of segments for which nothing is left to be done, and of gaps
// that are over. central says that there is a central server. What others need of them
// stays: sums, the last of each camera, and the ids, so that a segment does not begin
// anew when its file turns up. It takes a few rows at a time; then rest is called, with
// how long these took, and ends it if it returns false. Like Ran it is for one goroutine.
//
// The file does not become smaller: what is free in it is used again. VACUUM is none for
// this database, since it may number rows anew, and their numbers tell in which order
// footage was recorded.
func (s *Spool) Prune(ctx context.Context, central bool, rest func(worked time.Duration) bool) (p Pruned, err error) {
	old, err := s.old(ctx)
	if err != nil {
		return p, err
	}
	more, err := s.pruneTable(ctx, "segments", old.segments, rest, func(from, to int64) (n int, err error) {
		n, err = s.pruneSegments(ctx, from, to, old.refused, central)
		p.Segments += n
		return n, err
	})
	if err == nil && more {
		more, err = s.pruneTable(ctx, "gaps", old.gaps, rest, func(from, to int64) (n int, err error) {
			n, err = s.pruneGaps(ctx, from, to)
			p.Gaps += n
			return n, err
		})
	}
	if err == nil && more {
		err = s.forgetIDs(ctx, rest)
	}
	return p, err
}

// pruneTable goes through a table up to its last old row, a few rows at a time. more says
// that it was not told to stop.
func (s *Spool) pruneTable(ctx context.Context, table string, last int64, rest func(worked time.Duration) bool, prune func(from, to int64) (int, error)) (more bool, err error) {
	for from := int64(0); ; {
		began := time.Now()
		from, err = s.ledger.next(ctx, table, from)
		if err != nil || from == 0 || from > last {
			return true, err
		}
		to := min(last, from+s.keep.together-1)
		if _, err := prune(from, to); err != nil {
			return false, err
		}
		if !rest(time.Since(began)) {
			return false, nil
		}
		from = to + 1
	}
}

// next is the first row of a table from a number on; 0: there is none.
func (l *ledger) next(ctx context.Context, table string, from int64) (row int64, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT coalesce(min(rowid), 0) FROM `+table+` WHERE rowid >= ?`, from).Scan(&row)
	if err != nil {
		return 0, fmt.Errorf("ledger: look for old rows: %w", err)
	}
	return row, nil
}

// pruneSegments goes through the rows between two numbers. Those that central has refused
// go up to another.
func (s *Spool) pruneSegments(ctx context.Context, from, to, refused int64, central bool) (int, error) {
	rows, err := s.fileless(ctx, from, to, refused, central)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	list, _ := json.Marshal(rows) // of numbers: it cannot fail
	var n int
	err = s.ledger.tx(ctx, func(tx *sql.Tx) error {
		// One may have been taken up again since it was looked at.
		gone, err := goners(ctx, tx, central, string(list))
		if err != nil {
			return err
		}
		n = len(gone)
		return gone.prune(ctx, tx)
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: prune segments: %w", err)
	}
	return n, nil
}

// fileless lists the rows that may go, and that have no file: one that is there
// again is not for us to forget.
func (s *Spool) fileless(ctx context.Context, from, to, refused int64, central bool) (rows []int64, err error) {
	old, err := s.ledger.oldFiles(ctx, from, to, refused, central)
	if err != nil {
		return nil, fmt.Errorf("ledger: list old segments: %w", err)
	}
	for _, f := range old { // not while the ledger is read: the disk may be slow
		name, err := s.file(f.path)
		if err != nil {
			continue
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			rows = append(rows, f.row)
		}
	}
	return rows, s.Present() // else none of them is there
}

type oldFile struct {
	row  int64
	path string
}

func (l *ledger) oldFiles(ctx context.Context, from, to, refused int64, central bool) (out []oldFile, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT rowid, path FROM segments WHERE rowid BETWEEN ?2 AND ?3 AND (central_state <> 'refused' OR rowid <= ?4)
		AND `+finishedWith+` AND `+outlived, central, from, to, refused)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f oldFile
		if err := rows.Scan(&f.row, &f.path); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

// goner is the row of a segment that goes, as far as something of it stays.
type goner struct {
	row            int64
	id             string
	state          State
	end, size      int64
	lost, verified bool
	sent           int64 // when it was last verified
}

type goneRows []goner

func goners(ctx context.Context, tx *sql.Tx, central bool, list string) (out goneRows, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT rowid, id, state, end_us, size, `+lost+`,
			EXISTS (SELECT 1 FROM deliveries WHERE segment_id = segments.id AND deliveries.state = 'verified'),
			coalesce((SELECT max(verified_us) FROM deliveries WHERE segment_id = segments.id), 0)
		FROM segments WHERE rowid IN (SELECT value FROM json_each(?2)) AND `+finishedWith, central, list)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var g goner
		if err := rows.Scan(&g.row, &g.id, &g.state, &g.end, &g.size, &g.lost, &g.verified, &g.sent); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// prune deletes rows and keeps their sums.
func (gone goneRows) prune(ctx context.Context, tx *sql.Tx) error {
	ids, rows := []string{}, []int64{}
	for _, g := range gone {
		ids, rows = append(ids, g.id), append(rows, g.row)
		if err := g.remember(ctx, tx); err != nil {
			return err
		}
	}
	idList, _ := json.Marshal(ids)   // of strings: it cannot fail
	rowList, _ := json.Marshal(rows) // of numbers: the same
	for _, deletion := range []struct{ query, list string }{
		{`DELETE FROM upload_parts WHERE segment_id IN (SELECT value FROM json_each(?))`, string(idList)},
		{`DELETE FROM deliveries WHERE segment_id IN (SELECT value FROM json_each(?))`, string(idList)},
		{`DELETE FROM segments WHERE rowid IN (SELECT value FROM json_each(?))`, string(rowList)},
	} {
		if _, err := tx.ExecContext(ctx, deletion.query, deletion.list); err != nil {
			return err
		}
	}
	return nil
}

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

	"recording-agent/capture/crashpoint"
)

// optionalGrace is what optional destinations get, counted from when the others
// have a segment, before its file may go without them.
const optionalGrace = 10 * time.Minute

// safe is the rule under which a local file may go: verified at every required
// destination, of which there is at least one, and central has acknowledged
// "completed", is not configured, or has refused it for good. Its parameters are
// ?1, whether there is a central server, and ?2 of names.
const safe = `state = 'finished'
	AND json_array_length(?2) > 0
	AND json_array_length(?2) = (SELECT count(*) FROM deliveries WHERE segment_id = segments.id
		AND deliveries.state = 'verified' AND destination IN (SELECT value FROM json_each(?2)))
	AND (central_state IN ('completed','refused') OR NOT ?1)`

// names are those of the required or of the optional destinations, as a JSON array.
func (s *Spool) names(optional bool) string {
	out := []string{}
	for _, d := range s.opts.Destinations {
		if d.Optional == optional {
			out = append(out, d.Name)
		}
	}
	text, _ := json.Marshal(out) // of strings: it cannot fail
	return string(text)
}

// Safe lists segments whose local file may be deleted at now, oldest first:
// those that are safe elsewhere and were verified there at least keepFor ago, and
// that optional destinations have as well or have had time for.
func (s *Spool) Safe(ctx context.Context, centralConfigured bool, now time.Time, keepFor time.Duration, limit int) ([]Segment, error) {
	return s.segments(ctx, "WHERE "+safe+`
		AND (SELECT max(verified_us) FROM deliveries WHERE segment_id = segments.id
			AND destination IN (SELECT value FROM json_each(?2))) <= min(?3, iif(EXISTS
				(SELECT 1 FROM deliveries WHERE segment_id = segments.id AND deliveries.state IN ('pending','stored')
					AND destination IN (SELECT value FROM json_each(?4))), ?5, ?3))
		ORDER BY start_us LIMIT ?6`,
		centralConfigured, s.names(false), micros(now.Add(-keepFor)), s.names(true), micros(now.Add(-optionalGrace)), limit)
}

// Delete removes the file of a segment, then says so in its row. A crash in
// between leaves a safe row without a file, which Recover takes for deleted.
// Whether central knows is for the caller to know; a segment that is not
// verified at every required destination is refused. An upload that is open at an
// optional one is given up here: it stays in the store, as the upload of a lost
// host does.
func (s *Spool) Delete(ctx context.Context, id string) error {
	s.removing.Lock()
	defer s.removing.Unlock()
	segs, err := s.segments(ctx, "WHERE id = ?3 AND state = 'finished' AND 0 = "+worth, false, s.names(false), id)
	if err != nil {
		return err
	}
	if len(segs) != 1 {
		return fmt.Errorf("ledger: delete %s: not safe: %w", id, ErrTransition)
	}
	name, err := s.file(segs[0].Path)
	if err != nil {
		return err
	}
	if err := s.remove(name); err != nil {
		return fmt.Errorf("delete segment %s: %w", id, err)
	}
	crashpoint.Here("file deleted")
	defer s.changed()
	// The file is gone: an end of the agent must not keep its row from saying so.
	if err := s.deleted(context.WithoutCancel(ctx), id); err != nil {
		return err
	}
	s.holdReserve() // if it was given up
	return nil
}

// Here says whether the file of a segment is where its row says, as far as that can be
// seen: to delete one that is not makes no room.
func (s *Spool) Here(seg Segment) bool {
	name, err := s.file(seg.Path)
	if err != nil {
		return false
	}
	_, err = os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// deleted notes that a file is gone, and with it what was left to be uploaded.
func (s *Spool) deleted(ctx context.Context, id string) error {
	var missed int64
	err := s.ledger.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM upload_parts WHERE segment_id = ?`, id); err != nil {
			return fmt.Errorf("ledger: deleted %s: %w", id, err)
		}
		res, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = 'missed', upload_id = ''
			WHERE segment_id = ? AND state IN ('pending','stored')`, id)
		if err != nil {
			return fmt.Errorf("ledger: deleted %s: %w", id, err)
		}
		if missed, err = res.RowsAffected(); err != nil {
			return fmt.Errorf("ledger: deleted %s: %w", id, err)
		}
		return changed("deleted", id)(tx.ExecContext(ctx, `UPDATE segments SET state = 'deleted' WHERE id = ? AND state = 'finished'`, id))
	})
	if err == nil && missed > 0 {
		s.opts.Log.Warn().Str("segment", id).Msg("the local file is deleted, and a mirror that is not required never got it")
	}
	return err
}

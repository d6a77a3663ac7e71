package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// safe is the rule under which a local file may go: verified at every
// destination, of which there is at least one, and central has acknowledged
// "completed", is not configured, or has refused it for good.
const safe = `state = 'finished'
	AND EXISTS (SELECT 1 FROM deliveries WHERE segment_id = segments.id)
	AND NOT EXISTS (SELECT 1 FROM deliveries WHERE segment_id = segments.id AND deliveries.state <> 'verified')
	AND (central_state IN ('completed','refused') OR NOT ?1)`

// Safe lists segments whose local file may be deleted at now, oldest first:
// those that are safe elsewhere and were verified at least keepFor ago.
func (s *Spool) Safe(ctx context.Context, centralConfigured bool, now time.Time, keepFor time.Duration, limit int) ([]Segment, error) {
	return s.segments(ctx, "WHERE "+safe+`
		AND (SELECT max(verified_us) FROM deliveries WHERE segment_id = segments.id) <= ?2
		ORDER BY start_us LIMIT ?3`, centralConfigured, micros(now.Add(-keepFor)), limit)
}

// Delete removes the file of a segment, then says so in its row. A crash in
// between leaves a safe row without a file, which Recover takes for deleted.
// Whether the segment is safe is for the caller to know; one that is not
// verified everywhere is refused.
func (s *Spool) Delete(ctx context.Context, id string) error {
	segs, err := s.segments(ctx, "WHERE id = ?2 AND "+safe, false, id)
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
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete segment %s: %w", id, err)
	}
	if err := syncDirs(filepath.Dir(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete segment %s: %w", id, err)
	}
	defer s.changed()
	// The file is gone: an end of the agent must not keep its row from saying so.
	return s.ledger.one(context.WithoutCancel(ctx), "deleted", id, `UPDATE segments SET state = 'deleted' WHERE id = ? AND state = 'finished'`, id)
}

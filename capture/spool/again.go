package spool

import (
	"context"
	"database/sql"
	"fmt"
)

// Again is what has been made due.
type Again struct {
	Segments   int // that the others are of
	Deliveries int
	Reports    int // to central
}

// DueAgain makes what a segment still waits for due at once, as if it had never
// been tried: its deliveries, and, if there is a central server, what that has
// yet to hear or has refused for good. A segment that waits for nothing is left
// alone, and that is an error.
func (s *Spool) DueAgain(ctx context.Context, id string, central bool) (Again, error) {
	if _, err := s.Segment(ctx, id); err != nil {
		return Again{}, err
	}
	a, err := s.again(ctx, "segments.id = ?3", central, id)
	if err == nil && a.Segments == 0 {
		err = fmt.Errorf("ledger: due again %s: %w", id, ErrTransition)
	}
	return a, err
}

// FailuresDueAgain does so for all segments that wait because an attempt has
// failed or central has refused them.
func (s *Spool) FailuresDueAgain(ctx context.Context, central bool) (Again, error) {
	return s.again(ctx, failing, central)
}

// again makes due what the chosen segments wait for. Errors are kept until an
// attempt succeeds.
func (s *Spool) again(ctx context.Context, chosen string, central bool, args ...any) (Again, error) {
	args = append([]any{s.primary(), central}, args...)
	var a Again
	segments := map[string]bool{}
	err := s.ledger.tx(ctx, func(tx *sql.Tx) (err error) {
		chosen, err := idsOf(tx.QueryContext(ctx, `SELECT id FROM segments WHERE `+chosen, args...))
		if err != nil {
			return err
		}
		for _, id := range chosen {
			deliveries, err := idsOf(tx.QueryContext(ctx, deliverAgain, id))
			if err != nil {
				return err
			}
			reports, err := idsOf(tx.QueryContext(ctx, reportAgain, s.primary(), central, id))
			if err != nil {
				return err
			}
			a.Deliveries += len(deliveries)
			a.Reports += len(reports)
			if len(deliveries)+len(reports) > 0 {
				segments[id] = true
			}
		}
		return nil
	})
	if err != nil {
		return Again{}, fmt.Errorf("ledger: due again: %w", err)
	}
	a.Segments = len(segments)
	s.changed()
	return a, nil
}

const deliverAgain = `UPDATE deliveries SET attempts = 0, next_us = 0 WHERE segment_id = ?1 AND state IN ('pending','stored')
	AND EXISTS (SELECT 1 FROM segments WHERE id = ?1 AND segments.state IN ('recording','finished')) RETURNING destination`

// A refusal for good is taken back to where it was met: a segment that central has
// given an id is not registered again.
const reportAgain = `UPDATE segments SET central_next_us = 0, central_refused_us = 0, central_state =
		CASE WHEN central_state <> 'refused' THEN central_state WHEN central_recording_id = '' THEN 'none' ELSE 'registered' END
	WHERE id = ?3 AND ` + reportable + ` RETURNING id`

// idsOf reads one column.
func idsOf(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

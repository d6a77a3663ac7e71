package spool

import (
	"context"
	"fmt"
	"time"
)

// Unreported lists segments whose state at central is behind their state here
// and that are due at now: those being recorded first, then finished ones of the
// last hour newest first, then the rest oldest first.
func (s *Spool) Unreported(ctx context.Context, now time.Time, limit int) ([]Segment, error) {
	return s.segments(ctx, `WHERE `+ready+` AND `+unreported+` AND (central_next_us <= ?2 OR central_next_us > ?5)
		ORDER BY CASE WHEN state = 'recording' THEN 0 WHEN start_us > ?3 THEN 1 ELSE 2 END,
		         CASE WHEN start_us > ?3 THEN -start_us ELSE start_us END
		LIMIT ?4`, s.primary(), micros(now), micros(now.Add(-time.Hour)), limit, micros(now.Add(tooFar)))
}

// primary is the name of the destination that central is told of; empty when
// segments stay on this host.
func (s *Spool) primary() string {
	if len(s.opts.Destinations) == 0 {
		return ""
	}
	return s.opts.Destinations[0].Name
}

// A finished segment has something to say when it is not registered yet, or once
// it is verified at the primary destination, ?1; mirrors hold nothing up. Without
// a destination it is complete as it is, once it was read through. One that is deleted has something to say
// if central had refused it and is asked again, or if it was deleted before central
// knew; without a central server it had never been tried there.
const unreported = `central_state IN ('none','registered','recording') AND (
	   state = 'finished' AND (central_state = 'none' OR checksum <> '' AND NOT EXISTS (
		SELECT 1 FROM deliveries WHERE segment_id = segments.id AND deliveries.state IN ('pending','stored') AND destination = ?1))
	OR ` + unreportedElse + `)`

// unreportedElse is that of a segment that is not finished.
const unreportedElse = `state = 'recording' AND central_state <> 'recording'
	OR state IN ('missing','empty')
	OR state = 'deleted' AND (central_state <> 'none' OR central_attempts > 0 OR given_up <> '')`

// UnreportedCount is how many segments wait for central: those that Unreported would
// list in time. unsent is what UnsentByCamera has just said, so that the deliveries of
// all these segments need not be looked up a second time.
func (s *Spool) UnreportedCount(ctx context.Context, unsent []Unsent) (int, error) {
	var n int
	err := s.ledger.db.QueryRowContext(ctx, `SELECT count(*) FROM segments WHERE central_state IN ('none','registered','recording') AND (
		state = 'finished' OR `+unreportedElse+`)`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("ledger: count unreported segments: %w", err)
	}
	for _, u := range unsent {
		if u.Destination == s.primary() {
			n -= u.Announced
		}
	}
	return max(0, n), nil // one may have gone in between
}

// RegisterAttempted is committed before each register call: it is not
// idempotent, and its answer can be lost.
func (s *Spool) RegisterAttempted(ctx context.Context, id string) error {
	return s.ledger.one(ctx, "register attempted", id,
		`UPDATE segments SET central_attempts = central_attempts + 1 WHERE id = ? AND central_state = 'none'`, id)
}

// Registered notes the recording id that central gave.
func (s *Spool) Registered(ctx context.Context, id, recordingID string) error {
	return s.ledger.one(ctx, "registered", id, `UPDATE segments
		SET central_state = 'registered', central_recording_id = ?, central_error = '', central_refused_us = 0
		WHERE id = ? AND central_state = 'none'`, recordingID, id)
}

// CentralAcknowledged notes that central has taken a status. Completed is final, and
// failed unless the segment arrives after all. Of one that has arrived while its loss was
// told it returns ErrTransition: that is still to be reported as completed.
func (s *Spool) CentralAcknowledged(ctx context.Context, id string, state CentralState) error {
	defer s.changed()
	return s.ledger.one(ctx, "central acknowledged "+string(state), id, `UPDATE segments
		SET central_state = ?1, central_error = '', central_next_us = 0
		WHERE id = ?2 AND central_state IN ('none','registered','recording') AND (?1 <> 'failed' OR state IN ('missing','empty')
			AND NOT EXISTS (SELECT 1 FROM deliveries WHERE segment_id = ?2 AND destination = ?3 AND deliveries.state = 'verified'))`, state, id, s.primary())
}

// CentralRefused notes a 403 or 404. It is asked again at next, unless the answer
// is taken for good.
func (s *Spool) CentralRefused(ctx context.Context, id, reason string, at time.Time, forGood bool, next time.Time) error {
	defer s.changed()
	return s.ledger.one(ctx, "central refused", id, `UPDATE segments
		SET central_state = CASE WHEN ? THEN 'refused' ELSE central_state END, central_error = ?,
		    central_refused_us = CASE central_refused_us WHEN 0 THEN ? ELSE central_refused_us END, central_next_us = ?
		WHERE id = ? AND central_state IN ('none','registered','recording')`, forGood, reason, micros(at), micros(next), id)
}

// CentralDeferred notes another failure and when to try again.
func (s *Spool) CentralDeferred(ctx context.Context, id, reason string, next time.Time) error {
	return s.ledger.one(ctx, "central deferred", id, `UPDATE segments SET central_error = ?, central_next_us = ?
		WHERE id = ? AND central_state IN ('none','registered','recording')`, reason, micros(next), id)
}

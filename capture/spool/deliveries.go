package spool

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Deliveries lists the ways of one segment, the primary destination first.
func (s *Spool) Deliveries(ctx context.Context, segmentID string) ([]Delivery, error) {
	deliveries, err := s.ledger.deliveries(ctx, s.primary(), segmentID)
	return deliveries[segmentID], err
}

// deliveries lists the ways of some segments, by their ids.
func (l *ledger) deliveries(ctx context.Context, primary string, segmentIDs ...string) (map[string][]Delivery, error) {
	ids, _ := json.Marshal(segmentIDs) // of strings: it cannot fail
	rows, err := l.db.QueryContext(ctx, "SELECT "+deliveryColumns+` FROM deliveries
		WHERE segment_id IN (SELECT value FROM json_each(?)) ORDER BY segment_id, destination <> ?, destination`, string(ids), primary)
	if err != nil {
		return nil, fmt.Errorf("ledger: deliveries: %w", err)
	}
	defer rows.Close()
	out := map[string][]Delivery{}
	for rows.Next() {
		var row deliveryRow
		if err := rows.Scan(row.into()...); err != nil {
			return nil, fmt.Errorf("ledger: deliveries: %w", err)
		}
		out[row.d.SegmentID] = append(out[row.d.SegmentID], row.delivery())
	}
	return out, rows.Err()
}

const deliveryColumns = `deliveries.segment_id, destination, bucket, key, deliveries.state, verified_by, verified_us,
	attempts, error, next_us, upload_id, part_size, algorithm`

type deliveryRow struct {
	d          Delivery
	verifiedUs int64
	nextUs     int64
	upload     Upload
}

func (r *deliveryRow) into() []any {
	return []any{&r.d.SegmentID, &r.d.Destination, &r.d.Bucket, &r.d.Key, &r.d.State, &r.d.VerifiedBy, &r.verifiedUs,
		&r.d.Attempts, &r.d.LastError, &r.nextUs, &r.upload.ID, &r.upload.PartSize, &r.upload.Algorithm}
}

func (r *deliveryRow) delivery() Delivery {
	d := r.d
	d.VerifiedAt, d.NextTry = fromMicros(r.verifiedUs), fromMicros(r.nextUs)
	if r.upload.ID != "" {
		upload := r.upload
		d.Upload = &upload
	}
	return d
}

// tooFar is longer than anything is ever put off: a time further ahead was set by
// a clock that has been put back since.
const tooFar = 2 * time.Hour

// Due asks for deliveries to a destination that can be made now.
type Due struct {
	Destination string
	Now         time.Time // deliveries that are deferred until later are left out
	EndedFrom   time.Time // segments that ended before are left out
	EndedBefore time.Time // segments that ended then or later are left out; zero: none
	Limit       int
}

// sendable are finished segments that were read through: without its checksum nobody could
// say whether an object is the segment.
const sendable = `segments.state = 'finished' AND segments.checksum <> ''`

// DueDeliveries lists finished segments that are not yet verified at a
// destination: those tried least often first, so that none that always fails can
// hold up others, and of these the oldest first.
func (s *Spool) DueDeliveries(ctx context.Context, q Due) ([]Job, error) {
	before := int64(math.MaxInt64)
	if !q.EndedBefore.IsZero() {
		before = micros(q.EndedBefore)
	}
	jobs, err := s.jobs(ctx, `WHERE `+ready+` AND destination = ? AND deliveries.state IN ('pending','stored') AND `+sendable+`
		AND (next_us <= ? OR next_us > ?) AND end_us >= ? AND end_us < ? ORDER BY attempts, start_us LIMIT ?`,
		q.Destination, micros(q.Now), micros(q.Now.Add(tooFar)), micros(q.EndedFrom), before, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: due deliveries to %s: %w", q.Destination, err)
	}
	return jobs, nil
}

// FinishedDelivery is the delivery of a finished segment that is not yet verified;
// nil when there is nothing left to do.
func (s *Spool) FinishedDelivery(ctx context.Context, segmentID, destination string) (*Job, error) {
	return s.job(ctx, `WHERE `+ready+` AND segments.id = ? AND destination = ? AND deliveries.state IN ('pending','stored') AND `+sendable,
		segmentID, destination)
}

// LiveDelivery is the delivery of a segment that is being recorded; nil when the
// segment is not, or is not to go to the destination.
func (s *Spool) LiveDelivery(ctx context.Context, segmentID, destination string) (*Job, error) {
	return s.job(ctx, `WHERE `+ready+` AND segments.id = ? AND destination = ? AND deliveries.state = 'pending' AND segments.state = 'recording'`,
		segmentID, destination)
}

// LostDelivery is the delivery of a segment whose file is gone, and that the
// destination has not confirmed; nil when there is none.
func (s *Spool) LostDelivery(ctx context.Context, segmentID, destination string) (*Job, error) {
	return s.job(ctx, `WHERE `+ready+` AND segments.id = ? AND destination = ? AND deliveries.state IN ('pending','stored') AND segments.state = 'missing'`,
		segmentID, destination)
}

func (s *Spool) job(ctx context.Context, where, segmentID, destination string) (*Job, error) {
	jobs, err := s.jobs(ctx, where, segmentID, destination)
	if err != nil {
		return nil, fmt.Errorf("ledger: delivery of %s to %s: %w", segmentID, destination, err)
	}
	if len(jobs) == 0 {
		return nil, nil
	}
	return &jobs[0], nil
}

func (s *Spool) jobs(ctx context.Context, where string, args ...any) ([]Job, error) {
	jobs, err := s.queryJobs(ctx, where, args...)
	if err != nil {
		return nil, err
	}
	for i := range jobs {
		if up := jobs[i].Delivery.Upload; up != nil {
			if up.Parts, err = s.ledger.uploadParts(ctx, jobs[i].Segment.ID, jobs[i].Delivery.Destination); err != nil {
				return nil, fmt.Errorf("ledger: parts of %s: %w", jobs[i].Segment.ID, err)
			}
		}
	}
	return jobs, nil
}

func (s *Spool) queryJobs(ctx context.Context, where string, args ...any) ([]Job, error) {
	rows, err := s.ledger.db.QueryContext(ctx, "SELECT "+segmentColumns+", "+deliveryColumns+`
		FROM deliveries JOIN segments ON segments.id = deliveries.segment_id `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var jobs []Job
	for rows.Next() {
		var job Job
		var row deliveryRow
		if err := scanSegment(rows, &job.Segment, row.into()...); err != nil {
			return nil, err
		}
		job.Delivery = row.delivery()
		jobs = append(jobs, job)
	}
	return jobs, rows.Err()
}

func (l *ledger) uploadParts(ctx context.Context, segmentID, destination string) ([]UploadPart, error) {
	rows, err := l.db.QueryContext(ctx, `SELECT number, size, checksum, etag FROM upload_parts
		WHERE segment_id = ? AND destination = ? ORDER BY number`, segmentID, destination)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var parts []UploadPart
	for rows.Next() {
		var p UploadPart
		if err := rows.Scan(&p.Number, &p.Size, &p.Checksum, &p.ETag); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, rows.Err()
}

// UploadOpened notes a multipart upload that the store has opened. One that was
// noted before is forgotten with its parts.
func (s *Spool) UploadOpened(ctx context.Context, segmentID, destination string, u Upload) error {
	return s.setUpload(ctx, "upload opened", segmentID, destination, u)
}

// UploadAbandoned notes that the store no longer knows the upload.
func (s *Spool) UploadAbandoned(ctx context.Context, segmentID, destination string) error {
	return s.setUpload(ctx, "upload abandoned", segmentID, destination, Upload{})
}

func (s *Spool) setUpload(ctx context.Context, verb, segmentID, destination string, u Upload) error {
	return s.ledger.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM upload_parts WHERE segment_id = ? AND destination = ?", segmentID, destination); err != nil {
			return fmt.Errorf("ledger: %s %s: %w", verb, segmentID, err)
		}
		return changed(verb, segmentID)(tx.ExecContext(ctx, `UPDATE deliveries SET upload_id = ?, part_size = ?, algorithm = ?
			WHERE segment_id = ? AND destination = ? AND state = 'pending'`, u.ID, u.PartSize, u.Algorithm, segmentID, destination))
	})
}

// PartSent notes a part that the store has acknowledged.
func (s *Spool) PartSent(ctx context.Context, segmentID, destination string, p UploadPart) error {
	_, err := s.ledger.db.ExecContext(ctx, `INSERT INTO upload_parts (segment_id, destination, number, size, checksum, etag)
		VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET size = excluded.size, checksum = excluded.checksum, etag = excluded.etag`,
		segmentID, destination, p.Number, p.Size, p.Checksum, p.ETag)
	if err != nil {
		return fmt.Errorf("ledger: part %d sent %s: %w", p.Number, segmentID, err)
	}
	return nil
}

// PartLost notes that the store does not have a part any more.
func (s *Spool) PartLost(ctx context.Context, segmentID, destination string, number int) error {
	_, err := s.ledger.db.ExecContext(ctx, `DELETE FROM upload_parts WHERE segment_id = ? AND destination = ? AND number = ?`, segmentID, destination, number)
	if err != nil {
		return fmt.Errorf("ledger: part %d lost %s: %w", number, segmentID, err)
	}
	return nil
}

// Stored notes that the store has accepted the whole object. The upload and its
// parts are kept until the object has been verified: they are what a fallback
// rests on.
func (s *Spool) Stored(ctx context.Context, segmentID, destination string) error {
	return s.ledger.one(ctx, "stored", segmentID, `UPDATE deliveries SET state = 'stored'
		WHERE segment_id = ? AND destination = ? AND state <> 'verified'`, segmentID, destination)
}

// Verified notes that the store has confirmed the object; by says on what ground.
func (s *Spool) Verified(ctx context.Context, segmentID, destination, by string, at time.Time) error {
	defer s.changed()
	return s.ledger.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM upload_parts WHERE segment_id = ? AND destination = ?", segmentID, destination); err != nil {
			return fmt.Errorf("ledger: verified %s: %w", segmentID, err)
		}
		err := changed("verified", segmentID)(tx.ExecContext(ctx, `UPDATE deliveries
			SET state = 'verified', verified_by = ?, verified_us = ?, upload_id = '', error = ''
			WHERE segment_id = ? AND destination = ? AND state <> 'verified'`, by, micros(at), segmentID, destination))
		if err != nil {
			return err
		}
		return s.savedAfterAll(ctx, tx, segmentID)
	})
}

// DeliveryDeferred notes a failed attempt and when the next may be made.
func (s *Spool) DeliveryDeferred(ctx context.Context, segmentID, destination, reason string, next time.Time) error {
	return s.ledger.one(ctx, "delivery deferred", segmentID, `UPDATE deliveries SET attempts = attempts + 1, error = ?, next_us = ?
		WHERE segment_id = ? AND destination = ? AND state IN ('pending','stored')`, reason, micros(next), segmentID, destination)
}

// DeliveriesForgiven takes back the failed attempts of what waits for a destination:
// an outage of that was to blame.
func (s *Spool) DeliveriesForgiven(ctx context.Context, destination string) error {
	_, err := s.ledger.db.ExecContext(ctx, `UPDATE deliveries SET attempts = 0, next_us = 0
		WHERE destination = ? AND state IN ('pending','stored') AND attempts > 0`, destination)
	if err != nil {
		return fmt.Errorf("ledger: deliveries to %s forgiven: %w", destination, err)
	}
	s.changed()
	return nil
}

// DeliveryRejected notes that the store does not hold what was uploaded, and when
// it may be uploaded again.
func (s *Spool) DeliveryRejected(ctx context.Context, segmentID, destination, reason string, next time.Time) error {
	return s.ledger.one(ctx, "delivery rejected", segmentID, `UPDATE deliveries
		SET state = 'pending', attempts = attempts + 1, error = ?, next_us = ?
		WHERE segment_id = ? AND destination = ? AND state IN ('pending','stored')`, reason, micros(next), segmentID, destination)
}

// Rekeyed gives a segment another key at a destination, because another object
// lies under its own. What was sent under that is forgotten.
func (s *Spool) Rekeyed(ctx context.Context, segmentID, destination, key, reason string) error {
	defer s.changed()
	return s.ledger.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM upload_parts WHERE segment_id = ? AND destination = ?", segmentID, destination); err != nil {
			return fmt.Errorf("ledger: rekeyed %s: %w", segmentID, err)
		}
		return changed("rekeyed", segmentID)(tx.ExecContext(ctx, `UPDATE deliveries
			SET key = ?, state = 'pending', upload_id = '', attempts = attempts + 1, error = ?, next_us = 0
			WHERE segment_id = ? AND destination = ? AND state IN ('pending','stored')`, key, reason, segmentID, destination))
	})
}

// changed checks that a statement of a transaction changed exactly one row.
func changed(verb, id string) func(sql.Result, error) error {
	return func(res sql.Result, err error) error {
		if err != nil {
			return fmt.Errorf("ledger: %s %s: %w", verb, id, err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("ledger: %s %s: %w", verb, id, errors.Join(ErrTransition, err))
		}
		return nil
	}
}

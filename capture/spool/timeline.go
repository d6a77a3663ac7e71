package spool

import (
	"context"
	"fmt"
	"time"
)

// Footage is a segment as far as a line of time needs it.
type Footage struct {
	SegmentID  string
	Start, End time.Time // End is zero while it is being recorded
	State      State
	Uploaded   bool // verified at every required destination
}

// Footage lists the segments of a camera that reach into the time between two
// moments, in the order of their ends, the one being recorded last. It reads little
// of each row: a day of a camera are 1,440 of them where a segment lasts a minute.
func (s *Spool) Footage(ctx context.Context, cameraID string, from, to time.Time) ([]Footage, error) {
	rows, err := s.ledger.db.QueryContext(ctx, `SELECT id, start_us, end_us, state, json_array_length(?2) > 0 AND NOT EXISTS
			(SELECT 1 FROM json_each(?2) WHERE NOT EXISTS (SELECT 1 FROM deliveries
				WHERE segment_id = segments.id AND destination = value AND deliveries.state = 'verified'))
		FROM segments WHERE camera_id = ?1 AND end_us > ?3 AND start_us < ?4 AND state <> 'empty'
		UNION ALL SELECT id, start_us, 0, state, 0 FROM segments WHERE state = 'recording' AND end_us = 0 AND camera_id = ?1 AND start_us < ?4`,
		cameraID, s.names(false), micros(from), micros(to))
	if err != nil {
		return nil, fmt.Errorf("ledger: footage of camera %s: %w", cameraID, err)
	}
	defer rows.Close()
	var out []Footage
	for rows.Next() {
		var f Footage
		var start, end int64
		if err := rows.Scan(&f.SegmentID, &start, &end, &f.State, &f.Uploaded); err != nil {
			return nil, fmt.Errorf("ledger: footage of camera %s: %w", cameraID, err)
		}
		f.Start, f.End = fromMicros(start), fromMicros(end)
		out = append(out, f)
	}
	return out, rows.Err()
}

// GapsWithin lists the gaps of a camera that reach into the time between two
// moments, oldest first.
func (s *Spool) GapsWithin(ctx context.Context, cameraID string, from, to time.Time) ([]Gap, error) {
	return s.gaps(ctx, cameraID, `WHERE camera_id = ?1 AND end_us > ?2 AND start_us < ?3
		UNION ALL SELECT id, camera_id, start_us, end_us, cause, detail FROM gaps WHERE camera_id = ?1 AND end_us = 0 AND start_us < ?3
		ORDER BY start_us, id`, cameraID, micros(from), micros(to))
}

// FootageAt is the segment of a camera that holds a moment, or else the first that
// follows; ErrUnknown says that there is none. Only those count whose bytes are
// somewhere: here, or at a destination.
func (s *Spool) FootageAt(ctx context.Context, cameraID string, at time.Time) (Segment, error) {
	segs, err := s.segments(ctx, `WHERE id = coalesce(
		(SELECT id FROM segments WHERE camera_id = ?1 AND end_us > ?2 AND (state = 'finished' OR state IN ('deleted','missing') AND EXISTS
			(SELECT 1 FROM deliveries WHERE segment_id = segments.id AND deliveries.state = 'verified')) ORDER BY end_us LIMIT 1),
		(SELECT id FROM segments WHERE state = 'recording' AND camera_id = ?1 ORDER BY start_us DESC LIMIT 1))`, cameraID, micros(at))
	if err == nil && len(segs) == 0 {
		err = fmt.Errorf("footage of camera %s: %w", cameraID, ErrUnknown)
	}
	if err != nil {
		return Segment{}, err
	}
	return segs[0], nil
}

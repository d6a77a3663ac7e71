package spool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Backlog is what a destination has yet to receive and confirm.
type Backlog struct {
	Segments int
	Bytes    int64
	Duration time.Duration
	Oldest   time.Time // start of the oldest; zero when there is none
}

// Add makes one backlog of two.
func (b *Backlog) Add(other Backlog) {
	b.Segments, b.Bytes, b.Duration = b.Segments+other.Segments, b.Bytes+other.Bytes, b.Duration+other.Duration
	if b.Oldest.IsZero() || !other.Oldest.IsZero() && other.Oldest.Before(b.Oldest) {
		b.Oldest = other.Oldest
	}
}

// Unsent is what of a camera a destination has yet to receive and confirm.
type Unsent struct {
	CameraID, Destination string
	Backlog
	// Unsafe is how long that footage is, each segment counted at the first required
	// destination only that has not confirmed it: over all destinations it adds up to
	// the footage that would be lost with this host.
	Unsafe time.Duration
	// Announced is how many of these segments central knows, and awaits: it is told of
	// them when the primary destination has them.
	Announced int
}

// UnsentByCamera sums up the finished segments that are not verified, for each camera
// and destination of which there are any. What is being recorded is not among it.
func (s *Spool) UnsentByCamera(ctx context.Context) (out []Unsent, err error) {
	earlier := []string{} // required destinations
	for _, d := range s.opts.Destinations {
		counted, _ := json.Marshal(earlier) // of strings: it cannot fail
		unsent, err := s.unsent(ctx, d, string(counted))
		if err != nil {
			return nil, fmt.Errorf("ledger: backlog of %s: %w", d.Name, err)
		}
		out = append(out, unsent...)
		if !d.Optional {
			earlier = append(earlier, d.Name)
		}
	}
	return out, nil
}

// unsent goes through the deliveries that are open, whose segments it looks up: asked
// for the segments of each camera, SQLite goes through all there are.
func (s *Spool) unsent(ctx context.Context, d Destination, earlier string) (out []Unsent, err error) {
	rows, err := s.ledger.db.QueryContext(ctx, `SELECT camera_id, count(*), sum(size), sum(duration_us), min(start_us),
			sum(iif(?2 AND (json_array_length(?3) = 0 OR NOT EXISTS (SELECT 1 FROM deliveries AS other WHERE other.segment_id = segments.id
				AND other.state IN ('pending','stored') AND other.destination IN (SELECT value FROM json_each(?3)))), duration_us, 0)),
			sum(central_state IN ('registered','recording'))
		FROM deliveries CROSS JOIN segments ON segments.id = deliveries.segment_id
		WHERE destination = ?1 AND deliveries.state IN ('pending','stored') AND segments.state = 'finished' GROUP BY camera_id`, d.Name, !d.Optional, earlier)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		u := Unsent{Destination: d.Name}
		var us, oldest, unsafe int64
		if err := rows.Scan(&u.CameraID, &u.Segments, &u.Bytes, &us, &oldest, &unsafe, &u.Announced); err != nil {
			return nil, err
		}
		u.Duration, u.Oldest, u.Unsafe = time.Duration(us)*time.Microsecond, fromMicros(oldest), time.Duration(unsafe)*time.Microsecond
		out = append(out, u)
	}
	return out, rows.Err()
}

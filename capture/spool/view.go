package spool

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// View is a ledger that is looked at, and only that.
type View struct {
	opts   LookOptions
	ledger *ledger
}

// Entry is a segment with its ways to all destinations, the primary one first.
type Entry struct {
	Segment    Segment
	Deliveries []Delivery // with the parts of open uploads
}

// What Query.State may ask for besides a State.
const (
	Waiting State = "waiting" // being recorded, or not yet verified everywhere and told to central
	Failed  State = "failed"  // waits because an attempt to deliver or report it failed, or central has refused it
)

// Query chooses segments.
type Query struct {
	Cameras []string  // ids or names; none: all
	State   State     // empty: all
	Since   time.Time // those that ended before are left out
	Until   time.Time // those that began then or later are left out; zero: none
	Limit   int       // so many of the newest; 0: all
	After   Mark      // of the newest those that come after this one; zero: from the first
}

// Mark is a place in a list of segments that goes from the newest to the oldest.
type Mark struct {
	Start time.Time // of a segment
	ID    string    // of it
}

// delivering: the delivery of a segment has yet to be made, and can be.
const delivering = `segments.state IN ('recording','finished') AND EXISTS (SELECT 1 FROM deliveries
	WHERE segment_id = segments.id AND deliveries.state IN ('pending','stored'))`

// reportable: central, if there is one (?2), has yet to hear of the segment now,
// or has refused it for good. ?1 is the primary destination.
const reportable = `?2 AND (central_state = 'refused' OR ` + unreported + `)`

// failing: an attempt failed, and the next has not succeeded yet.
const failing = `(segments.state IN ('recording','finished') AND EXISTS (SELECT 1 FROM deliveries
		WHERE segment_id = segments.id AND deliveries.state IN ('pending','stored') AND error <> '')
	OR central_error <> '' AND ` + reportable + `)`

// waiting: something has yet to happen to it.
const waiting = `(segments.state = 'recording' OR ` + delivering + ` OR ?2 AND ` + unreported + `)`

// Segments lists what a query chooses, oldest first. more says that older ones
// were left out for its limit.
func (v *View) Segments(ctx context.Context, q Query) (entries []Entry, more bool, err error) {
	until, limit := int64(math.MaxInt64), int64(-1)
	if !q.Until.IsZero() {
		until = micros(q.Until)
	}
	if q.Limit > 0 {
		limit = int64(q.Limit) + 1
	}
	after, afterID := int64(math.MaxInt64), ""
	if q.After.ID != "" {
		after, afterID = micros(q.After.Start), q.After.ID
	}
	cameras, _ := json.Marshal(append([]string{}, q.Cameras...)) // of strings: it cannot fail
	chosen := `segments.state = ?7`
	switch q.State {
	case "":
		chosen = `?7 = ''`
	case Waiting:
		chosen = waiting
	case Failed:
		chosen = failing
	}
	// Sorted by little and read whole afterwards: a ledger has very many rows.
	segs, err := v.ledger.segments(ctx, `WHERE id IN (SELECT id FROM segments WHERE `+chosen+`
		AND (?3 = '[]' OR `+ofCamera+`)
		AND (segments.state = 'recording' OR max(start_us, end_us) >= ?4) AND start_us < ?5 AND (start_us, id) < (?8, ?9)
		ORDER BY start_us DESC, id DESC LIMIT ?6) ORDER BY start_us DESC, id DESC`,
		v.opts.Primary, v.opts.Central, string(cameras), micros(q.Since), until, limit, q.State, after, afterID)
	if err != nil {
		return nil, false, err
	}
	if more = q.Limit > 0 && len(segs) > q.Limit; more {
		segs = segs[:q.Limit]
	}
	slices.Reverse(segs)
	entries, err = v.entries(ctx, segs)
	return entries, more, err
}

// ofCamera: the segment is of a camera that ?3, a JSON array, has the id or the
// name of.
const ofCamera = `EXISTS (SELECT 1 FROM json_each(?3) WHERE value = camera_id OR lower(value) = lower(camera_name))`

// Knows tells whether there is any segment of a camera, by its id or name.
func (v *View) Knows(ctx context.Context, camera string) (bool, error) {
	var yes bool
	err := v.ledger.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM segments WHERE camera_id = ?1)
		OR EXISTS (SELECT 1 FROM segments WHERE lower(camera_name) = lower(?1))`, camera).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("ledger: camera %s: %w", camera, err)
	}
	return yes, nil
}

// Find lists the segments whose id begins with a text, at most limit of them.
func (v *View) Find(ctx context.Context, prefix string, limit int) ([]Entry, error) {
	if !plainID.MatchString(prefix) {
		return nil, fmt.Errorf("segment %q: %w", prefix, ErrUnknown)
	}
	// No character of an id comes behind "~".
	segs, err := v.ledger.segments(ctx, `WHERE id >= ?1 AND id < ?1 || '~' ORDER BY id LIMIT ?2`, prefix, limit)
	if err != nil {
		return nil, err
	}
	return v.entries(ctx, segs)
}

// Stored finds the segment that is, or is to be, the object under a key of a
// destination. It is ErrUnknown when there is none.
func (v *View) Stored(ctx context.Context, destination, key string) (Entry, error) {
	return v.only(ctx, `WHERE id IN (SELECT segment_id FROM deliveries WHERE destination = ?1 AND key = ?2) ORDER BY start_us DESC LIMIT 1`, destination, key)
}

// At finds the segment whose file lies, or lay, at a path: relative to the data
// directory, with slashes. It is ErrUnknown when there is none.
func (v *View) At(ctx context.Context, path string) (Entry, error) {
	return v.only(ctx, `WHERE path = ?1 ORDER BY start_us DESC LIMIT 1`, path)
}

// Known finds a segment by its whole id. It is ErrUnknown when there is none.
func (v *View) Known(ctx context.Context, id string) (Entry, error) {
	return v.only(ctx, `WHERE id = ?1`, id)
}

func (v *View) only(ctx context.Context, where string, args ...any) (Entry, error) {
	segs, err := v.ledger.segments(ctx, where, args...)
	if err != nil {
		return Entry{}, err
	}
	if len(segs) == 0 {
		return Entry{}, ErrUnknown
	}
	entries, err := v.entries(ctx, segs)
	if err != nil {
		return Entry{}, err
	}
	return entries[0], nil
}

// together is of how many segments the deliveries are read at once.
const together = 500

func (v *View) entries(ctx context.Context, segs []Segment) ([]Entry, error) {
	out := make([]Entry, 0, len(segs))
	for some := range slices.Chunk(segs, together) {
		ids := make([]string, len(some))
		for i, seg := range some {
			ids[i] = seg.ID
		}
		deliveries, err := v.ledger.deliveries(ctx, v.opts.Primary, ids...)
		if err != nil {
			return nil, err
		}
		for _, seg := range some {
			e := Entry{seg, deliveries[seg.ID]}
			if err := v.parts(ctx, e.Deliveries); err != nil {
				return nil, err
			}
			out = append(out, e)
		}
	}
	return out, nil
}

// parts fills in what has been sent of uploads that are open.
func (v *View) parts(ctx context.Context, deliveries []Delivery) (err error) {
	for _, d := range deliveries {
		if d.Upload == nil {
			continue
		}
		if d.Upload.Parts, err = v.ledger.uploadParts(ctx, d.SegmentID, d.Destination); err != nil {
			return fmt.Errorf("ledger: parts of %s: %w", d.SegmentID, err)
		}
	}
	return nil
}

// File is where the file of a segment lies, or lay.
func (v *View) File(seg Segment) (string, error) { return fileIn(v.opts.Dir, seg.Path) }

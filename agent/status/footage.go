package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Footage is what was recorded, and what is missing.
type Footage interface {
	// Segments lists those that a query chooses, the newest first, as "segments list
	// --json" has them.
	Segments(ctx context.Context, q Query) (SegmentPage, error)
	// Segment is one of them; ErrUnknownSegment when there is none.
	Segment(ctx context.Context, id string) (any, error)
	// Gaps lists gaps, what was noted last first.
	Gaps(ctx context.Context, q Query) (GapPage, error)
}

// Query chooses segments or gaps.
type Query struct {
	Camera   string    // id, of segments its name as well; empty: all
	State    string    // of segments; empty: all
	From, To time.Time // what was over before, or begins then or later, is left out; zero: no bound
	Limit    int
	After    Cursor // zero: from the first
}

// Cursor is where a page ended.
type Cursor struct {
	Number int64  // a segment's start in microseconds, or a gap's number
	ID     string // of a segment
}

// SegmentPage is one page of a list.
type SegmentPage struct {
	Segments []any
	Next     *Cursor // nil: there are no more
}

// GapPage is one page of a list.
type GapPage struct {
	Gaps []NumberedGap
	Next *Cursor
}

// NumberedGap is a gap, and whose it is.
type NumberedGap struct {
	Number int64
	Camera string // id
	Gap
}

const (
	usualLimit = 100
	maxLimit   = 1000
	maxText    = 200 // characters of a parameter
)

// States are what segments can be asked for by.
var States = []string{"recording", "finished", "deleted", "missing", "empty", "waiting", "failed"}

// readQuery reads parameters; the error is for whoever has sent them.
func readQuery(given url.Values, known ...string) (Query, error) {
	q := Query{Limit: usualLimit}
	for name, values := range given {
		if !slices.Contains(known, name) {
			return q, fmt.Errorf("%q is no parameter; known are: %s", clip(name), strings.Join(known, ", "))
		}
		if len(values) > 1 || len(values[0]) > maxText {
			return q, fmt.Errorf("%s: write it once, with %d characters at most", name, maxText)
		}
	}
	q.Camera, q.State = given.Get("camera"), given.Get("state")
	if q.State != "" && !slices.Contains(States, q.State) {
		return q, fmt.Errorf("state: write one of %s", strings.Join(States, ", "))
	}
	err := errors.Join(readMoment(given, "from", &q.From), readMoment(given, "to", &q.To), readLimit(given, &q.Limit), readCursor(given, &q.After))
	if err == nil && !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		err = errors.New("from has to be before to")
	}
	return q, err
}

// The years between which a moment has to lie: before and after there is no footage,
// and microseconds could overflow.
const firstYear, lastYear = 1970, 2200

func readMoment(given url.Values, name string, into *time.Time) error {
	text := given.Get(name)
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < firstYear || t.Year() > lastYear {
		return fmt.Errorf("%s: write a time like 2026-01-02T15:04:05Z", name)
	}
	*into = t
	return nil
}

func readLimit(given url.Values, into *int) error {
	text := given.Get("limit")
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return fmt.Errorf("limit: write 1 to %d", maxLimit)
	}
	*into = n
	return nil
}

func readCursor(given url.Values, into *Cursor) error {
	text := given.Get("cursor")
	if text == "" {
		return nil
	}
	number, id, _ := strings.Cut(text, "_")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || id != "" && !segmentID.MatchString(id) {
		return errors.New("cursor: write the next_cursor of an answer, as it is")
	}
	*into = Cursor{n, id}
	return nil
}

func (c *Cursor) text() any {
	switch {
	case c == nil:
		return nil
	case c.ID == "":
		return strconv.FormatInt(c.Number, 10)
	}
	return strconv.FormatInt(c.Number, 10) + "_" + c.ID
}

type segmentsAnswer struct {
	Segments []any `json:"segments"`
	Next     any   `json:"next_cursor"`
}

type gapsAnswer struct {
	Gaps []numberedGapAnswer `json:"gaps"`
	Next any                 `json:"next_cursor"`
}

type numberedGapAnswer struct {
	Number int64  `json:"id"`
	Camera string `json:"camera_id"`
	GapAnswer
}

func (s *Server) segmentList(w http.ResponseWriter, r *http.Request) {
	q, err := readQuery(r.URL.Query(), "camera", "state", "from", "to", "limit", "cursor")
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	page, err := s.opts.Footage.Segments(r.Context(), q)
	if err != nil {
		s.unreadable(w, err)
		return
	}
	reply(w, http.StatusOK, segmentsAnswer{append([]any{}, page.Segments...), page.Next.text()})
}

func (s *Server) segment(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("segment")
	if !segmentID.MatchString(id) {
		fail(w, http.StatusNotFound, ErrUnknownSegment.Error())
		return
	}
	found, err := s.opts.Footage.Segment(r.Context(), id)
	switch {
	case errors.Is(err, ErrUnknownSegment):
		fail(w, http.StatusNotFound, ErrUnknownSegment.Error())
	case err != nil:
		s.unreadable(w, err)
	default:
		reply(w, http.StatusOK, found)
	}
}

func (s *Server) gaps(w http.ResponseWriter, r *http.Request) {
	q, err := readQuery(r.URL.Query(), "camera", "from", "to", "limit", "cursor")
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	page, err := s.opts.Footage.Gaps(r.Context(), q)
	if err != nil {
		s.unreadable(w, err)
		return
	}
	a := gapsAnswer{[]numberedGapAnswer{}, page.Next.text()}
	for _, g := range page.Gaps {
		a.Gaps = append(a.Gaps, numberedGapAnswer{g.Number, g.Camera, GapsAnswer([]Gap{g.Gap})[0]})
	}
	reply(w, http.StatusOK, a)
}

func (s *Server) unreadable(w http.ResponseWriter, err error) {
	s.opts.Log.Error().Err(err).Msg("the ledger could not be read for an answer")
	fail(w, http.StatusInternalServerError, "the ledger could not be read; see the log")
}

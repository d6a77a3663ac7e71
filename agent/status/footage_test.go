package status

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// shelf is footage of two segments and a gap.
type shelf struct{ err error }

func (f shelf) Segments(_ context.Context, q Query) (SegmentPage, error) {
	page := SegmentPage{Segments: []any{map[string]any{"id": "seg-1", "asked": q}, map[string]any{"id": "seg-0"}}}
	if q.Limit == 2 {
		page.Next = &Cursor{Number: epoch.UnixMicro(), ID: "seg-0"}
	}
	return page, f.err
}

func (f shelf) Segment(_ context.Context, id string) (any, error) {
	if id != "seg-1" {
		return nil, ErrUnknownSegment
	}
	return map[string]any{"id": id}, f.err
}

func (f shelf) Gaps(_ context.Context, q Query) (GapPage, error) {
	return GapPage{
		Gaps: []NumberedGap{{6, q.Camera, Gap{Start: epoch, Cause: "camera stalled"}}, {5, q.Camera, Gap{epoch, epoch.Add(time.Second), "disk failed", "EIO"}}},
		Next: &Cursor{Number: q.After.Number - 2},
	}, f.err
}

// What makes no sense is refused, and the answer says which parameter it is.
func TestParametersThatAreRefused(t *testing.T) {
	s := server(t, nil)
	for _, path := range []string{"/api/v1/segments", "/api/v1/gaps"} {
		for query, says := range map[string]string{
			"limit=0": "limit", "limit=1001": "limit", "limit=-1": "limit", "limit=x": "limit", "limit=99999999999999999999": "limit",
			"from=yesterday": "from", "from=2026-01-02": "from", "to=9999-01-01T00:00:00Z": "to", "to=0001-01-01T00:00:00Z": "to",
			"from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "before",
			"cursor=x": "cursor", "cursor=-5": "cursor", "cursor=5_../x": "cursor", "cursor=" + strings.Repeat("9", 190): "cursor",
			"camera=a&camera=b": "once", "camera=" + strings.Repeat("a", 201): "characters", "form=2026-01-02T00:00:00Z": `form`,
		} {
			w := ask(s, http.MethodGet, path+"?"+query, "localhost")
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), says) || !strings.HasPrefix(w.Body.String(), `{"detail":"`) {
				t.Errorf("%s?%s: %d %s", path, query, w.Code, w.Body)
			}
		}
	}
	if w := ask(s, http.MethodGet, "/api/v1/segments?state=lost", "localhost"); w.Code != http.StatusBadRequest {
		t.Errorf("a state that is none: %d", w.Code)
	}
	if w := ask(s, http.MethodGet, "/api/v1/gaps?state=finished", "localhost"); w.Code != http.StatusBadRequest {
		t.Errorf("gaps have no state: %d", w.Code)
	}
}

// A cursor that an answer has comes back as it was, and nothing that is sent makes
// the reading of it fail.
func FuzzQuery(f *testing.F) {
	f.Add("camera=gate&from=2026-01-02T15:04:05Z&limit=7&cursor=1795428000000000_seg-1")
	f.Add("cursor=7&to=2026-01-02T15:04:05.5%2B01:00")
	f.Fuzz(func(t *testing.T, text string) {
		given, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q, err := readQuery(given, "camera", "state", "from", "to", "limit", "cursor")
		if err != nil {
			return
		}
		if q.Limit < 1 || q.Limit > maxLimit || len(q.Camera) > maxText || q.After.Number < 0 || len(q.After.ID) > 64 {
			t.Fatalf("%q is taken as %+v", text, q)
		}
		if q.After == (Cursor{}) {
			return
		}
		var back Cursor
		if err := readCursor(url.Values{"cursor": {q.After.text().(string)}}, &back); err != nil || back != q.After {
			t.Fatalf("cursor %+v comes back as %+v: %v", q.After, back, err)
		}
	})
}

package page

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/demo/clips"
	"recording-agent/agent/status"
	"recording-agent/agent/status/apitest"
)

// What the page answers is described with all else that the port does: what there is,
// what there is not, and what makes no sense.
func TestAnswersAreAsDescribed(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "gate", Name: "Gate", State: "recording", LastFrame: noon})
	seg := w.record("gate", readClip(t, clips.H264), noon.Add(-time.Hour), 2, true)
	gone := w.row("gate", noon.Add(-3*time.Hour), time.Minute, false)
	port := status.New(status.Options{Listen: "127.0.0.1:0", Page: w.page, Problems: w.page.opts.Problems, Snapshot: w.page.opts.Snapshot, Log: zerolog.Nop(), Now: w.clock})
	port.Started()
	ask := func(path string, header http.Header) *http.Response {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8001"+path, nil)
		for name, values := range header {
			r.Header[name] = values
		}
		a := httptest.NewRecorder()
		port.Handler().ServeHTTP(a, r)
		answer := a.Result()
		answer.Request = r
		return answer
	}
	text := httptest.NewRecorder()
	port.Handler().ServeHTTP(text, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8001/api/v1/openapi.yaml", nil))
	d := apitest.Read(t, text.Body.Bytes())
	for path := range w.page.routes() {
		if !slices.Contains(d.Operations(), "GET "+path) {
			t.Errorf("%s is not described in openapi.yaml", path)
		}
	}
	at := url.QueryEscape(stamp(seg.Start.Add(time.Second)))
	for path, code := range map[string]int{
		"/": 200, "/?span=6h": 200, "/assets/page.js": 200, "/assets/page.css": 200, "/assets/none": 404,
		"/api/v1/timeline?camera=gate": 200, "/api/v1/timeline?camera=none": 404, "/api/v1/timeline?camera=gate&from=x": 422,
		"/api/v1/moment?camera=gate&at=" + at: 200, "/api/v1/moment?camera=gate&at=2026-01-01T00:00": 200, "/api/v1/moment?camera=none": 404, "/api/v1/moment?camera=gate&at=x": 422,
		"/play/camera/gate?at=" + at: 200, "/play/camera/none": 404, "/play/camera/gate?at=x": 422,
		"/play/segment/" + seg.ID: 200, "/play/segment/none": 404, "/play/segment/" + gone: 410,
	} {
		answer := ask(path, nil)
		if answer.StatusCode != code {
			t.Errorf("GET %s is answered with %d, want %d", path, answer.StatusCode, code)
		}
		d.Check(answer)
	}
	for span, code := range map[string]int{"bytes=0-99": 206, "bytes=999999999-": 416} {
		answer := ask("/play/segment/"+seg.ID, http.Header{"Range": {span}})
		if answer.StatusCode != code {
			t.Errorf("range %s is answered with %d, want %d", span, answer.StatusCode, code)
		}
		d.Check(answer)
	}
	if w.page.watch.over = true; ask("/api/v1/events", nil).StatusCode != http.StatusServiceUnavailable {
		t.Error("events of a page that ends are sent")
	}
	d.Check(ask("/api/v1/events", nil))
}

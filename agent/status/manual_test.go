package status

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hand is a Manual that remembers what it was asked for.
type hand struct {
	err    error
	asked  string
	length time.Duration
}

func (h *hand) Record(_ context.Context, cameraID string, length time.Duration) (string, error) {
	h.asked, h.length = "record "+cameraID, length
	return "rec-1", h.err
}

func (h *hand) Stop(_ context.Context, cameraID string) (string, error) {
	h.asked = "stop " + cameraID
	return "rec-1", h.err
}

func answers(err error) func(o *Options) {
	return func(o *Options) { o.Manual = &hand{err: err} }
}

func TestWhatIsAskedByHand(t *testing.T) {
	for path, want := range map[string]struct {
		asked  string
		length time.Duration
	}{
		"/manual-record?camera_id=gate":                    {"record gate", 0},
		"/manual-record?camera_id=gate&duration_minutes=0": {"record gate", 0},
		"/manual-record?duration_minutes=90&camera_id=a-b": {"record a-b", 90 * time.Minute},
		"/stop-recording/gate":                             {"stop gate", 0},
		"/stop-recording/a%2Fb":                            {"stop a/b", 0},
		"/manual-record?camera_id=gate&duration_minutes=x": {"", 0},
		"/stop-recording/":                                 {"", 0},
	} {
		h := &hand{}
		ask(server(t, func(o *Options) { o.Manual = h }), "POST", path, "localhost")
		if h.asked != want.asked || h.length != want.length {
			t.Errorf("%s: %q for %v, want %q for %v", path, h.asked, h.length, want.asked, want.length)
		}
	}
}

// Only callers that are no web page of another site can change something, and
// only with the token where there has to be one.
func TestWhoMayChangeSomething(t *testing.T) {
	for name, tc := range map[string]struct {
		listen, token string
		header        [2]string
		code          int
	}{
		"a program":                       {"127.0.0.1:8001", "", [2]string{}, 200},
		"a program, on IPv6":              {"[::1]:8001", "", [2]string{}, 200},
		"a page of the port":              {"127.0.0.1:8001", "", [2]string{"Origin", "http://localhost:8001"}, 200},
		"a page of the port, newer":       {"127.0.0.1:8001", "", [2]string{"Sec-Fetch-Site", "same-origin"}, 200},
		"a page of another site":          {"127.0.0.1:8001", "", [2]string{"Origin", "https://evil.example"}, 403},
		"a page of another site, newer":   {"127.0.0.1:8001", "", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a page of a neighbour":           {"127.0.0.1:8001", "", [2]string{"Sec-Fetch-Site", "same-site"}, 403},
		"a page of another port":          {"127.0.0.1:8001", "", [2]string{"Origin", "http://localhost:3000"}, 403},
		"a page without a site":           {"127.0.0.1:8001", "", [2]string{"Origin", "null"}, 403},
		"open, and no token is set":       {"0.0.0.0:8001", "", [2]string{}, 403},
		"all addresses, and no token":     {":8001", "", [2]string{"Authorization", "Bearer "}, 403},
		"open, and no token is sent":      {"0.0.0.0:8001", "test", [2]string{}, 401},
		"open, and another token is sent": {"0.0.0.0:8001", "test", [2]string{"Authorization", "Bearer tes"}, 401},
		"open, and it is sent otherwise":  {"0.0.0.0:8001", "test", [2]string{"Authorization", "Basic test"}, 401},
		"open, and the token is sent":     {"0.0.0.0:8001", "test", [2]string{"Authorization", "Bearer test"}, 200},
		"local, and no token is sent":     {"localhost:8001", "test", [2]string{}, 401},
		"local, and the token is sent":    {"localhost:8001", "test", [2]string{"Authorization", "bearer test"}, 200},
	} {
		for _, path := range []string{"/stop-recording/gate", "/manual-record?camera_id=gate"} {
			h := &hand{}
			s := server(t, func(o *Options) { o.Listen, o.Token, o.Manual = tc.listen, tc.token, h })
			r := httptest.NewRequest("POST", path, nil)
			r.Host = "localhost:8001"
			if tc.header[0] != "" {
				r.Header.Set(tc.header[0], tc.header[1])
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != tc.code || (h.asked != "") != (tc.code == 200) || !strings.HasPrefix(w.Body.String(), "{") {
				t.Errorf("%s, %s: %d, want %d; asked %q, answer %s", name, path, w.Code, tc.code, h.asked, w.Body)
			}
			if !loopback(s.host) {
				continue
			}
			if read := ask(s, "GET", "/status", "localhost"); read.Code != 200 {
				t.Errorf("%s: reading takes a token: %d", name, read.Code)
			}
			if r := ask(s, "GET", path, "localhost"); r.Code != 405 {
				t.Errorf("%s: GET %s is answered with %d", name, path, r.Code)
			}
		}
	}
}

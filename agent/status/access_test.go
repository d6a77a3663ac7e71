package status

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/status/apitest"
)

const testToken = "test-test-test-test"

// open is a server that others than this host can reach.
func open(t testing.TB, change func(o *Options)) *Server {
	return server(t, func(o *Options) {
		o.Listen, o.Token = "0.0.0.0:8001", testToken
		if change != nil {
			change(o)
		}
	})
}

// request is one that a test sends.
type request struct {
	method, path string
	from         string // address; empty: one of a documentation network
	header       map[string]string
}

func (q request) send(s *Server) *http.Response {
	r := httptest.NewRequest(q.method, q.path, nil)
	r.Host = "localhost:8001"
	if q.from != "" {
		r.RemoteAddr = q.from
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Result()
}

// On a port that is open to the network nothing but the probes is answered without
// the token; not even what is not there.
func TestAnOpenPortWantsTheToken(t *testing.T) {
	s := open(t, func(o *Options) {
		o.Page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	})
	without := open(t, func(o *Options) { o.Token = "" })
	paths := map[string]string{"/": "GET", "/nothing": "GET", "/play/seg-1": "GET"}
	for _, r := range s.routes() {
		paths[strings.NewReplacer("{camera}", "gate", "{segment}", "seg-1").Replace(r.path)] = r.method
	}
	for path, method := range paths {
		want, wantWithout := http.StatusUnauthorized, http.StatusForbidden
		if path == "/healthz" || path == "/readyz" {
			want, wantWithout = http.StatusOK, http.StatusOK
		}
		if got := (request{method: method, path: path}).send(s); got.StatusCode != want {
			t.Errorf("%s %s without the token: %d", method, path, got.StatusCode)
		}
		if got := (request{method: method, path: path}).send(without); got.StatusCode != wantWithout {
			t.Errorf("%s %s where there is none: %d", method, path, got.StatusCode)
		}
		got := request{method: method, path: path, header: map[string]string{"Authorization": "Bearer " + testToken}}.send(s)
		if got.StatusCode == http.StatusUnauthorized || got.StatusCode == http.StatusForbidden {
			t.Errorf("%s %s with the token: %d", method, path, got.StatusCode)
		}
	}
}

// A link with the token becomes a cookie that opens everything, and holds no token.
func TestTheTokenComesInByALink(t *testing.T) {
	s := open(t, nil)
	answer := request{method: "GET", path: "/?token=" + testToken}.send(s)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || len(answer.Cookies()) != 1 {
		t.Fatalf("%d, %v", answer.StatusCode, answer.Header)
	}
	c := answer.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.Domain != "" || strings.Contains(c.Value, testToken) {
		t.Errorf("cookie %+v", c)
	}
	for _, path := range []string{"/status", "/api/v1/cameras", "/metrics"} {
		if got := (request{method: "GET", path: path, header: map[string]string{"Cookie": c.Name + "=" + c.Value}}).send(s); got.StatusCode != 200 {
			t.Errorf("%s with the cookie: %d", path, got.StatusCode)
		}
	}
	post := request{method: "POST", path: "/stop-recording/gate", header: map[string]string{"Cookie": c.Name + "=" + c.Value}}
	if got := post.send(s); got.StatusCode != 200 {
		t.Errorf("a change with the cookie: %d", got.StatusCode)
	}
	post.header["Sec-Fetch-Site"] = "cross-site"
	if got := post.send(s); got.StatusCode != 403 {
		t.Errorf("a change with the cookie, by another site: %d", got.StatusCode)
	}

	other := open(t, func(o *Options) { o.Token += "!" })
	refused := request{method: "GET", path: "/status", header: map[string]string{"Cookie": c.Name + "=" + c.Value}}.send(other)
	if refused.StatusCode != 401 || len(refused.Cookies()) != 1 || refused.Cookies()[0].MaxAge >= 0 {
		t.Errorf("the cookie of another token: %d, %v", refused.StatusCode, refused.Cookies())
	}
	if got := (request{method: "GET", path: "/?token=" + testToken}).send(other); got.StatusCode != 401 || len(got.Cookies()) > 0 {
		t.Errorf("a link with another token: %d", got.StatusCode)
	}
	// A browser does not send a strict cookie along with a redirect that another
	// site has begun.
	led := request{method: "GET", path: "/?token=" + testToken, header: map[string]string{"Sec-Fetch-Site": "cross-site"}}.send(s)
	if led.StatusCode != 200 || led.Header.Get("Refresh") != "0; url=/" || len(led.Cookies()) != 1 {
		t.Errorf("a link in a mail: %d, %v", led.StatusCode, led.Header)
	}
}

// On loopback the link works as well, and what was open there stays so.
func TestLoopbackWithAToken(t *testing.T) {
	s := server(t, func(o *Options) { o.Token = testToken })
	if got := (request{method: "GET", path: "/status"}).send(s); got.StatusCode != 200 {
		t.Errorf("reading: %d", got.StatusCode)
	}
	if got := (request{method: "GET", path: "/?token=" + testToken}).send(s); got.StatusCode != http.StatusSeeOther || len(got.Cookies()) != 1 {
		t.Errorf("the link: %d", got.StatusCode)
	}
}

// Tokens cannot be tried out, and whoever tries does not keep others out.
func TestWrongTokensAreCounted(t *testing.T) {
	now := epoch
	s := open(t, func(o *Options) { o.Now = func() time.Time { return now } })
	try := func(from, token string) *http.Response {
		return request{method: "GET", path: "/status", from: from, header: map[string]string{"Authorization": "Bearer " + token}}.send(s)
	}
	const guesser, other = "198.51.100.7:4000", "203.0.113.9:4000"
	for i := range guesses {
		if got := try(guesser, fmt.Sprint("guess", i)); got.StatusCode != 401 {
			t.Fatalf("guess %d: %d", i, got.StatusCode)
		}
	}
	for _, token := range []string{"guess", testToken} { // whether it was right is not told either
		if got := try(guesser, token); got.StatusCode != 429 || got.Header.Get("Retry-After") != "11" && got.Header.Get("Retry-After") != "10" {
			t.Errorf("after %d guesses: %d, again after %q", guesses, got.StatusCode, got.Header.Get("Retry-After"))
		}
	}
	if got := (request{method: "GET", path: "/?token=" + testToken, from: guesser}).send(s); got.StatusCode != 429 {
		t.Errorf("by a link: %d", got.StatusCode)
	}
	if got := try(other, testToken); got.StatusCode != 200 {
		t.Errorf("another address: %d", got.StatusCode)
	}
	now = now.Add(guessEvery + time.Millisecond)
	if got := try(guesser, testToken); got.StatusCode != 200 {
		t.Errorf("after a while: %d", got.StatusCode)
	}
	for i := range 2 * maxAddresses {
		try(fmt.Sprintf("[2001:db8:%x::%x]:1", i, i), "guess")
	}
	if n := len(s.wrong.from); n > maxAddresses {
		t.Errorf("%d addresses are remembered", n)
	}
	if source("[2001:db8::1]:1") != source("[2001:db8::2:1]:1") || source("[::ffff:198.51.100.7]:1") != source(guesser) || source("[2001:db8::1]:1") == source("[2001:db8:1::1]:1") {
		t.Error("addresses of one host are taken for several")
	}
}

// No answer lets pages of other sites read it.
func TestNoOtherSiteReadsAnswers(t *testing.T) {
	s := server(t, nil)
	for _, r := range s.routes() {
		for _, method := range []string{r.method, http.MethodOptions} {
			path := strings.NewReplacer("{camera}", "gate", "{segment}", "seg-1").Replace(r.path)
			got := request{method: method, path: path, header: map[string]string{
				"Origin": "https://evil.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Private-Network": "true",
			}}.send(s)
			for name := range got.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s: %s: %s", method, path, name, got.Header.Get(name))
				}
			}
		}
	}
}

// While the agent starts the probes are answered, and the rest says what it waits for.
func TestWhileTheAgentStarts(t *testing.T) {
	s := New(Options{Listen: "127.0.0.1:8001", Unready: func() string { return "the ledger is opened" }, Now: time.Now, Log: zerolog.Nop()})
	for path, code := range map[string]int{"/healthz": 200, "/readyz": 503, "/status": 503, "/api/v1/cameras": 503, "/": 503, "/metrics": 503} {
		w := ask(s, "GET", path, "localhost")
		if w.Code != code || code == 503 && !strings.Contains(w.Body.String(), "the ledger is opened") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// When it could not, it says why: in full where everybody may read it, or to who shows
// the token.
func TestWhileTheAgentCannotStart(t *testing.T) {
	failed := Problem{What: "the agent cannot start", Cause: "no such disk", Remedy: "mount it", Since: epoch}
	o := Options{Listen: "127.0.0.1:8001", Failed: &failed, Unready: func() string { return failed.What }, Now: time.Now, Log: zerolog.Nop(),
		Waiting: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fail(w, http.StatusServiceUnavailable, "the waiting page")
		})}
	d := apitest.Read(t, description)
	wants := func(s *Server, path string, code int, words string, header map[string]string) {
		t.Helper()
		got := request{method: "GET", path: path, header: header}.send(s)
		got.Request = httptest.NewRequest("GET", "http://127.0.0.1:8001"+path, nil)
		if body := d.Check(got); got.StatusCode != code || !strings.Contains(string(body), words) {
			t.Errorf("%s: %d %s", path, got.StatusCode, body)
		}
	}
	s := New(o)
	wants(s, "/healthz", 200, "no such disk; mount it", nil)
	wants(s, "/readyz", 503, "cannot start", nil)
	wants(s, "/health", 200, "no such disk", nil)
	wants(s, "/status", 503, "no such disk; mount it", nil)
	if w := ask(s, "GET", "/", "localhost"); w.Code != 503 || !strings.Contains(w.Body.String(), "the waiting page") {
		t.Errorf("the page: %d %s", w.Code, w.Body)
	}
	o.Listen, o.Token = ":8001", testToken
	s = New(o)
	wants(s, "/healthz", 200, "/health says more", nil)
	wants(s, "/health", 401, "", nil)
	wants(s, "/health", 200, "no such disk", map[string]string{"Authorization": "Bearer " + testToken})
	if w := ask(s, "GET", "/healthz", "localhost"); strings.Contains(w.Body.String(), "disk") {
		t.Errorf("to who has no token: %s", w.Body)
	}
}

// Nothing that is logged holds the token, however it was sent.
func TestTheTokenIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	s := open(t, func(o *Options) {
		o.Log = zerolog.New(&log)
		o.Snapshot = func(context.Context) (Snapshot, error) { panic("a mistake") }
	})
	for _, path := range []string{"/?token=" + testToken, "/status?token=" + testToken, "/api/v1/segments?token=" + testToken} {
		answer := request{method: "GET", path: path, header: map[string]string{"Authorization": "Bearer " + testToken}}.send(s)
		var body bytes.Buffer
		_, _ = body.ReadFrom(answer.Body)
		if strings.Contains(body.String()+fmt.Sprint(answer.Header), testToken) {
			t.Errorf("%s: the answer holds the token", path)
		}
	}
	if log.Len() == 0 || strings.Contains(log.String(), testToken) {
		t.Errorf("log: %s", log.String())
	}
}

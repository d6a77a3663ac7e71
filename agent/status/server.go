package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"

	"recording-agent/agent/journal"
	"recording-agent/capture/outage"
)

// Options configure a Server.
type Options struct {
	Listen       string   // host:port
	AllowedHosts []string // besides local names
	Token        string   // that requests have to show, see admit; empty: none
	CertFile     string   // PEM, with those in between; with KeyFile the port speaks HTTPS
	KeyFile      string
	Page         http.Handler  // answers what nothing here does; nil: that is not found
	Waiting      http.Handler  // answers / and /assets/ before Started; nil: nothing does
	Failed       *Problem      // why the agent could not start; nil: it starts, or runs
	Unready      func() string // why the agent does not do its work; empty while it does
	Snapshot     func(ctx context.Context) (Snapshot, error)
	Problems     func() []Problem                                             // what is wrong at present
	Retry        func(ctx context.Context, segmentID string) (Retried, error) // of one segment; without an id, of all that have failed
	Manual       Manual
	Footage      Footage
	Totals       func(ctx context.Context) Totals // for metrics
	Latencies    *Latencies                       // nil: none are told
	Journal      func() []journal.Entry           // what has happened, the newest first
	Log          zerolog.Logger
	Now          func() time.Time
}

// Server answers on one local port.
type Server struct {
	opts        Options
	host        string // of Listen, when it is a specific address
	wrong       *guessing
	certificate *certificate // nil: plain HTTP
	started     atomic.Bool
}

// New prepares a server.
func New(o Options) *Server {
	host, _, _ := net.SplitHostPort(o.Listen) // validated by the configuration
	s := &Server{opts: o, host: strings.ToLower(host), wrong: newGuessing()}
	if o.CertFile != "" {
		s.certificate = newCertificate(o)
	}
	return s
}

// Started says that the other parts are there: until then the probes are answered
// and nothing else.
func (s *Server) Started() { s.started.Store(true) }

const (
	bindEvery   = 10 * time.Second
	maxBody     = 64 << 10
	maxHeader   = 16 << 10
	drainWithin = 2 * time.Second
	// maxConnections is how many are open at once; others wait. Each takes an open file,
	// and recording needs some as well.
	maxConnections = 256
)

// Run serves until ctx ends. A port that is taken is reported and tried again:
// recording does not depend on it.
func (s *Server) Run(ctx context.Context) error {
	trouble := outage.New(s.opts.Log, "state is not served", s.opts.Now)
	for ctx.Err() == nil {
		remedy, err := "look at status.cert_file and status.key_file: are they there, and may the agent read them?", s.loadCertificate()
		if err == nil {
			remedy = "another program has the port, or the address is not this host's; correct status.listen"
			var l net.Listener
			if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.opts.Listen); err == nil {
				trouble.Recovered()
				err = s.serve(ctx, l)
			}
		}
		if err != nil && ctx.Err() == nil {
			trouble.Failed(err.Error(), remedy)
			wait(ctx, bindEvery)
		}
	}
	return nil
}

func (s *Server) loadCertificate() error {
	if s.certificate == nil {
		return nil
	}
	return s.certificate.load()
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (s *Server) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: stdlog.New(io.Discard, "", 0), // whoever does not like the certificate, or goes, is no news
	}
	serve := server.Serve
	if s.certificate != nil {
		server.TLSConfig = s.certificate.config()
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	s.opts.Log.Info().Str("address", l.Addr().String()).Bool("tls", s.certificate != nil).Msg("state is served")
	done := make(chan error, 1)
	go func() { done <- serve(netutil.LimitListener(l, maxConnections)) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the state: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close() // a client that will not finish is cut off
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Handler is what answers requests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.HandleFunc(r.path, only(r.method, r.answer))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if s.opts.Page != nil {
			s.opts.Page.ServeHTTP(w, r)
			return
		}
		fail(w, http.StatusNotFound, "Not Found")
	})
	return s.guard(s.admit(s.wake(mux)))
}

// route is one of the paths that are answered. Each is described in openapi.yaml.
type route struct {
	method, path string
	answer       http.HandlerFunc
}

func (s *Server) routes() []route {
	return append([]route{
		{http.MethodGet, "/healthz", s.alive},
		{http.MethodGet, "/readyz", s.readiness},
		{http.MethodGet, "/health", s.health},
		{http.MethodGet, "/status", s.status},
		{http.MethodGet, "/metrics", s.metrics},
		{http.MethodGet, "/schedules", s.schedules},
		{http.MethodPost, "/manual-record", s.manualRecord},
		{http.MethodPost, "/stop-recording/{camera}", s.stopRecording},
		{http.MethodPost, "/segments/{segment}/retry", s.retrySegment},
		{http.MethodPost, "/segments/retry", s.retryFailed},
	}, s.apiRoutes()...)
}

func only(method string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead) {
			w.Header().Set("Allow", method)
			fail(w, http.StatusMethodNotAllowed, "Method Not Allowed")
			return
		}
		next(w, r)
	}
}

// guard keeps web pages of others out: one whose name was rebound to a local
// address shows in Host, one that posts from elsewhere in Sec-Fetch-Site or Origin.
func (s *Server) guard(next http.Handler) http.Handler {
	sites := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				s.opts.Log.Error().Str("stack", string(debug.Stack())).Msgf("panic while answering %s: %v", r.URL.Path, p)
				fail(w, http.StatusInternalServerError, "Internal Server Error")
			}
		}()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if !s.allowed(r.Host) && !probes[r.URL.Path] {
			fail(w, http.StatusForbidden, fmt.Sprintf("host %q is not served; add it to [status] allowed_hosts", clip(r.Host)))
			return
		}
		if sites.Check(r) != nil {
			fail(w, http.StatusForbidden, "requests from other sites are not served")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

func clip(s string) string { return s[:min(len(s), 100)] }

// allowed judges a Host header: local names and addresses, the address that is
// listened on, and what the configuration adds. The port does not matter.
func (s *Server) allowed(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if name == "" {
		return false
	}
	if ip := net.ParseIP(name); ip != nil {
		own := net.ParseIP(s.host)
		return ip.IsLoopback() || own != nil && !own.IsUnspecified() && own.Equal(ip) || s.listed(name)
	}
	return name == "localhost" || s.listed(name)
}

func (s *Server) listed(name string) bool {
	return slices.ContainsFunc(s.opts.AllowedHosts, func(h string) bool { return strings.EqualFold(strings.TrimSuffix(h, "."), name) })
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone is no news
}

func fail(w http.ResponseWriter, code int, detail any) {
	reply(w, code, map[string]any{"detail": detail})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, answerHealth(s.opts.Problems(), s.opts.Now()))
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	if snap, ok := s.snapshot(w, r); ok {
		reply(w, http.StatusOK, answerStatus(snap))
	}
}

func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) (Snapshot, bool) {
	snap, err := s.opts.Snapshot(r.Context())
	if err != nil {
		s.opts.Log.Error().Err(err).Msg("the state could not be collected")
		fail(w, http.StatusInternalServerError, "the state could not be collected; see the log")
		return Snapshot{}, false
	}
	return snap, true
}

func (s *Server) schedules(w http.ResponseWriter, r *http.Request) {
	if snap, ok := s.snapshot(w, r); ok {
		reply(w, http.StatusOK, answerSchedules(snap))
	}
}

// invalid answers as the predecessor's framework does.
func invalid(w http.ResponseWriter, kind, parameter, message string) {
	fail(w, http.StatusUnprocessableEntity, []map[string]any{{"type": kind, "loc": []string{"query", parameter}, "msg": message}})
}

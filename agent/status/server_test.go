package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/journal"
)

var update = flag.Bool("update", false, "write the golden files anew")

var epoch = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// behind is a camera's clock.
var behind = -time.Hour - 250400*time.Microsecond

// unsafe is how much of a camera's footage is on the host only.
var unsafe = 912500 * time.Millisecond

func total(context.Context) Totals {
	return Totals{
		Gaps:     []GapTotal{{"gate", "camera stalled", 90 * time.Second}, {"gate", "disk failed", 1500 * time.Millisecond}},
		Segments: map[string]int{"finished": 3, "deleted": 288},
	}
}

func full(context.Context) (Snapshot, error) {
	return Snapshot{
		Version: "1.2.3", ClientName: "warehouse-7", Started: epoch.Add(-time.Hour), Disk: Disk{FreeBytes: 123456789}, Clock: Clock{State: "set"},
		Cameras: []Camera{
			{ID: "gate", Name: "Front gate", State: "recording", Codec: "h264", AudioCodec: "aac", Width: 1920, Height: 1080, Bitrate: 4123456.7,
				FrameRate: 24.998, LastFrame: epoch, Segment: "seg-1", SegmentStart: epoch.Add(-time.Minute), RecordingID: "rec-1", SegmentFrames: 1500, Frames: 91500, Reconnects: 2,
				LastError: "the camera stopped sending pictures", LastErrorAt: epoch.Add(-2 * time.Minute), Damages: 3, Dropped: 50, Queued: 654321, ClockOffset: &behind, Bytes: 123456, Unsafe: &unsafe,
				LastHour: Coverage{Scheduled: time.Hour, Recorded: time.Hour - 1500*time.Millisecond, Share: 0.99999}, LastDay: Coverage{Scheduled: 8 * time.Hour, Recorded: 6 * time.Hour, Share: 0.75},
				Gaps: []Gap{{Start: epoch.Add(-time.Second), Cause: "camera stalled"}, {Start: epoch.Add(-time.Hour), End: epoch.Add(-time.Minute), Cause: "disk failed", Detail: "no space left on device"}}},
			{ID: "yard", Name: "Yard", State: "waiting", LastError: "the camera refuses the login", LastErrorAt: epoch, Reconnects: 7},
		},
		Destinations: []Destination{{Name: "primary", Required: true, Bucket: "footage", Location: "s3://footage", Connected: true, BacklogSegs: 3, BacklogBytes: 3 << 20,
			BacklogSeconds: 900.04, InFlight: 1, LastSuccess: epoch, Totals: DestinationTotals{12, 120 << 20, 150 << 20, 2}}},
		Schedules: []Schedule{
			{ID: "5b0c2f0e-6a51-4d0c-9f7e-2a1d6a3c9b10", Name: "Nights", Type: "daily", Camera: "Front gate", Start: 22 * time.Hour, End: 6*time.Hour + 30*time.Minute + time.Second},
			{Type: "weekly", Camera: "Yard", End: 24 * time.Hour},
		},
		Sync:    &Sync{Interval: 15 * time.Second, LastSuccess: epoch.Add(-time.Second), LastError: "502", Remedy: "wait", Complaints: []string{"camera 3: its id is not a UUID"}},
		Central: &Central{URL: "https://central.example.com", Connected: false, Pending: 4, LastSuccess: epoch, LastError: "502", Remedy: "check central.url"},
	}, nil
}

// retry knows three segments, and when all are meant that two have failed.
func retry(_ context.Context, segment string) (Retried, error) {
	switch segment {
	case "":
		return Retried{Segments: 2, Deliveries: 3, Reports: 1}, nil
	case "seg-1":
		return Retried{Segments: 1, Deliveries: 1}, nil
	case "seg-2":
		return Retried{}, fmt.Errorf("ledger: %w", ErrNothingWaits)
	case "seg-3":
		return Retried{}, errors.New("the disk is full")
	}
	return Retried{}, fmt.Errorf("ledger: %w", ErrUnknownSegment)
}

func happened() []journal.Entry {
	return []journal.Entry{
		{At: epoch, Kind: journal.CameraBack, Subject: "gate", Name: "Gate", Cause: "no answer", Lasted: 90 * time.Second},
		{At: epoch.Add(-90 * time.Second), Kind: journal.CameraLost, Subject: "gate", Name: "Gate", Cause: "no answer", Remedy: "look whether it has power"},
		{At: epoch.Add(-time.Hour), Kind: journal.AgentStarted},
	}
}

func server(t testing.TB, change func(o *Options)) *Server {
	o := Options{Listen: "127.0.0.1:8001", Snapshot: full, Retry: retry, Manual: &hand{}, Log: zerolog.New(zerolog.NewTestWriter(t)), Now: func() time.Time { return epoch },
		Problems: func() []Problem { return nil }, Unready: func() string { return "" }, Footage: shelf{}, Totals: total, Journal: happened}
	if change != nil {
		change(&o)
	}
	s := New(o)
	s.Started()
	return s
}

func ask(s *Server, method, path, host string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func unready(o *Options) { o.Unready = func() string { return "the ledger is opened" } }

func TestGoldenAnswers(t *testing.T) {
	empty := func(o *Options) {
		o.Snapshot = func(context.Context) (Snapshot, error) { return Snapshot{Started: epoch}, nil }
		o.Manual = &hand{err: ErrNoCameras}
	}
	for _, tc := range []struct {
		golden, method, path string
		code                 int
		change               func(o *Options)
	}{
		{"health", "GET", "/health", 200, nil},
		{"health_degraded", "GET", "/health", 200, func(o *Options) {
			o.Problems = func() []Problem {
				return []Problem{
					{What: "uploads to primary fail", Cause: "the key has no right to write", Since: epoch.Add(-time.Hour), Remedy: "allow s3:PutObject"},
					{What: "camera Gate (gate) delivers nothing", Cause: "no route", Since: epoch.Add(-time.Minute)},
				}
			}
		}},
		{"status", "GET", "/status", 200, nil},
		{"status_empty", "GET", "/status", 200, empty},
		{"schedules", "GET", "/schedules", 200, nil},
		{"schedules_empty", "GET", "/schedules", 200, empty},
		{"manual_record", "POST", "/manual-record?camera_id=gate&duration_minutes=5", 200, nil},
		{"manual_record_unknown", "POST", "/manual-record?camera_id=nobody", 404, answers(ErrUnknownCamera)},
		{"manual_record_twice", "POST", "/manual-record?camera_id=gate", 400, answers(ErrRecording)},
		{"manual_record_empty", "POST", "/manual-record?camera_id=gate", 503, empty},
		{"manual_record_missing", "POST", "/manual-record", 422, nil},
		{"manual_record_malformed", "POST", "/manual-record?camera_id=gate&duration_minutes=x", 422, nil},
		{"manual_record_negative", "POST", "/manual-record?camera_id=gate&duration_minutes=-1", 422, nil},
		{"manual_record_endless", "POST", "/manual-record?camera_id=gate&duration_minutes=99999999", 422, nil},
		{"stop_recording", "POST", "/stop-recording/gate", 200, nil},
		{"stop_recording_idle", "POST", "/stop-recording/gate", 400, answers(ErrNotRecording)},
		{"stop_recording_always", "POST", "/stop-recording/gate", 400, answers(errors.New("change the configuration"))},
		{"retry", "POST", "/segments/seg-1/retry", 200, nil},
		{"retry_failed", "POST", "/segments/retry?failed=1", 200, nil},
		{"retry_failed_missing", "POST", "/segments/retry", 422, nil},
		{"retry_failed_malformed", "POST", "/segments/retry?failed=no", 422, nil},
		{"retry_unknown", "POST", "/segments/seg-9/retry", 404, nil},
		{"retry_unknown", "POST", "/segments/%2e%2e/retry", 404, nil},
		{"retry_unknown", "POST", "/segments/%2Fetc%2Fpasswd/retry", 404, nil},
		{"retry_waits_for_nothing", "POST", "/segments/seg-2/retry", 409, nil},
		{"retry_trouble", "POST", "/segments/seg-3/retry", 500, nil},
		{"method", "GET", "/segments/seg-1/retry", 405, nil},
		{"method", "GET", "/segments/retry?failed=1", 405, nil},
		{"not_found", "GET", "/nothing", 404, nil},
		{"not_found", "GET", "/api/v1/nothing", 404, nil},
		{"healthz", "GET", "/healthz", 200, unready},
		{"readyz", "GET", "/readyz", 200, nil},
		{"readyz_unready", "GET", "/readyz", 503, unready},
		{"api_status", "GET", "/api/v1/status", 200, nil},
		{"api_status_empty", "GET", "/api/v1/status", 200, empty},
		{"api_cameras", "GET", "/api/v1/cameras", 200, nil},
		{"api_cameras_empty", "GET", "/api/v1/cameras", 200, empty},
		{"api_camera", "GET", "/api/v1/cameras/YARD", 200, nil},
		{"api_camera_unknown", "GET", "/api/v1/cameras/%2e%2e%2f", 404, nil},
		{"api_destinations", "GET", "/api/v1/destinations", 200, nil},
		{"api_problems", "GET", "/api/v1/problems", 200, nil},
		{"schedules", "GET", "/api/v1/schedules", 200, nil},
		{"api_segments", "GET", "/api/v1/segments?camera=gate&from=2026-11-23T10:00:00Z&to=2026-11-23T12:00:00%2B01:00&limit=2&state=finished&cursor=1795428000000000_seg-1", 200, nil},
		{"api_segments_trouble", "GET", "/api/v1/segments", 500, func(o *Options) { o.Footage = shelf{errors.New("the disk is gone")} }},
		{"api_segment", "GET", "/api/v1/segments/seg-1", 200, nil},
		{"retry_unknown", "GET", "/api/v1/segments/seg-9", 404, nil},
		{"retry_unknown", "GET", "/api/v1/segments/..%2Fseg-1", 404, nil},
		{"api_gaps", "GET", "/api/v1/gaps?camera=gate&limit=1&cursor=7", 200, nil},
		{"method", "GET", "/manual-record", 405, nil},
	} {
		t.Run(tc.golden, func(t *testing.T) {
			w := ask(server(t, tc.change), tc.method, tc.path, "localhost:8001")
			if w.Code != tc.code || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%d %s, want %d", w.Code, w.Header().Get("Content-Type"), tc.code)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, w.Body.Bytes(), "", "  "); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", tc.golden+".json")
			if *update {
				if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pretty.Bytes(), want) {
				t.Errorf("answer:\n%s\nwant:\n%s", pretty.Bytes(), want)
			}
		})
	}
}

func TestHostsThatAreServed(t *testing.T) {
	s := server(t, func(o *Options) { o.AllowedHosts = []string{"Cupboard.local"} })
	for host, served := range map[string]bool{
		"localhost": true, "LOCALHOST:8001": true, "localhost.": true, "127.0.0.1:8001": true, "127.9.9.9": true, "[::1]:8001": true, "::1": true,
		"cupboard.local:8001": true, "CUPBOARD.LOCAL.": true,
		"evil.example": false, "localhost.evil.example": false, "192.168.1.5:8001": false, "": false, "0.0.0.0": false, "127.0.0.1.evil.example": false,
	} {
		if got := ask(s, "GET", "/health", host).Code == 200; got != served {
			t.Errorf("host %q is served: %v", host, got)
		}
	}
	own := server(t, func(o *Options) { o.Listen, o.Token = "192.168.1.5:8001", testToken })
	if ask(own, "GET", "/health", "192.168.1.5:8001").Code == 403 || ask(own, "GET", "/health", "192.168.1.6:8001").Code != 403 {
		t.Error("the address that is listened on, and only that, has to be served")
	}
	if w := ask(s, "GET", "/health", "evil.example"); !strings.Contains(w.Body.String(), "allowed_hosts") {
		t.Errorf("the refusal does not say what to do: %s", w.Body)
	}
}

// Segments are tried again for local callers, and for pages of our own only.
func TestRetryIsGuarded(t *testing.T) {
	asked := 0
	s := server(t, func(o *Options) {
		o.Retry = func(context.Context, string) (Retried, error) {
			asked++
			return Retried{Segments: 1}, nil
		}
	})
	for _, path := range []string{"/segments/seg-1/retry", "/segments/retry?failed=1"} {
		for _, tc := range []struct {
			host, origin string
			code         int
		}{
			{"localhost:8001", "", 200},
			{"127.0.0.1:8001", "http://127.0.0.1:8001", 200},
			{"localhost:8001", "https://evil.example", 403},
			{"localhost:8001", "null", 403},
			{"evil.example:8001", "", 403},
			{"evil.example:8001", "http://evil.example:8001", 403},
		} {
			asked = 0
			r := httptest.NewRequest("POST", path, nil)
			r.Host = tc.host
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != tc.code || (asked == 1) != (tc.code == 200) {
				t.Errorf("%s for host %s from %q: %d, asked %d times", path, tc.host, tc.origin, w.Code, asked)
			}
		}
	}
}

func TestPanicIsAnAnswer(t *testing.T) {
	s := server(t, func(o *Options) { o.Snapshot = func(context.Context) (Snapshot, error) { panic("a mistake") } })
	if w := ask(s, "GET", "/status", "localhost"); w.Code != 500 {
		t.Errorf("%d after a panic", w.Code)
	}
}

func TestPortThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var log bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s := server(t, func(o *Options) { o.Listen, o.Log = l.Addr().String(), zerolog.New(&log) })
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "status.listen") {
		t.Errorf("log: %s", log.String())
	}
}

func TestRunServesAndEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.serve(ctx, l) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/health")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestConnectionsAreLimited: each takes an open file, of which recording needs some.
func TestConnectionsAreLimited(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	counting := &countingListener{Listener: l}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s := server(t, nil)
	go func() { done <- s.serve(ctx, counting) }()
	var open []net.Conn
	for range maxConnections + 50 { // half-sent requests
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	for until := time.Now().Add(10 * time.Second); counting.accepted.Load() < maxConnections && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // for more
	if n := counting.accepted.Load(); n != maxConnections {
		t.Errorf("%d connections were accepted", n)
	}
	for _, c := range open {
		c.Close()
	}
	resp, err := http.Get("http://" + l.Addr().String() + "/health")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("once they are gone: %v, %v", resp, err)
	}
	resp.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

type countingListener struct {
	net.Listener
	accepted atomic.Int32
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return c, err
}

func FuzzHost(f *testing.F) {
	f.Add("localhost:8001")
	f.Add("[::1]:80")
	s := server(f, nil)
	f.Fuzz(func(t *testing.T, host string) {
		if s.allowed(host) && !strings.Contains(strings.ToLower(host), "localhost") && !strings.Contains(host, "127.") && !strings.Contains(host, ":") {
			t.Fatalf("host %q is served", host)
		}
	})
}

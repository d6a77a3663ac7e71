package uploader

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/crc64nvme"
	"github.com/rs/zerolog"

	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
	"recording-agent/uploader/s3/s3test"
	"recording-agent/uploader/wiretest"
)

const part = 5 << 20

// network is a spool and a real S3 server, and between them a proxy that can
// meddle with requests behind a line that can be cut, slowed, stalled and torn.
type network struct {
	t     *testing.T
	spool *spool.Spool
	line  *wiretest.Line
	https bool
	stall time.Duration
	ca    string
	store *s3.Store // straight to the server
	log   bytes.Buffer

	mu     sync.Mutex
	meddle func(w http.ResponseWriter, r *http.Request, body []byte) (done bool)
	bodies int64
	sent   map[string]int // how often each part, by key and number

	uploader *Uploader
	stop     func()
}

func newNetwork(t *testing.T, bucket string, server *s3test.Server, secure bool) *network {
	t.Helper()
	n := &network{t: t, stall: 20 * time.Second, sent: map[string]int{}, stop: func() {}, https: secure}
	var err error
	n.spool, err = spool.Open(t.Context(), spool.Options{
		Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now,
		Destinations: []spool.Destination{{Name: "primary", Bucket: bucket, Key: func(seg spool.Segment) string { return seg.ID + ".mp4" }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.spool.Close() })
	target, _ := url.Parse(server.Endpoint)
	next := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.pass(w, r, next) }))
	proxy.Config.ErrorLog = nil
	if secure {
		proxy.StartTLS()
		n.ca = filepath.Join(t.TempDir(), "ca.pem")
		pem := "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(proxy.Certificate().Raw) + "\n-----END CERTIFICATE-----\n"
		if err := os.WriteFile(n.ca, []byte(pem), 0o600); err != nil {
			t.Fatal(err)
		}
	} else {
		proxy.Start()
	}
	t.Cleanup(proxy.Close)
	n.line = wiretest.New(t, proxy.Listener.Addr().String())
	t.Cleanup(func() { n.stop() })
	n.store = s3.New(s3.Options{
		Bucket: bucket, Region: s3test.Region, Endpoint: server.Endpoint, PathStyle: true, AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey,
	})
	return n
}

// pass counts what arrives of bodies, whole or torn, and lets the test meddle.
func (n *network) pass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(r.Body)
	n.mu.Lock()
	if r.Method == http.MethodPut {
		n.bodies += int64(len(body))
		if number := r.URL.Query().Get("partNumber"); number != "" && len(body) > 0 {
			n.sent[r.URL.Path+"#"+number]++
		}
	}
	meddle := n.meddle
	n.mu.Unlock()
	if err != nil {
		return
	}
	if meddle != nil && meddle(w, r, body) {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(w, r)
}

// set has requests meddled with; nil: no more.
func (n *network) set(f func(w http.ResponseWriter, r *http.Request, body []byte) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.meddle = f
}

// start runs an uploader as after a restart: with nothing but the ledger.
func (n *network) start(host string) {
	scheme := "http://"
	if n.https {
		scheme = "https://"
	}
	_, port, _ := strings.Cut(n.line.Address, ":")
	store := s3.New(s3.Options{
		Bucket: n.bucket(), Region: s3test.Region, Endpoint: scheme + host + ":" + port, PathStyle: true, AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey,
		CAFile: n.ca, PartSize: part, Stall: n.stall,
	})
	n.uploader = New(Options{
		Ledger: n.spool, Changed: n.spool.Subscribe(), Grown: n.spool.SubscribeGrowth(), Store: store, Destination: "primary", Parallel: 2, Backlog: 0.25,
		Bandwidth: NewBandwidth(Limits{}, time.Now), Log: zerolog.New(zerolog.SyncWriter(&n.log)), Now: time.Now,
	})
	n.uploader.every = 200 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	up := n.uploader
	done.Go(func() { _ = up.Run(ctx) })
	n.stop = sync.OnceFunc(func() {
		cancel() // without grace: what is under way is torn
		done.Wait()
	})
}

func (n *network) bucket() string {
	_, bucket, _ := strings.Cut(strings.TrimPrefix(n.store.String(), "http://"), "/")
	return bucket
}

// footage is a segment that grows.
type footage struct {
	n    *network
	seg  spool.Segment
	file *os.File
	data []byte
}

func (n *network) begin(i, size int) *footage {
	n.t.Helper()
	start := time.Now().Add(-time.Duration(10-i) * time.Minute)
	path, err := spool.PathFor("gate", id(i), start)
	if err != nil {
		n.t.Fatal(err)
	}
	f := &footage{n: n, seg: spool.Segment{ID: id(i), CameraID: "gate", CameraName: "Gate", ClientName: "host", Path: path, Start: start}}
	if f.file, err = n.spool.Create(f.seg); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { f.file.Close() })
	f.data = make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(f.data)
	if err := n.spool.Begun(n.t.Context(), f.seg); err != nil {
		n.t.Fatal(err)
	}
	return f
}

// grow writes up to a point, and says so as the recorder does.
func (f *footage) grow(to int) {
	f.n.t.Helper()
	if _, err := f.file.WriteAt(f.data[:to], 0); err != nil {
		f.n.t.Fatal(err)
	}
	f.n.spool.Grown(f.seg.ID, int64(to))
}

// finish rewrites the front, as finishing a segment does.
func (f *footage) finish() *footage {
	f.n.t.Helper()
	f.grow(len(f.data))
	copy(f.data, "another front")
	if _, err := f.file.WriteAt(f.data, 0); err != nil {
		f.n.t.Fatal(err)
	}
	sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(f.data)))
	if err := f.n.spool.Finished(f.n.t.Context(), f.seg.ID, f.seg.Start, mp4.Result{Size: int64(len(f.data)), Checksum: sum, Duration: time.Minute, Frames: 1500}); err != nil {
		f.n.t.Fatal(err)
	}
	return f
}

// until waits for a condition, which says what is wanted still.
func (n *network) until(limit time.Duration, condition func() (wanted string)) {
	n.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		wanted := condition()
		if wanted == "" {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("after %v still: %s\n%s", limit, wanted, &n.log)
		}
	}
}

// settled waits until all is verified, then compares it with what the store holds.
func (n *network) settled(all ...*footage) {
	n.t.Helper()
	n.until(60*time.Second, func() string {
		for _, f := range all {
			d, err := n.spool.Deliveries(n.t.Context(), f.seg.ID)
			if err != nil || d[0].State != spool.Verified {
				return fmt.Sprintf("segment %s to be verified: %+v, %v", f.seg.ID, d, err)
			}
		}
		return ""
	})
	for _, f := range all {
		name := filepath.Join(n.t.TempDir(), "object")
		object, err := os.Create(name)
		if err != nil {
			n.t.Fatal(err)
		}
		_, err = n.store.Fetch(n.t.Context(), f.seg.ID+".mp4", object)
		object.Close()
		if got, rerr := os.ReadFile(name); err != nil || rerr != nil || !bytes.Equal(got, f.data) {
			n.t.Errorf("the object of %s is not the file: %d bytes of %d, %v", f.seg.ID, len(got), len(f.data), errors.Join(err, rerr))
		}
	}
	left, err := n.store.Leftovers(n.t.Context(), "", nil)
	if err != nil || len(left) > 0 {
		n.t.Errorf("uploads left open: %+v, %v", left, err)
	}
}

// within wants that no part was sent more often than allowed.
func (n *network) within(times int) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for what, sent := range n.sent {
		if sent > times {
			n.t.Errorf("part %s was sent %d times, allowed are %d", what, sent, times)
		}
	}
}

func answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>as the test wants it</Message></Error>")
}

func isPart(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Has("partNumber")
}

// few meddles with the first requests of a kind.
func few(n int, kind func(*http.Request) bool, do func(w http.ResponseWriter, r *http.Request, body []byte) bool) func(http.ResponseWriter, *http.Request, []byte) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		mu.Lock()
		hit := kind(r) && n > 0
		if hit {
			n--
		}
		mu.Unlock()
		return hit && do(w, r, body)
	}
}

// skip lets the first requests of a kind pass.
func skip(n int, kind func(*http.Request) bool, then func(w http.ResponseWriter, r *http.Request, body []byte) bool) func(http.ResponseWriter, *http.Request, []byte) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		mu.Lock()
		pass := kind(r) && n > 0
		if pass {
			n--
		}
		mu.Unlock()
		return !pass && then(w, r, body)
	}
}

func always(*http.Request) bool { return true }

func fails(status int, code string) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		answer(w, status, code)
		return true
	}
}

// Whatever the network and the store do, in the end each segment is verified, its
// object is the file, nothing is left open, and no part has gone more often than
// it had to.
func TestNetworkFaults(t *testing.T) {
	damage := func(_ http.ResponseWriter, _ *http.Request, body []byte) bool {
		body[len(body)/2] ^= 4
		return false
	}
	isComplete := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }
	faults := []struct {
		name   string
		line   wiretest.Fault
		meddle func(http.ResponseWriter, *http.Request, []byte) bool
		heal   time.Duration // after which the line is good again; 0: it stays as it is
		times  int           // that a part may be sent; the first part goes twice in any case
		secure bool
	}{
		{name: "none", times: 2},
		{name: "latency of 200 ms", line: wiretest.Fault{Latency: 200 * time.Millisecond}, times: 2},
		{name: "bandwidth of 1 Mbit/s", line: wiretest.Fault{Bandwidth: 125_000}, heal: 6 * time.Second, times: 2},
		{name: "half of the connections reset", line: wiretest.Fault{Reset: 0.5}, heal: 4 * time.Second, times: 8},
		{name: "stall", line: wiretest.Fault{Stalled: true}, heal: 4 * time.Second, times: 2},
		{name: "line cut", line: wiretest.Fault{Cut: true}, heal: 3 * time.Second, times: 2},
		{name: "truncated answers", line: wiretest.Fault{Truncate: 100}, heal: 3 * time.Second, times: 8},
		{name: "500", meddle: few(5, always, fails(500, "InternalError")), times: 4},
		{name: "503 SlowDown", meddle: few(5, always, fails(503, "SlowDown")), times: 4},
		{name: "403", meddle: few(4, always, fails(403, "AccessDenied")), times: 3},
		{name: "404 NoSuchUpload for a part", meddle: few(1, isPart, fails(404, "NoSuchUpload")), times: 3},
		{name: "404 NoSuchUpload at the end", meddle: few(1, isComplete, fails(404, "NoSuchUpload")), times: 4},
		{name: "bits flipped on the way", meddle: few(3, isPart, damage), times: 5},
		{name: "bits flipped on the way, inside TLS", meddle: skip(2, isPart, few(3, isPart, damage)), times: 5, secure: true}, // by then signatures do not cover bodies any more
	}
	var buckets []string
	for i := range faults {
		buckets = append(buckets, fmt.Sprintf("fault-%02d", i))
	}
	server := s3test.Run(t, false, buckets...)
	t.Run("faults", func(t *testing.T) {
		for i, tc := range faults {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				n := newNetwork(t, buckets[i], server, tc.secure)
				large, small := n.begin(1, 11<<20).finish(), n.begin(2, 1<<20).finish()
				growing := n.begin(3, 2*part+1000)
				growing.grow(part + 10)
				if tc.line.Stalled {
					n.stall = time.Second
				}
				n.line.Set(tc.line)
				n.set(tc.meddle)
				n.start("127.0.0.1")
				if tc.heal > 0 {
					time.Sleep(tc.heal)
					n.line.Set(wiretest.Fault{})
				}
				growing.finish()
				n.settled(large, small, growing)
				n.within(tc.times)
			})
		}
	})
}

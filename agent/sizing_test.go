package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"recording-agent/uploader/wiretest"
)

// requests counts what is asked of a store, by method and path.
type requests struct {
	mu    sync.Mutex
	count map[string]int
	next  http.Handler
}

func (r *requests) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.count[q.Method+" "+q.URL.Path]++
	r.mu.Unlock()
	r.next.ServeHTTP(w, q)
}

const partSize = 5 << 20

// paidFor is how many PUT and POST requests docs/sizing.md says that a segment takes.
func paidFor(parts int) int { return parts + 3 }

// docs/sizing.md reckons with what uploads take, and reckons right.
func TestRequestsOfASegment(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	h := newHost(t)
	store, err := url.Parse(h.store.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	seen := &requests{count: map[string]int{}, next: httputil.NewSingleHostReverseProxy(store)}
	proxy := httptest.NewServer(seen)
	t.Cleanup(proxy.Close)
	h.toStore = wiretest.New(t, proxy.Listener.Addr().String())
	h.segment = "15s"
	h.configure()
	h.start()
	h.until(90*time.Second, func() string {
		for _, r := range h.central.Recordings() {
			if r.Status == "completed" && r.FileSize > partSize {
				return ""
			}
		}
		return "a completed segment of several parts"
	})
	h.stop()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, r := range h.central.Recordings() {
		if r.Status != "completed" || r.FileSize <= partSize {
			continue
		}
		path := "/" + hostBucket + "/" + r.FilePath
		parts := int((r.FileSize + partSize - 1) / partSize)
		if paid := seen.count["PUT "+path] + seen.count["POST "+path]; paid > paidFor(parts) || paid < paidFor(parts)-1 {
			// One less where the segment ended before its first part was sent: that goes once.
			t.Errorf("a segment of %d parts took %d PUT and POST requests, docs/sizing.md says %d", parts, paid, paidFor(parts))
		}
		if n := seen.count["HEAD "+path]; n < 1 || n > 2 {
			t.Errorf("it took %d HEAD requests", n)
		}
	}
}

// The table of requests follows from that.
func TestSizingOfRequests(t *testing.T) {
	data, err := os.ReadFile("../docs/sizing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(data), "## Requests")
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !strings.Contains(cells[1], "Mbit/s") {
			continue
		}
		rows++
		rate, err := strconv.Atoi(strings.Fields(cells[1])[0])
		if err != nil {
			t.Fatal(err)
		}
		month := func(part int) (parts, requests int) {
			parts = (rate*1e6/8*300 + part - 1) / part
			return parts, paidFor(parts) * 288 * 30
		}
		dollars := func(requests int) string {
			return strconv.FormatFloat(float64(requests)/1000*0.005, 'f', 2, 64) + " USD"
		}
		parts, requests := month(partSize)
		_, fewer := month(16 << 20)
		for i, want := range map[int]string{2: strconv.Itoa(parts), 3: strconv.Itoa(requests), 4: dollars(requests), 5: dollars(fewer)} {
			if got := strings.ReplaceAll(strings.TrimSpace(cells[i]), ",", ""); got != want {
				t.Errorf("at %d Mbit/s docs/sizing.md says %s, want %s", rate, got, want)
			}
		}
	}
	if rows != 4 {
		t.Errorf("%d rows", rows)
	}
}

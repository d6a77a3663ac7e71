package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rs/zerolog"

	"recording-agent/agent/config"
	"recording-agent/agent/journal"
	"recording-agent/capture/spool"
)

// testClock is a host's clock that the test sets. Setting it is what it is on a host:
// readings go on evenly for those who measure time by them.
type testClock struct {
	behind atomic.Int64 // seconds
	booted time.Time
	boot   string
}

// lost is a clock that begins in 1970 with the boot, 20 seconds ago.
func lost(boot string) *testClock {
	c := &testClock{booted: time.Now().Add(-20 * time.Second), boot: boot}
	c.behind.Store(c.booted.Unix())
	return c
}

func (c *testClock) now() time.Time {
	t := time.Now()
	// The seconds of the wall clock, of a reading that has a monotonic one as well: see
	// the source of package time. There is no other way to set them alone.
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall -= uint64(c.behind.Load()) << 30
	return t
}

func (c *testClock) host() spool.HostClock {
	return spool.HostClock{
		Now: c.now, Uptime: func() time.Duration { return time.Since(c.booted) }, Boot: c.boot, Synced: func() (yes, known bool) { return false, false },
	}
}

func TestTestClock(t *testing.T) {
	c := lost("1")
	before := c.now()
	c.behind.Store(0)
	after := c.now()
	if y := before.UTC().Year(); y != 1970 || after.Sub(before) > time.Second || time.Since(after).Abs() > time.Second {
		t.Errorf("from %v to %v, which is %v", before, after, after.Sub(before))
	}
}

// startHere runs the agent in this process, by a clock. The returned function ends it.
func (h *host) startHere(c *testClock) (stop func()) {
	h.t.Helper()
	cfg, err := config.Load(h.config(), config.System())
	if err != nil {
		h.t.Fatal(err)
	}
	log, level := zerolog.New(zerolog.SyncWriter(&h.said)), &logLevel{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- startAndRun(ctx, cfg, c.host(), nil, log, level, past{journal: journal.New(), over: func() {}})
	}()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("the agent did not end well: %v", err)
		}
	}
	h.t.Cleanup(stop)
	return stop
}

// A host without a battery for its clock boots in 1970 and is told the time later:
// what it has recorded meanwhile arrives under its true time, and all time is
// accounted for.
func TestBootIn1970(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	h := newHost(t)
	began := time.Now()
	stop := h.startHere(&testClock{booted: began.Add(-time.Hour), boot: "before"})
	h.until(40*time.Second, func() string { return h.completed(1) })
	stop()
	rows, objects := len(h.central.Recordings()), h.keys()

	booted := time.Now()
	clock := lost("after")
	stop = h.startHere(clock)
	h.until(40*time.Second, func() string {
		if n := strings.Count(strings.Join(h.files(), "\n"), "/19700101T"); n < 6 {
			return fmt.Sprintf("two finished segments of each camera and an open one, there are %d", n)
		}
		return ""
	})
	if n, keys := len(h.central.Recordings()), h.keys(); n != rows || len(keys) != len(objects) {
		t.Errorf("before the clock is set central has %d rows, had %d; the store %v, had %v", n, rows, keys, objects)
	}
	h.wantHealth("the host's clock is not set: 1970-01-01 00:00:")
	clock.behind.Store(0)
	h.until(40*time.Second, func() string {
		if held := strings.Count(strings.Join(h.files(), "\n"), "/19700101T"); held > 0 {
			return fmt.Sprintf("all segments have their times, %d have not", held)
		}
		return ""
	})
	time.Sleep(6 * time.Second) // another segment
	h.wantHealth("")
	stop()
	h.silence()
	stop = h.startHere(clock)
	h.until(30*time.Second, h.backlog)
	stop()
	h.account(0)
	since := 0
	for _, r := range h.central.Recordings() {
		start, err := time.Parse(time.RFC3339Nano, fmt.Sprint(r.Extra["start_time"]))
		if start.After(booted) {
			since++
		}
		if err != nil || start.Before(began) || start.After(time.Now()) || !strings.Contains(r.FilePath, start.Format("20060102T150405")) ||
			!strings.HasSuffix(r.Name, start.Format("2006-01-02 15:04:05.000 UTC")) || r.Extra["undated"] != nil {
			t.Errorf("recording %q under %s from %v", r.Name, r.FilePath, r.Extra["start_time"])
		}
	}
	if since < 8 {
		t.Errorf("central has %d recordings since the boot, at least three of each camera were made before the clock was set, and one after", since)
	}
	if text := h.said.take(); !strings.Contains(text, "the host's clock is not set") || !strings.Contains(text, "what was recorded before has its times now") {
		t.Errorf("the log does not say it:\n%s", text)
	}
}

// completed says what is missing until central has so many completed segments of each
// camera.
func (h *host) completed(n int) string {
	done := map[string]int{}
	for _, r := range h.central.Recordings() {
		if r.Status == "completed" {
			done[r.CameraID]++
		}
	}
	for _, id := range h.cameras {
		if done[id] < n {
			return fmt.Sprintf("%d completed segments of each camera: %v", n, done)
		}
	}
	return ""
}

// keys lists what the store has, or is being sent.
func (h *host) keys() (keys []string) {
	h.t.Helper()
	objects, err := h.objects.ListObjectsV2(h.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(hostBucket)})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, o := range objects.Contents {
		keys = append(keys, *o.Key)
	}
	uploads, err := h.objects.ListMultipartUploads(h.t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(hostBucket)})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		keys = append(keys, *u.Key)
	}
	return keys
}

// wantHealth wants /health to begin its message so; to have none if that is empty.
func (h *host) wantHealth(message string) {
	h.t.Helper()
	response, err := http.Get("http://" + h.status + "/health")
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	var health struct {
		Problems []struct{ What, Cause string }
	}
	if err := json.Unmarshal(body, &health); err != nil {
		h.t.Fatal(err)
	}
	said := ""
	for _, p := range health.Problems {
		if p.What == "nothing is uploaded" {
			said = p.Cause
		}
	}
	if !strings.HasPrefix(said, message) || (message == "") != (said == "") {
		h.t.Errorf("/health says %s", body)
	}
}

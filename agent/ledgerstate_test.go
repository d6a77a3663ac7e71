package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/config"
	"recording-agent/agent/status"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

const builtCamera = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

// builtAgent is an agent with one camera that runs none of its parts.
func builtAgent(t *testing.T, dir string, log zerolog.Logger) *agent {
	t.Helper()
	file := filepath.Join(dir, "agent.toml")
	text := fmt.Sprintf("[agent]\nclient_name = \"host\"\nstorage = \"local\"\ndata_dir = %q\n[[camera]]\nid = %q\nname = \"Gate\"\nurl = \"rtsp://127.0.0.1:9/x\"\n", filepath.Join(dir, "data"), builtCamera)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, config.System())
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{cfg: cfg, log: log, now: time.Now, started: time.Now(), latencies: status.NewLatencies(), level: &logLevel{}}
	a.counts = &counts{missing: map[gapKey]time.Duration{}}
	a.disk, a.reader.trouble = outage.New(a.log, "disk", a.now), outage.New(a.log, "the state is told as it was", a.now)
	a.leftovers = a.newLeftovers()
	options, clock := a.spoolOptions(), systemClock()
	options.Clock = &clock
	if a.spool, err = spool.Open(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	a.build()
	return a
}

// TestStateWithoutTheLedger: while the ledger cannot be read, the state is told as it
// was last known, with what is wrong.
func TestStateWithoutTheLedger(t *testing.T) {
	const camera = builtCamera
	dir := t.TempDir()
	var log said
	a := builtAgent(t, dir, zerolog.New(&log))
	if err := a.spool.GapBetween(t.Context(), camera, time.Now().Add(-time.Minute), time.Now().Add(-30*time.Second), spool.DiskFull, ""); err != nil {
		t.Fatal(err)
	}
	port := status.New(status.Options{Listen: "127.0.0.1:0", Snapshot: a.snapshot, Problems: a.problems, Unready: a.unready, Totals: a.totals, Latencies: a.latencies, Log: a.log, Now: a.now})
	port.Started()
	ask := func(path string, words ...string) {
		t.Helper()
		w := httptest.NewRecorder()
		port.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
		for _, word := range words {
			if !strings.Contains(w.Body.String(), word) {
				t.Errorf("%s does not say %q: %s", path, word, w.Body)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var cameras sync.WaitGroup
	cameras.Go(func() { a.fleet.run(ctx) })
	defer func() {
		cancel()
		cameras.Wait()
	}()
	for until := time.Now().Add(20 * time.Second); a.fleet.camera(camera) == nil && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	gap := `recording_agent_camera_gap_seconds_total{camera="` + camera + `",cause="disk full"} 30`
	ask("/status", `"ledger_trouble":null`, `"cause":"disk full"`)
	ask("/metrics", "recording_agent_ledger_readable 1", gap)
	ask("/health", `"healthy"`)

	if err := a.spool.Close(); err != nil {
		t.Fatal(err)
	}
	ask("/status", `"ledger_trouble":{"cause":"`, `database is closed`, `"known_at":"20`, `"cause":"disk full"`)
	ask("/metrics", "recording_agent_ledger_readable 0", "recording_agent_problems 1", gap)
	ask("/health", `"degraded"`, "the ledger cannot be read", "database is closed")
	ask("/schedules", `"count":0`)
	ask("/api/v1/cameras", `"cause":"disk full"`)
	if n := strings.Count(log.String(), "the state is told as it was"); n != 1 {
		t.Errorf("said %d times in a moment: %s", n, log.String())
	}
}

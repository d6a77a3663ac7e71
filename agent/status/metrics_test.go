package status

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestMetrics(t *testing.T) {
	latencies := NewLatencies()
	latencies.Verified("primary").Observe(7)
	latencies.Verified("primary").Observe(700)
	latencies.Completed().Observe(42)
	w := ask(server(t, func(o *Options) { o.Latencies = latencies }), http.MethodGet, "/metrics", "localhost")
	text := w.Body.String()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if w.Code != http.StatusOK || err != nil {
		t.Fatalf("%d, %v:\n%s", w.Code, err, text)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, line := range []string{
		`recording_agent_build_info{client="warehouse-7",version="1.2.3"} 1`,
		`recording_agent_disk_free_bytes 1.23456789e+08`,
		`recording_agent_camera_info{audio_codec="aac",camera="gate",name="Front gate",video_codec="h264"} 1`,
		`recording_agent_camera_recording{camera="gate"} 1`,
		`recording_agent_camera_recording{camera="yard"} 0`,
		`recording_agent_camera_last_frame_timestamp_seconds{camera="gate"} 1.795428e+09`,
		`recording_agent_camera_last_frame_timestamp_seconds{camera="yard"} 0`,
		`recording_agent_camera_coverage_ratio{camera="gate",window="1d"} 0.75`,
		`recording_agent_camera_damages_total{camera="gate"} 3`,
		`recording_agent_camera_bytes_total{camera="gate"} 123456`,
		`recording_agent_camera_panics_total{camera="gate"} 0`,
		`recording_agent_camera_queue_bytes{camera="gate"} 654321`,
		`recording_agent_camera_gap_seconds_total{camera="gate",cause="camera stalled"} 90`,
		`recording_agent_camera_unsafe_seconds{camera="gate"} 912.5`,
		`recording_agent_segments{state="deleted"} 288`,
		`recording_agent_problems 0`,
		`recording_agent_disk_full_in_seconds +Inf`,
		`recording_agent_destination_bytes_total{destination="primary"} 1.2582912e+08`,
		`recording_agent_destination_failures_total{destination="primary"} 2`,
		`recording_agent_destination_latency_seconds_bucket{destination="primary",le="10"} 1`,
		`recording_agent_destination_latency_seconds_count{destination="primary"} 2`,
		`recording_agent_central_latency_seconds_sum 42`,
		`recording_agent_destination_backlog_seconds{destination="primary"} 900.04`,
		`recording_agent_central_pending_segments 4`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is not among\n%s", line, text)
		}
	}
	for _, of := range []string{"go_goroutines ", "process_open_fds ", "process_resident_memory_bytes "} {
		if !strings.Contains(text, "\n"+of) {
			t.Errorf("nothing of the process: %s", of)
		}
	}
}

func TestMetricsOfAnAgentWithoutAnything(t *testing.T) {
	s := server(t, func(o *Options) {
		o.Snapshot = func(context.Context) (Snapshot, error) { return Snapshot{}, nil }
		o.Latencies = NewLatencies()
	})
	text := ask(s, http.MethodGet, "/metrics", "localhost").Body.String()
	if !strings.Contains(text, "recording_agent_start_time_seconds 0\n") || strings.Contains(text, "recording_agent_central") {
		t.Error(text)
	}
}

// Prometheus's own tool has nothing to say against names and units.
func TestPromtoolTakesTheMetrics(t *testing.T) {
	c := exec.Command(tool(t), "check", "metrics")
	c.Stdin = ask(server(t, func(o *Options) { o.Latencies = NewLatencies() }), http.MethodGet, "/metrics", "localhost").Body
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestWhenTheDiskIsFull(t *testing.T) {
	for name, tc := range map[string]struct {
		disk  Disk
		in    time.Duration
		fills bool
	}{
		"fills":          {Disk{FreeBytes: 3600e6, TotalBytes: 1e12, FillRate: 1e6}, time.Hour, true},
		"empties":        {Disk{FreeBytes: 3600e6, TotalBytes: 1e12, FillRate: -1e6}, 0, false},
		"stands":         {Disk{FreeBytes: 3600e6, TotalBytes: 1e12}, 0, false},
		"is not known":   {Disk{FillRate: 1e6}, 0, false},
		"in a century":   {Disk{FreeBytes: 1e18, TotalBytes: 1e18, FillRate: 1}, 10 * 365 * 24 * time.Hour, false},
		"is full by now": {Disk{TotalBytes: 1e12, FillRate: 1e6}, 0, true},
	} {
		if in, fills := tc.disk.FullIn(); in != tc.in || fills != tc.fills {
			t.Errorf("a disk that %s: %v, %v", name, in, fills)
		}
	}
}

package status

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestMetrics(t *testing.T) {
	w := ask(server(t, nil), http.MethodGet, "/metrics", "localhost")
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
	s := server(t, func(o *Options) { o.Snapshot = func(context.Context) (Snapshot, error) { return Snapshot{}, nil } })
	text := ask(s, http.MethodGet, "/metrics", "localhost").Body.String()
	if !strings.Contains(text, "recording_agent_start_time_seconds 0\n") || strings.Contains(text, "recording_agent_central") {
		t.Error(text)
	}
}

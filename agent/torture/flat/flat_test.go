package flat

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// soaked is a run with faults, in which something may be leaked with each reconnect.
func soaked(leak func(s *Sample, reconnects float64)) *Record {
	r := &Record{Cameras: []string{"gate", "yard"}}
	random := rand.New(rand.NewPCG(1, 2))
	noise := func() float64 { return random.Float64() - 0.5 }
	for i := range 300 {
		n := float64(i / 10)
		s := Sample{
			Started: 1, Goroutines: 60 + 10*noise(), OpenFiles: 30 + 4*noise(), Heap: 20e6 + 8e6*noise(), Goal: 18e6 + 2e6*noise(), Resident: 70e6 + 6e6*noise(),
			Held: map[string]float64{"gate": 5e5 + 9e5*noise(), "yard": 1e5}, Reconnects: map[string]float64{"gate": n, "yard": n + 1},
			Failures: float64(i), Uploaded: float64(i),
		}
		leak(&s, n)
		r.Add(s)
	}
	return r
}

func TestWhatIsLeakedShows(t *testing.T) {
	for name, tc := range map[string]struct {
		leak func(s *Sample, reconnects float64)
		want string
	}{
		"nothing":              {func(*Sample, float64) {}, ""},
		"a goroutine each":     {func(s *Sample, n float64) { s.Goroutines += n }, "goroutines grows"},
		"a file each":          {func(s *Sample, n float64) { s.OpenFiles += n }, "open files grows"},
		"half a MB each":       {func(s *Sample, n float64) { s.Heap += n * 5e5; s.Resident += n * 5e5 }, "heap in use, MB grows"},
		"what lives":           {func(s *Sample, n float64) { s.Goal += n * 5e5 }, "heap goal, MB grows"},
		"a camera's buffers":   {func(s *Sample, n float64) { s.Held["gate"] += n * 1e5 }, "held for camera 1, MB grows"},
		"another process":      {func(s *Sample, n float64) { s.Started += n }, "process is another one"},
		"a panic":              {func(s *Sample, _ float64) { s.Panics = 1 }, "1 panics"},
		"nothing has happened": {func(s *Sample, _ float64) { s.Failures = 0 }, "no upload failed"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			troubles := soaked(tc.leak).Report(&out)
			if tc.want == "" && len(troubles) > 0 || tc.want != "" && !slices.ContainsFunc(troubles, func(s string) bool { return strings.Contains(s, tc.want) }) {
				t.Errorf("troubles %q, want %q\n%s", troubles, tc.want, out.String())
			}
		})
	}
}

const answer = `# TYPE go_goroutines gauge
go_goroutines 42
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.7e+09
process_open_fds 17
go_memstats_heap_inuse_bytes 2.5e+07
go_memstats_next_gc_bytes 2e+07
process_resident_memory_bytes 6e+07
# TYPE recording_agent_camera_queue_bytes gauge
recording_agent_camera_queue_bytes{camera="gate"} 100
recording_agent_camera_queue_bytes{camera="yard"} 200
# TYPE recording_agent_camera_panics_total counter
recording_agent_camera_panics_total{camera="gate"} 1
recording_agent_camera_panics_total{camera="yard"} 2
# TYPE recording_agent_camera_reconnects_total counter
recording_agent_camera_reconnects_total{camera="gate"} 3
# TYPE recording_agent_destination_failures_total counter
recording_agent_destination_failures_total{destination="s3"} 4
# TYPE recording_agent_destination_segments_total counter
recording_agent_destination_segments_total{destination="s3"} 5
`

func TestParse(t *testing.T) {
	s, err := Parse(strings.NewReader(answer))
	if err != nil {
		t.Fatal(err)
	}
	if s.Goroutines != 42 || s.OpenFiles != 17 || s.Heap != 2.5e7 || s.Goal != 2e7 || s.Held["yard"] != 200 || s.Panics != 3 || s.Reconnects["gate"] != 3 || s.Failures != 4 || s.Uploaded != 5 {
		t.Errorf("%+v", s)
	}
	if _, err := Parse(strings.NewReader(strings.Replace(answer, "process_open_fds", "other", 1))); err == nil || !strings.Contains(err.Error(), "process_open_fds") {
		t.Errorf("a metric that is missing: %v", err)
	}
}

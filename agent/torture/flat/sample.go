// Package flat looks whether what a program takes of its host stays flat. Samples of
// its metrics enter, a table of the first third beside the last one leaves.
package flat

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Sample is what the agent says of itself at one moment.
type Sample struct {
	Started    float64 // of the process, in Unix time: another one is another process
	Goroutines float64
	OpenFiles  float64
	Heap       float64            // bytes in use, garbage included
	Goal       float64            // bytes at which the next collection begins: what lives, doubled
	Resident   float64            // bytes of memory
	Held       map[string]float64 // bytes of footage in memory, by camera
	Reconnects map[string]float64 // by camera
	Panics     float64            // of all cameras
	Failures   float64            // of uploads
	Uploaded   float64            // segments
}

const (
	takeWithin = 20 * time.Second
	maxAnswer  = 8 << 20
)

// Take reads a sample from a metrics endpoint.
func Take(ctx context.Context, url string) (s Sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, takeWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return s, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return s, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s answers %s", url, res.Status)
	}
	return Parse(io.LimitReader(res.Body, maxAnswer))
}

// Parse reads a sample from what a metrics endpoint answers. A metric that is missing is
// an error: it would be flat for ever.
func Parse(in io.Reader) (s Sample, err error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(in)
	if err != nil {
		return s, fmt.Errorf("read metrics: %w", err)
	}
	for name, into := range map[string]*float64{
		"process_start_time_seconds": &s.Started, "go_goroutines": &s.Goroutines, "process_open_fds": &s.OpenFiles,
		"go_memstats_heap_inuse_bytes": &s.Heap, "go_memstats_next_gc_bytes": &s.Goal, "process_resident_memory_bytes": &s.Resident,
		"recording_agent_camera_panics_total": &s.Panics, "recording_agent_destination_failures_total": &s.Failures,
		"recording_agent_destination_segments_total": &s.Uploaded,
	} {
		values, err := byLabel(families, name, "")
		if err != nil {
			return s, err
		}
		*into = values[""]
	}
	if s.Held, err = byLabel(families, "recording_agent_camera_queue_bytes", "camera"); err != nil {
		return s, err
	}
	s.Reconnects, err = byLabel(families, "recording_agent_camera_reconnects_total", "camera")
	return s, err
}

// byLabel sums a metric up by the values of a label.
func byLabel(families map[string]*dto.MetricFamily, name, label string) (map[string]float64, error) {
	family := families[name]
	if family == nil {
		return nil, fmt.Errorf("the metric %s is missing", name)
	}
	out := map[string]float64{}
	for _, m := range family.GetMetric() {
		of := ""
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				of = l.GetValue()
			}
		}
		out[of] += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
	}
	return out, nil
}

func (s Sample) String() string {
	reconnects := 0.0
	for _, n := range s.Reconnects {
		reconnects += n
	}
	return fmt.Sprintf("%.0f goroutines, %.0f open files, %.1f MB of heap, %.1f MB resident; %.0f reconnects, %.0f uploads failed, %.0f segments uploaded",
		s.Goroutines, s.OpenFiles, s.Heap/1e6, s.Resident/1e6, reconnects, s.Failures, s.Uploaded)
}

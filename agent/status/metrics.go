package status

import (
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics serves the state in Prometheus's format, together with that of the
// process: goroutines, open files, memory. Names and units are by its conventions.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	snap, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	totals := s.opts.Totals(r.Context())
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), exporter{snap, totals, len(s.opts.Problems())})
	if l := s.opts.Latencies; l != nil {
		registry.MustRegister(l.verified)
		if snap.Central != nil {
			registry.MustRegister(l.completed)
		}
	}
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// Totals are what the ledger has of all time.
type Totals struct {
	Gaps     []GapTotal
	Segments map[string]int // by their state
}

// GapTotal is how much of a camera's scheduled time is missing for one cause.
type GapTotal struct {
	Camera  string // id
	Cause   string
	Missing time.Duration
}

// exporter is the state at one moment as metrics.
type exporter struct {
	Snapshot
	totals   Totals
	problems int
}

const namespace = "recording_agent_"

// metric is a number that is told of each T.
type metric[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(T) float64
}

func gauge[T any](name, help string, labels []string, of func(T) float64) metric[T] {
	return metric[T]{prometheus.NewDesc(namespace+name, help, labels, nil), prometheus.GaugeValue, of}
}

func counter[T any](name, help string, labels []string, of func(T) float64) metric[T] {
	return metric[T]{prometheus.NewDesc(namespace+name, help, labels, nil), prometheus.CounterValue, of}
}

func (m metric[T]) tell(ch chan<- prometheus.Metric, of T, labels ...string) {
	ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.of(of), labels...)
}

// Describe tells nothing: what there is depends on cameras and destinations.
func (exporter) Describe(chan<- *prometheus.Desc) {}

// Collect tells all numbers.
func (e exporter) Collect(ch chan<- prometheus.Metric) {
	for _, m := range ofAgent {
		m.tell(ch, e.Snapshot)
	}
	ch <- prometheus.MustNewConstMetric(buildInfo, prometheus.GaugeValue, 1, e.Version, e.ClientName)
	ch <- prometheus.MustNewConstMetric(problemCount, prometheus.GaugeValue, float64(e.problems))
	for state, n := range e.totals.Segments {
		ch <- prometheus.MustNewConstMetric(segmentCount, prometheus.GaugeValue, float64(n), state)
	}
	for _, g := range e.totals.Gaps {
		gapSeconds.tell(ch, g, g.Camera, g.Cause)
	}
	for _, c := range e.Cameras {
		if c.Unsafe != nil {
			unsafeSeconds.tell(ch, *c.Unsafe, c.ID)
		}
		ch <- prometheus.MustNewConstMetric(cameraInfo, prometheus.GaugeValue, 1, c.ID, c.Name, c.Codec, c.AudioCodec)
		for _, m := range ofCamera {
			m.tell(ch, c, c.ID)
		}
		coverage.tell(ch, c.LastHour, c.ID, "1h")
		coverage.tell(ch, c.LastDay, c.ID, "1d")
	}
	for _, d := range e.Destinations {
		for _, m := range ofDestination {
			m.tell(ch, d, d.Name)
		}
	}
	if e.Central != nil {
		for _, m := range ofCentral {
			m.tell(ch, *e.Central)
		}
	}
}

var (
	buildInfo  = prometheus.NewDesc(namespace+"build_info", "The agent's version and the name of its client.", []string{"version", "client"}, nil)
	cameraInfo = prometheus.NewDesc(namespace+"camera_info", "What a camera is called and sends.", []string{"camera", "name", "video_codec", "audio_codec"}, nil)

	byCamera      = []string{"camera"}
	byDestination = []string{"destination"}

	problemCount = prometheus.NewDesc(namespace+"problems", "What is wrong at present, as /health says it.", nil, nil)
	segmentCount = prometheus.NewDesc(namespace+"segments", "Segments that there ever were, by what has become of them here; where there are very many the number may be minutes old.", []string{"state"}, nil)

	gapSeconds = counter("camera_gap_seconds_total", "Scheduled time without footage that the ledger has, before the agent was started as well; a gap that lasts counts once its cause is known.",
		[]string{"camera", "cause"}, func(g GapTotal) float64 { return g.Missing.Seconds() })
	unsafeSeconds = gauge("camera_unsafe_seconds", "Length of the footage that some required destination does not have yet, what is being recorded included.", byCamera, time.Duration.Seconds)

	coverage = gauge("camera_coverage_ratio", "Recorded of scheduled time in the last hour or day; 1 when nothing was scheduled.", []string{"camera", "window"},
		func(c Coverage) float64 { return c.Share })
)

var ofAgent = []metric[Snapshot]{
	gauge("start_time_seconds", "When the agent was started.", nil, func(s Snapshot) float64 { return unix(s.Started) }),
	gauge("ledger_readable", "0 while the ledger cannot be read: what is told from it is what was last known.", nil, func(s Snapshot) float64 { return yes(s.Ledger == nil) }),
	gauge("disk_free_bytes", "Free space where segments are written.", nil, func(s Snapshot) float64 { return float64(s.Disk.FreeBytes) }),
	gauge("disk_size_bytes", "Size of the disk that segments are written to.", nil, func(s Snapshot) float64 { return float64(s.Disk.TotalBytes) }),
	gauge("disk_fill_bytes_per_second", "How fast the disk fills, by all programs, at most within the last minute.", nil, func(s Snapshot) float64 { return s.Disk.FillRate }),
	gauge("disk_full_in_seconds", "When the disk will be full if it goes on to fill as it does; +Inf while it does not fill.", nil, fullIn),
	gauge("disk_trouble", "1 while the disk is nearly full and nothing makes room.", nil, func(s Snapshot) float64 { return yes(s.Disk.Trouble != "") }),
	gauge("taking_in_files", "Files of the last run that are not in the ledger yet.", nil, func(s Snapshot) float64 { return float64(s.TakingIn.Files) }),
	gauge("taking_in_unread_segments", "Segments that have yet to be read whole, before they are uploaded.", nil, func(s Snapshot) float64 { return float64(s.TakingIn.Unread) }),
	gauge("taking_in_unread_bytes", "Their size.", nil, func(s Snapshot) float64 { return float64(s.TakingIn.UnreadBytes) }),
	counter("segments_lost_total", "Segments deleted for want of room before any destination had them.", nil, func(s Snapshot) float64 { return float64(s.Disk.LostSegments) }),
	counter("segments_lost_bytes_total", "Their size.", nil, func(s Snapshot) float64 { return float64(s.Disk.LostBytes) }),
}

var ofCamera = []metric[Camera]{
	gauge("camera_recording", "1 while footage is being recorded.", byCamera, func(c Camera) float64 { return yes(c.State == "recording") }),
	gauge("camera_scheduled", "1 while footage is to be recorded.", byCamera, func(c Camera) float64 { return yes(c.State != "off schedule") }),
	gauge("camera_last_frame_timestamp_seconds", "When the last picture was taken; 0 when none was.", byCamera, func(c Camera) float64 { return unix(c.LastFrame) }),
	gauge("camera_bytes_per_second", "Bytes that come per second.", byCamera, func(c Camera) float64 { return c.Bitrate / 8 }),
	gauge("camera_frames_per_second", "Pictures that come per second.", byCamera, func(c Camera) float64 { return c.FrameRate }),
	counter("camera_frames_total", "Pictures that came since the agent was started.", byCamera, func(c Camera) float64 { return float64(c.Frames) }),
	counter("camera_bytes_total", "Bytes of pictures and sound that came since the agent was started.", byCamera, func(c Camera) float64 { return float64(c.Bytes) }),
	counter("camera_frames_dropped_total", "Pictures that the disk was too slow for.", byCamera, func(c Camera) float64 { return float64(c.Dropped) }),
	gauge("camera_queue_bytes", "Bytes that have come from the camera and wait for the disk, the part that is being filled included.", byCamera, func(c Camera) float64 { return float64(c.Queued) }),
	counter("camera_damages_total", "Stretches that were lost to missing or broken packets.", byCamera, func(c Camera) float64 { return float64(c.Damages) }),
	counter("camera_reconnects_total", "Sessions that have ended otherwise than by the agent.", byCamera, func(c Camera) float64 { return float64(c.Reconnects) }),
	counter("camera_panics_total", "Panics in the agent's code for this camera; the log has the stack.", byCamera, func(c Camera) float64 { return float64(c.Panics) }),
}

var ofDestination = []metric[Destination]{
	gauge("destination_connected", "1 if the last attempt reached it.", byDestination, func(d Destination) float64 { return yes(d.Connected) }),
	gauge("destination_backlog_segments", "Finished segments that it has not confirmed.", byDestination, func(d Destination) float64 { return float64(d.BacklogSegs) }),
	gauge("destination_backlog_bytes", "Their size.", byDestination, func(d Destination) float64 { return float64(d.BacklogBytes) }),
	gauge("destination_backlog_seconds", "Their length: footage that is not safe there yet.", byDestination, func(d Destination) float64 { return d.BacklogSeconds }),
	counter("destination_segments_total", "Segments that it has confirmed since the agent was started.", byDestination, func(d Destination) float64 { return float64(d.Totals.Segments) }),
	counter("destination_bytes_total", "Their size.", byDestination, func(d Destination) float64 { return float64(d.Totals.Bytes) }),
	counter("destination_sent_bytes_total", "Bytes that were sent to it since the agent was started, whatever came of them.", byDestination, func(d Destination) float64 { return float64(d.Totals.Sent) }),
	counter("destination_failures_total", "Attempts to upload that have failed since the agent was started.", byDestination, func(d Destination) float64 { return float64(d.Totals.Failures) }),
	gauge("destination_uploads", "Segments that are being sent.", byDestination, func(d Destination) float64 { return float64(d.InFlight) }),
	gauge("destination_last_success_timestamp_seconds", "When it last confirmed a segment; 0 when it has not since the start.", byDestination, func(d Destination) float64 { return unix(d.LastSuccess) }),
}

var ofCentral = []metric[Central]{
	gauge("central_connected", "1 if the last call reached the central server.", nil, func(c Central) float64 { return yes(c.Connected) }),
	gauge("central_pending_segments", "Segments that it has yet to be told of.", nil, func(c Central) float64 { return float64(c.Pending) }),
	gauge("central_last_success_timestamp_seconds", "When it last took a call; 0 when it has not since the start.", nil, func(c Central) float64 { return unix(c.LastSuccess) }),
}

func fullIn(s Snapshot) float64 {
	if d, fills := s.Disk.FullIn(); fills {
		return d.Seconds()
	}
	return math.Inf(1)
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unix is a time in seconds; 0 when there is none.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

package status

import "github.com/prometheus/client_golang/prometheus"

// Latencies are how long after its last picture footage is safe elsewhere, for
// metrics. They count from the start of the agent.
type Latencies struct {
	verified  *prometheus.HistogramVec
	completed prometheus.Histogram
}

// latencyBuckets are in seconds: from what a fast line takes for the rest of a
// segment to a backlog of a week.
var latencyBuckets = []float64{1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600}

// NewLatencies makes them empty.
func NewLatencies() *Latencies {
	options := func(name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{
			Name: namespace + name, Help: help, Buckets: latencyBuckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
		}
	}
	return &Latencies{
		verified:  prometheus.NewHistogramVec(options("destination_latency_seconds", "From the last picture of a segment until the destination had confirmed it."), byDestination),
		completed: prometheus.NewHistogram(options("central_latency_seconds", "From the last picture of a segment until central had acknowledged that it is completed.")),
	}
}

// Verified is that of one destination.
func (l *Latencies) Verified(destination string) prometheus.Observer {
	return l.verified.WithLabelValues(destination)
}

// Completed is that of central.
func (l *Latencies) Completed() prometheus.Observer { return l.completed }

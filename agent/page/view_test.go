package page

import (
	"testing"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

// A store that hangs has not failed yet, and is not said to work when nothing moves.
func TestDestinationThatStandsStill(t *testing.T) {
	d := status.Destination{Name: "primary", Required: true, Connected: true, LastSuccess: noon.Add(-2 * time.Minute)}
	waits := []spool.Unsent{{CameraID: "gate", Destination: "primary", Backlog: spool.Backlog{Segments: 3, Bytes: 9e6, Duration: 45 * time.Second}}}
	recent, moving, failing := d, d, d
	recent.LastSuccess, moving.Throughput, failing.LastError = noon.Add(-stillAfter), 1e6, "502"
	for name, c := range map[string]struct {
		d      status.Destination
		unsent []spool.Unsent
		want   string
	}{
		"hangs": {d, waits, "Sends nothing"}, "nothing to send": {d, nil, "Works"}, "a moment": {recent, waits, "Works"}, "slow": {moving, waits, "Works"}, "failing": {failing, waits, "Has trouble"},
	} {
		l := look{at: noon, snap: status.Snapshot{Destinations: []status.Destination{c.d}}, unsent: c.unsent}
		if got := l.destinationViews(time.UTC)[0].State; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

package page

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

// Of a moment that is longer ago than the ledger goes back it is not said that nothing
// was recorded.
func TestMomentThatIsForgotten(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "gate", Name: "Gate"})
	for i := range 3 {
		start := noon.Add(time.Duration(i-3) * time.Minute)
		id := uuid.Must(uuid.NewV7()).String()
		path, err := spool.PathFor("gate", id, start)
		must(t, err)
		must(t, w.spool.Begun(t.Context(), spool.Segment{ID: id, CameraID: "gate", CameraName: "Gate", ClientName: "host", Path: path, Start: start, End: start.Add(time.Minute)}))
		must(t, w.spool.FileMissing(t.Context(), id))
	}
	said := func() string {
		t.Helper()
		f, err := w.page.find(t.Context(), "gate", noon.Add(-150*time.Second))
		must(t, err)
		return f.Missing
	}
	if text := said(); !strings.HasPrefix(text, "Nothing was recorded at") {
		t.Errorf("before: %q", text)
	}
	for range 47 {
		w.change(func() { w.now = w.now.Add(24 * time.Hour) })
		_, err := w.spool.Ran(t.Context())
		must(t, err)
	}
	p, err := w.spool.Prune(t.Context(), false, func(time.Duration) bool { return true })
	must(t, err)
	if text := said(); p.Segments != 2 || !strings.Contains(text, "longer ago than this host remembers") {
		t.Errorf("%+v; %q", p, text)
	}
}

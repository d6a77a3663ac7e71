package uploader

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/spool"
)

// diary notes what it is told.
type diary struct {
	mu   sync.Mutex
	told []float64
}

func (d *diary) Observe(v float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, v)
}

// What a destination confirms is counted, and how long after its last picture; what
// fails as well.
func TestTotals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 2)
		defer s.close()
		failed := false
		s.shelf.upload = func(_ context.Context, segment string) error {
			if segment == id(1) && !failed {
				failed = true
				return errors.New("no")
			}
			return nil
		}
		told := &diary{}
		s.latency = told
		s.run()
		after(time.Minute)
		got := s.uploader.Status().Totals
		if s.verified(2) != 2 || got.Segments != 2 || got.Bytes != 2000 || got.Failures != 1 {
			t.Errorf("totals %+v", got)
		}
		if len(told.told) != 2 {
			t.Fatalf("latencies %v", told.told)
		}
		for i, seconds := range told.told { // which it is the shelf does not say
			if want := time.Since(time.Date(1999, 12, 1, 0, i+1, 0, 0, time.UTC)).Seconds(); seconds > want+61 || seconds < want-61 {
				t.Errorf("latency %v, want about %v", seconds, want)
			}
		}
		if s.state(0).State != spool.Verified {
			t.Errorf("%+v", s.state(0))
		}
	})
}

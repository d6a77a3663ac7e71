package uploader

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// stuck is a spool with a file that cannot be deleted for a while, as one that a
// player holds open on Windows.
type stuck struct {
	*spool.Spool
	mu   sync.Mutex
	held string
}

func (s *stuck) Delete(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == s.held {
		return errors.New("the file is in use")
	}
	return s.Spool.Delete(ctx, id)
}

func TestReapOnlyWhatIsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 4)
		defer s.close()
		ctx := t.Context()
		for i := range 3 {
			s.must(s.spool.Verified(ctx, id(i), "primary", "size, crc64nvme", time.Now()))
		}
		for i := range 2 { // 2 is verified, but central has not acknowledged it
			s.must(s.spool.RegisterAttempted(ctx, id(i)))
			s.must(s.spool.Registered(ctx, id(i), "recording"))
			s.must(s.spool.CentralAcknowledged(ctx, id(i), spool.CentralCompleted))
		}
		ledger := &stuck{Spool: s.spool, held: id(0)}
		r := &Reaper{Ledger: ledger, Changed: s.spool.Subscribe(), CentralConfigured: true, KeepFor: time.Hour, Log: zerolog.Nop(), Now: time.Now}
		run, stop := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() { _ = r.Run(run) })
		defer done.Wait()
		defer stop()

		state := func(i int) spool.State {
			seg, err := s.spool.Segment(ctx, id(i))
			s.must(err)
			return seg.State
		}
		after(59 * time.Minute)
		for i := range 4 {
			if state(i) != spool.Finished {
				t.Errorf("segment %d is %q within keep_for", i, state(i))
			}
		}
		after(2 * time.Minute)
		if state(0) != spool.Finished || state(1) != spool.Deleted || state(2) != spool.Finished || state(3) != spool.Finished {
			t.Errorf("states %q %q %q %q: only the second may go, the first is held open", state(0), state(1), state(2), state(3))
		}
		ledger.mu.Lock()
		ledger.held = ""
		ledger.mu.Unlock()
		after(time.Minute)
		if state(0) != spool.Deleted {
			t.Errorf("the file that was in use is %q once it is free", state(0))
		}
	})
}

package uploader

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// unnoted is a spool whose ledger does not take that a file is gone.
type unnoted struct {
	*spool.Spool
	asked atomic.Int32
	stop  func() // called when it is asked too often
}

func (s *unnoted) FileMissing(context.Context, string) error {
	if s.asked.Add(1) > 100 {
		s.stop()
	}
	return errors.New("the disk is full")
}

// TestFileThatIsGoneIsNotedInTime: not at once, again and again.
func TestFileThatIsGoneIsNotedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 1)
		defer s.close()
		segs, err := s.spool.Segments(t.Context(), spool.Finished)
		s.must(err)
		s.must(os.Remove(filepath.Join(s.spool.Dir(), segs[0].Path)))
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		ledger := &unnoted{Spool: s.spool, stop: stop}
		u := New(Options{
			Ledger: ledger, Changed: s.spool.Subscribe(), Store: s.shelf, Destination: "primary", Parallel: 2,
			Bandwidth: NewBandwidth(s.limits, time.Now), Log: zerolog.Nop(), Now: time.Now,
		})
		var done sync.WaitGroup
		done.Go(func() { _ = u.Run(ctx) })
		done.Wait()
		if n := ledger.asked.Load(); n < 2 || n > 20 {
			t.Errorf("it was tried %d times in a minute", n)
		}
		if u.Status().LastError == "" {
			t.Error("nobody is told")
		}
	})
}

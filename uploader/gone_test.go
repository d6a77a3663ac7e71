package uploader

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
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

// arriving is a spool whose segments are verified between the look and the deletion.
type arriving struct {
	*spool.Spool
	arrive func()
}

func (s *arriving) GiveUp(ctx context.Context, l spool.Local, reason string) (spool.Worth, error) {
	s.arrive()
	return s.Spool.GiveUp(ctx, l, reason)
}

// TestArrivedBeforeItWasGivenUp: no loss is told of that is none.
func TestArrivedBeforeItWasGivenUp(t *testing.T) {
	for _, c := range []struct {
		central, told bool
		want          string
	}{
		{true, false, "central has yet to be told"},
		{true, true, "it has become safe meanwhile"},
		{false, false, "it has become safe meanwhile"},
	} {
		s := newStorage(t, 1)
		files := &arriving{Spool: s.spool, arrive: func() {
			s.verify(0)
			if c.told {
				s.complete(0)
			}
		}}
		r := NewRetention(RetentionOptions{
			Files: files, Anywhere: true, CentralConfigured: c.central, Keep: Keep{AfterUpload: true, MinFree: noMinimum},
			Disk: s.smallDisk(0), Log: zerolog.New(&s.log), Now: time.Now,
		})
		s.must(r.makeRoom(t.Context()))
		if got := s.states(1); got != "d" {
			t.Errorf("states %s", got)
		}
		if said := s.log.String(); strings.Contains(said, `"level":"error"`) || !strings.Contains(said, c.want) {
			t.Errorf("the log does not say that %s: %s", c.want, said)
		}
		s.close()
	}
}

package uploader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

var unavailable = &smithy.GenericAPIError{Code: "ServiceUnavailable", Message: "back soon"}

// use replaces the uploader's peers, and runs it.
func (s *storage) use(change func(o *Options)) {
	o := Options{
		Ledger: s.spool, Changed: s.spool.Subscribe(), Grown: s.spool.SubscribeGrowth(), Store: s.shelf, Destination: "primary", Parallel: 2, Backlog: 0.25,
		Bandwidth: NewBandwidth(s.limits, time.Now), Grace: func(error) time.Duration { return 10 * time.Second }, Log: zerolog.New(zerolog.SyncWriter(&s.log)), Now: time.Now,
	}
	change(&o)
	s.uploader = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = s.uploader.Run(ctx) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
}

// After an outage the backlog goes oldest first, whoever has probed in it.
func TestOldestFirstAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 5)
		defer s.close()
		s.shelf.upload = func(context.Context, string) error { return unavailable }
		s.run()
		for i := 5; i < 40; i++ { // one camera, a segment each minute
			after(time.Minute)
			s.add(i)
		}
		s.shelf.mu.Lock()
		s.shelf.upload = func(context.Context, string) error {
			time.Sleep(10 * time.Second)
			return nil
		}
		s.shelf.stored = nil
		s.shelf.mu.Unlock()
		after(30 * time.Minute)
		order := s.shelf.stored
		if len(order) != 40 {
			t.Fatalf("%d of 40 are stored", len(order))
		}
		// A few probe before the first that had failed is seen to succeed.
		rest := order[6:]
		late := 0
		for i := 1; i < len(rest); i++ {
			if rest[i] < rest[i-1] && slices.Max(rest[:i]) > rest[i] {
				late++
			}
		}
		if late > len(rest)/2 || slices.Index(order, id(0)) > 10 {
			t.Errorf("the order was %v", order)
		}
	})
}

// pieces sends each upload in parts of a minute, each after its turn.
type pieces struct{ *shelf }

func (s pieces) Upload(ctx context.Context, o s3.Object, r s3.Resume) error {
	for range 20 {
		done, err := r.Turn(ctx, 5<<20)
		if err != nil {
			return err
		}
		time.Sleep(time.Minute)
		done()
	}
	return s.shelf.Upload(ctx, o, r)
}

// A fault while the backlog is paused does not stop what is being recorded until
// the pause ends.
func TestFaultDuringAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 2)
		defer s.close()
		w := fromNow(0, Window{PauseBacklog: true})
		w.From, w.To = w.From+10*time.Minute, w.From+time.Hour
		s.limits = Limits{Windows: []Window{w}}
		s.use(func(o *Options) { o.Store = pieces{s.shelf} })
		after(15 * time.Minute) // the backlog was under way when the pause began
		failed := false
		s.shelf.part = func(context.Context, string, int) error {
			if !failed {
				failed = true
				return unavailable
			}
			return nil
		}
		s.grow(1000, 3)
		after(2 * time.Minute)
		if got := s.sent(1000); !failed || got == "" {
			t.Errorf("two minutes after a fault of a moment the parts sent are %q", got)
		}
		after(2 * time.Hour)
		if n := s.verified(2); n != 2 {
			t.Errorf("after the pause %d of 2 segments of the backlog are verified", n)
		}
	})
}

// full is a ledger on a disk without room.
type full struct {
	*spool.Spool
	room atomic.Bool
}

var errFull = errors.New("database or disk is full")

func (f *full) Stored(ctx context.Context, segment, destination string) error {
	if !f.room.Load() {
		return errFull
	}
	return f.Spool.Stored(ctx, segment, destination)
}

func (f *full) DeliveryDeferred(ctx context.Context, segment, destination, reason string, next time.Time) error {
	if !f.room.Load() {
		return errFull
	}
	return f.Spool.DeliveryDeferred(ctx, segment, destination, reason, next)
}

// A ledger that cannot be written does not have the store asked without a pause.
func TestLedgerThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 3)
		defer s.close()
		l := &full{Spool: s.spool}
		s.use(func(o *Options) { o.Ledger = l })
		after(10 * time.Minute)
		if n := len(s.shelf.tried); n < 10 || n > 30 {
			t.Errorf("tried %d times in 10 minutes", n)
		}
		if st := s.uploader.Status(); st.Connected || st.Remedy == "" || st.LastError != "the ledger cannot be written: "+errFull.Error() {
			t.Errorf("status %+v", st)
		}
		l.room.Store(true)
		after(3 * time.Minute)
		if n := s.verified(3); n != 3 {
			t.Errorf("with room again %d of 3 are verified", n)
		}
	})
}

// slowList is a ledger whose list of what is due takes its time.
type slowList struct{ *spool.Spool }

func (l *slowList) DueDeliveries(ctx context.Context, q spool.Due) ([]spool.Job, error) {
	jobs, err := l.Spool.DueDeliveries(ctx, q)
	if len(jobs) > 0 {
		time.Sleep(31 * time.Second)
	}
	return jobs, err
}

type seeing struct {
	*shelf
	seen func(u *spool.Upload)
}

func (s seeing) Upload(ctx context.Context, o s3.Object, r s3.Resume) error {
	s.seen(r.Open())
	return s.shelf.Upload(ctx, o, r)
}

// A part that lands while the segment is being finished is known to whoever
// finishes the upload.
func TestPartThatLandsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 0)
		defer s.close()
		s.shelf.part = func(context.Context, string, int) error {
			time.Sleep(30 * time.Second)
			return nil
		}
		seen := ""
		s.use(func(o *Options) {
			o.Ledger = &slowList{s.spool}
			o.Store = seeing{s.shelf, func(u *spool.Upload) {
				seen += fmt.Sprint(u != nil && len(u.Parts) == 1, " ")
			}}
		})
		s.grow(1, 1)
		synctest.Wait()
		s.finish(1) // while part 1 is under way
		after(5 * time.Minute)
		if seen != "true " {
			t.Errorf("the upload was taken up with its part: %s", seen)
		}
	})
}

// A key without rights for an hour: nothing is asked for more often than once a
// minute or so, and when the right is given all goes through soon.
func TestForbiddenForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 10)
		defer s.close()
		var forbidden atomic.Bool
		forbidden.Store(true)
		s.shelf.upload = func(context.Context, string) error {
			if forbidden.Load() {
				return &smithy.GenericAPIError{Code: "AccessDenied", Message: "the policy was changed"}
			}
			return nil
		}
		s.run()
		after(time.Hour)
		s.shelf.mu.Lock()
		tried := len(s.shelf.tried)
		forbidden.Store(false)
		s.shelf.mu.Unlock()
		if tried < 50 || tried > 110 {
			t.Errorf("tried %d times in an hour", tried)
		}
		if st := s.uploader.Status(); st.Connected || st.Remedy == "" {
			t.Errorf("status %+v", st)
		}
		after(2 * time.Minute)
		if n := s.verified(10); n != 10 {
			t.Errorf("two minutes later %d of 10 are verified", n)
		}
	})
}

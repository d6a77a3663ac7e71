// Package uploader brings segments to a destination, part by part while they are
// recorded, has it confirm them, and deletes the local files that are safe. Rows of the ledger enter,
// objects and transitions of the ledger leave. It knows nothing of cameras.
package uploader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/outage"
	"recording-agent/capture/panics"
	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

// Ledger is what uploading needs of the spool.
type Ledger interface {
	DueDeliveries(ctx context.Context, q spool.Due) ([]spool.Job, error)
	LiveDelivery(ctx context.Context, segmentID, destination string) (*spool.Job, error)
	Growing() []spool.Growth
	UploadOpened(ctx context.Context, segmentID, destination string, u spool.Upload) error
	PartSent(ctx context.Context, segmentID, destination string, p spool.UploadPart) error
	PartLost(ctx context.Context, segmentID, destination string, number int) error
	UploadAbandoned(ctx context.Context, segmentID, destination string) error
	Stored(ctx context.Context, segmentID, destination string) error
	Verified(ctx context.Context, segmentID, destination, by string, at time.Time) error
	DeliveryDeferred(ctx context.Context, segmentID, destination, reason string, next time.Time) error
	Rekeyed(ctx context.Context, segmentID, destination, key, reason string) error
	DeliveryRejected(ctx context.Context, segmentID, destination, reason string, next time.Time) error
	DeliveriesForgiven(ctx context.Context, destination string) error
	FinishedDelivery(ctx context.Context, segmentID, destination string) (*spool.Job, error)
	LostDelivery(ctx context.Context, segmentID, destination string) (*spool.Job, error)
	Damaged(ctx context.Context, segmentID string, size int64, checksum string) error
	FileMissing(ctx context.Context, segmentID string) error
	Open(seg spool.Segment) (*os.File, error)
}

// Store is a destination.
type Store interface {
	Upload(ctx context.Context, o s3.Object, r s3.Resume) error
	SendPart(ctx context.Context, o s3.Object, number int, r s3.Resume) error
	Check(ctx context.Context, o s3.Object, r s3.Resume) error
	PartSize() int64
	Verify(ctx context.Context, o s3.Object, sent *spool.Upload) (by string, err error)
	String() string
}

// Observer takes one number of a statistic.
type Observer interface{ Observe(v float64) }

// Options configure an Uploader.
type Options struct {
	Ledger      Ledger
	Changed     <-chan struct{} // a hint that there may be something to do
	Grown       <-chan struct{} // a hint that open segments have grown; nil: send finished segments only
	Store       Store
	Destination string                          // its name in the ledger
	Section     string                          // of the configuration: what remedies name; empty: s3
	Parallel    int                             // bodies that are sent at once
	Backlog     float64                         // share of the bytes that the backlog gets while newer footage waits as well; 0 to 0.9
	Bandwidth   *Bandwidth                      // that the store keeps to
	Grace       func(cause error) time.Duration // what uploads in flight get when the agent stops for that cause; nil: nothing
	Latency     Observer                        // told how long after its last picture a segment was verified, in seconds; nil: nobody is
	Panics      *panics.Page                    // where panics over one segment are reported; nil: to Log
	Log         zerolog.Logger
	Now         func() time.Time
}

// Uploader serves one destination.
type Uploader struct {
	opts   Options
	log    zerolog.Logger
	outage *outage.Outage
	pause  *backoff.ExponentialBackOff
	gate   *gate
	speed  *throughput
	every  time.Duration // it looks at the ledger, in case a hint was lost
	poked  chan struct{} // one slot

	live   map[string]*live // by segment; nil for one that is not to go here
	behind bool             // older footage waits

	mu       sync.Mutex
	inFlight map[string]bool
	busy     [lanes]int // of inFlight
	until    time.Time  // the destination is not tried before; zero while it works
	forgive  bool       // an outage is over, and its failures are not yet taken back
	status   Status
	askAfter time.Time // Arrived does not ask the store before
	askError error     // that it gives instead
}

// ledgerError says that the ledger could not be read or written. Until it can be,
// nothing that the store is told would be remembered.
type ledgerError struct{ err error }

func (e *ledgerError) Error() string { return e.err.Error() }
func (e *ledgerError) Unwrap() error { return e.err }

// errFileMissing: the segment's own file, and not one that the store's client
// wanted, is not there.
var errFileMissing = errors.New("the segment's file is missing")

// Status is a destination's present condition.
type Status struct {
	Name        string
	Location    string
	Connected   bool // the last attempt reached it
	InFlight    int
	Throughput  float64 // bytes per second, over the last minute
	LastSuccess time.Time
	LastError   string
	Remedy      string
	Since       time.Time // of the trouble; zero when there is none
	Totals      Totals
}

const (
	lookEvery    = 10 * time.Second // in case a hint was lost
	firstPause   = time.Second
	longestPause = time.Minute
	firstDefer   = 5 * time.Second
	longestDefer = 10 * time.Minute
	newestFor    = 10 * time.Minute // after its end a segment is backlog
	forgiveAfter = 5 * time.Minute  // of an outage: what failed in it was not the segments' fault
)

// New prepares an uploader.
func New(o Options) *Uploader {
	log := o.Log.With().Str("destination", o.Destination).Logger()
	if o.Panics == nil {
		o.Panics = panics.NewBook(log, o.Now).Own()
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.Multiplier, pause.RandomizationFactor = firstPause, longestPause, 2, 0.3
	return &Uploader{
		opts: o, log: log, pause: pause, every: lookEvery, poked: make(chan struct{}, 1), gate: newGate(o.Parallel, o.Backlog, o.Bandwidth.paused), speed: &throughput{now: o.Now},
		live: map[string]*live{}, inFlight: map[string]bool{},
		outage: outage.New(log, "upload fails", o.Now),
		status: Status{Name: o.Destination, Location: o.Store.String()},
	}
}

// Status is the destination's present condition.
func (u *Uploader) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.status
	s.InFlight, s.Throughput = len(u.inFlight), u.speed.rate()
	return s
}

// flight is what is being sent.
type flight struct {
	sync.WaitGroup
	done chan struct{} // one slot: something has landed
}

func (f *flight) landed() {
	select {
	case f.done <- struct{}{}:
	default:
	}
}

// Run uploads until ctx ends; uploads in flight then get their grace. What is
// left stays in the ledger.
func (u *Uploader) Run(ctx context.Context) error {
	uploads, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(u.grace(context.Cause(ctx)), cancel) })
	defer stop()

	f := &flight{done: make(chan struct{}, 1)}
	defer f.Wait()
	again := time.NewTimer(u.every)
	defer again.Stop()
	for look := true; ctx.Err() == nil; {
		again.Reset(u.launch(ctx, uploads, f, look))
		look = true
		select {
		case <-ctx.Done():
		case <-u.opts.Changed:
		case <-u.poked:
			u.forgetWaits()
		case <-u.opts.Grown:
			look = false // nothing has changed in the ledger
		case <-f.done:
		case <-again.C:
		}
		u.gate.look()
	}
	return nil
}

func (u *Uploader) grace(cause error) time.Duration {
	if u.opts.Grace == nil {
		return 0
	}
	return u.opts.Grace(cause)
}

// launch starts as many uploads as there is room for, and says when to look again
// at the latest. While the destination fails, one at a time probes it.
func (u *Uploader) launch(ctx, uploads context.Context, f *flight, look bool) (again time.Duration) {
	u.mu.Lock()
	until := u.until
	u.mu.Unlock()
	if wait := until.Sub(u.opts.Now()); !until.IsZero() && wait > 0 {
		return min(wait, u.every)
	}
	if look {
		if err := u.launchDue(ctx, uploads, f); err != nil && ctx.Err() == nil {
			u.log.Error().Err(err).Msg("the ledger could not be read; trying again")
		}
	}
	if u.opts.Grown != nil {
		u.launchLive(ctx, uploads, f)
	}
	return u.every
}

// launchDue starts uploads of finished segments: the newest lane first, either
// lane oldest first.
func (u *Uploader) launchDue(ctx, uploads context.Context, f *flight) error {
	now := u.opts.Now()
	border := now.Add(-newestFor)
	due := spool.Due{Destination: u.opts.Destination, Now: now, Limit: 2 * u.opts.Parallel}
	for l := newest; l < lanes; l++ {
		due.EndedFrom, due.EndedBefore = border, time.Time{}
		if l == backlog {
			due.EndedFrom, due.EndedBefore = time.Time{}, border
		}
		jobs, err := u.opts.Ledger.DueDeliveries(ctx, due)
		if err != nil {
			return err
		}
		if l == backlog {
			u.behind = len(jobs) > 0
		}
		for _, job := range jobs {
			if u.opts.Bandwidth.paused(l) || !u.claim(job.Segment.ID, l) {
				continue
			}
			f.Go(func() {
				defer f.landed()
				defer u.release(job.Segment.ID, l)
				u.deliver(uploads, job, l)
			})
		}
	}
	return nil
}

// claim takes a segment for one goroutine, if there is room in its lane. While
// the destination fails there is room for one.
func (u *Uploader) claim(id string, l lane) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.inFlight[id] || u.busy[l] >= u.opts.Parallel || !u.until.IsZero() && len(u.inFlight) > 0 {
		return false
	}
	u.inFlight[id] = true
	u.busy[l]++
	return true
}

func (u *Uploader) release(id string, l lane) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.inFlight, id)
	u.busy[l]--
}

// Sending says whether a segment is on its way to the destination, which works.
func (u *Uploader) Sending(segmentID string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.inFlight[segmentID] && u.until.IsZero()
}

func (u *Uploader) flying(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.inFlight[id]
}

// deliver brings one segment as far as it comes.
func (u *Uploader) deliver(ctx context.Context, job spool.Job, l lane) {
	// What is known of it may be from before a part that has landed since.
	now, err := u.opts.Ledger.FinishedDelivery(ctx, job.Segment.ID, u.opts.Destination)
	if err == nil && now == nil {
		return
	}
	if err == nil {
		job = *now
		err = u.safely("uploading a segment", func() error { return u.step(ctx, job, l) })
	} else {
		err = &ledgerError{err}
	}
	switch {
	case err == nil:
		u.succeeded(ctx, job.Delivery.Attempts)
	case ctx.Err() != nil:
		u.log.Info().Str("segment", job.Segment.ID).Msg("upload interrupted; it is resumed at the next start")
	case errors.Is(err, errPaused):
		u.log.Info().Str("segment", job.Segment.ID).Msg("upload paused at this time of day; it is resumed afterwards")
	case errors.Is(err, errFileMissing):
		u.fileMissing(ctx, job, err)
	default:
		u.failed(ctx, job, err)
	}
}

// safely makes an error of what the code panics over with one segment: that waits like
// any other that fails, and the others do not.
func (u *Uploader) safely(doing string, do func() error) (err error) {
	if panicked := u.opts.Panics.Guard(doing, func() { err = do() }); panicked != nil {
		return panicked
	}
	return err
}

// step is the table of states: what is pending is sent, what is stored is
// verified. A crash after any of these verbs goes on with the next.
func (u *Uploader) step(ctx context.Context, job spool.Job, l lane) error {
	f, err := u.opts.Ledger.Open(job.Segment)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", errFileMissing, err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	seg, dest := job.Segment, u.opts.Destination
	o := object(job, f)
	began := u.opts.Now()
	r := u.resume(job, l)
	if job.Delivery.State == spool.Pending {
		if err := u.opts.Store.Upload(ctx, o, r); err != nil {
			return err
		}
		crashpoint.Here("object stored")
		if err := u.opts.Ledger.Stored(ctx, seg.ID, dest); err != nil {
			return &ledgerError{err}
		}
		crashpoint.Here("delivery stored")
	}
	by, err := u.opts.Store.Verify(ctx, o, r.Open())
	if err != nil {
		return err
	}
	crashpoint.Here("object verified")
	if err := u.opts.Ledger.Verified(ctx, seg.ID, dest, by, u.opts.Now()); err != nil {
		return &ledgerError{err}
	}
	crashpoint.Here("delivery verified")
	u.verified(seg)
	u.log.Info().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("key", job.Delivery.Key).Int64("bytes", seg.Size).
		Dur("took", u.opts.Now().Sub(began)).Str("verified_by", by).Msg("segment uploaded and verified")
	return nil
}

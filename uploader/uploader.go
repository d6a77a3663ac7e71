// Package uploader brings finished segments to a destination, has it confirm
// them, and deletes the local files that are safe. Rows of the ledger enter,
// objects and transitions of the ledger leave. It knows nothing of cameras.
package uploader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

// Ledger is what uploading needs of the spool.
type Ledger interface {
	DueDeliveries(ctx context.Context, destination string, now time.Time, limit int) ([]spool.Job, error)
	UploadOpened(ctx context.Context, segmentID, destination string, u spool.Upload) error
	PartSent(ctx context.Context, segmentID, destination string, p spool.UploadPart) error
	UploadAbandoned(ctx context.Context, segmentID, destination string) error
	Stored(ctx context.Context, segmentID, destination string) error
	Verified(ctx context.Context, segmentID, destination, by string, at time.Time) error
	DeliveryDeferred(ctx context.Context, segmentID, destination, reason string, next time.Time) error
	DeliveryRejected(ctx context.Context, segmentID, destination, reason string, next time.Time) error
	Damaged(ctx context.Context, segmentID string, size int64, checksum string) error
	FileMissing(ctx context.Context, segmentID string) error
	Open(seg spool.Segment) (*os.File, error)
}

// Store is a destination.
type Store interface {
	Upload(ctx context.Context, o s3.Object, r s3.Resume) error
	Verify(ctx context.Context, o s3.Object, sent *spool.Upload) (by string, err error)
	String() string
}

// Options configure an Uploader.
type Options struct {
	Ledger      Ledger
	Changed     <-chan struct{} // a hint that there may be something to do
	Store       Store
	Destination string        // its name in the ledger
	Concurrency int           // segments at once
	Grace       time.Duration // what uploads in flight get when the agent stops
	Log         zerolog.Logger
	Now         func() time.Time
}

// Uploader serves one destination.
type Uploader struct {
	opts   Options
	log    zerolog.Logger
	outage *outage.Outage
	pause  *backoff.ExponentialBackOff

	mu       sync.Mutex
	inFlight map[string]bool
	until    time.Time // the destination is not tried before; zero while it works
	status   Status
}

// errFileMissing: the segment's own file, and not one that the store's client
// wanted, is not there.
var errFileMissing = errors.New("the segment's file is missing")

// Status is a destination's present condition.
type Status struct {
	Name        string
	Location    string
	Connected   bool // the last attempt reached it
	InFlight    int
	LastSuccess time.Time
	LastError   string
	Remedy      string
	Since       time.Time // of the trouble; zero when there is none
}

const (
	lookEvery    = 10 * time.Second // in case a hint was lost
	firstPause   = time.Second
	longestPause = time.Minute
	firstDefer   = 5 * time.Second
	longestDefer = 10 * time.Minute
)

// New prepares an uploader.
func New(o Options) *Uploader {
	log := o.Log.With().Str("destination", o.Destination).Logger()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.Multiplier, pause.RandomizationFactor = firstPause, longestPause, 2, 0.3
	return &Uploader{
		opts: o, log: log, pause: pause, inFlight: map[string]bool{},
		outage: outage.New(log, "upload fails", o.Now),
		status: Status{Name: o.Destination, Location: o.Store.String()},
	}
}

// Status is the destination's present condition.
func (u *Uploader) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.status
	s.InFlight = len(u.inFlight)
	return s
}

// Run uploads until ctx ends; uploads in flight then get their grace. What is
// left stays in the ledger.
func (u *Uploader) Run(ctx context.Context) error {
	uploads, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(u.opts.Grace, cancel) })
	defer stop()

	var flying sync.WaitGroup
	defer flying.Wait()
	done := make(chan struct{}, u.opts.Concurrency)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		retry, err := u.launch(ctx, uploads, &flying, done)
		if err != nil && ctx.Err() == nil {
			u.log.Error().Err(err).Msg("the ledger could not be read; trying again")
		}
		var again <-chan time.Time
		if retry > 0 {
			timer := time.NewTimer(retry)
			defer timer.Stop()
			again = timer.C
		}
		select {
		case <-ctx.Done():
		case <-u.opts.Changed:
		case <-done:
		case <-tick.C:
		case <-again:
		}
	}
	return nil
}

// launch starts as many uploads as there is room for. While the destination
// fails, one at a time probes it; retry is how long that has to wait.
func (u *Uploader) launch(ctx, uploads context.Context, flying *sync.WaitGroup, done chan<- struct{}) (retry time.Duration, err error) {
	u.mu.Lock()
	slots, busy, until := u.opts.Concurrency, len(u.inFlight), u.until
	u.mu.Unlock()
	if !until.IsZero() {
		slots = 1
		if wait := until.Sub(u.opts.Now()); wait > 0 {
			return wait, nil
		}
	}
	if busy >= slots {
		return 0, nil
	}
	jobs, err := u.opts.Ledger.DueDeliveries(ctx, u.opts.Destination, u.opts.Now(), slots+busy)
	if err != nil {
		return 0, err
	}
	for _, job := range jobs {
		if !u.claim(job.Segment.ID, slots) {
			continue
		}
		flying.Go(func() {
			u.deliver(uploads, job)
			u.release(job.Segment.ID)
			select {
			case done <- struct{}{}:
			default:
			}
		})
	}
	return 0, nil
}

func (u *Uploader) claim(id string, slots int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.inFlight[id] || len(u.inFlight) >= slots {
		return false
	}
	u.inFlight[id] = true
	return true
}

func (u *Uploader) release(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.inFlight, id)
}

// deliver brings one segment as far as it comes.
func (u *Uploader) deliver(ctx context.Context, job spool.Job) {
	err := u.step(ctx, job)
	switch {
	case err == nil:
		u.succeeded()
	case ctx.Err() != nil:
		u.log.Info().Str("segment", job.Segment.ID).Msg("upload interrupted; it is resumed at the next start")
	case errors.Is(err, errFileMissing):
		u.fileMissing(ctx, job, err)
	default:
		u.failed(ctx, job, err)
	}
}

// step is the table of states: what is pending is sent, what is stored is
// verified. A crash after any of these verbs goes on with the next.
func (u *Uploader) step(ctx context.Context, job spool.Job) error {
	f, err := u.opts.Ledger.Open(job.Segment)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", errFileMissing, err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	seg, dest := job.Segment, u.opts.Destination
	object := s3.Object{
		Key: job.Delivery.Key, Size: seg.Size, Checksum: seg.Checksum, Segment: seg.ID, Metadata: metadata(seg), Body: f,
	}
	began := u.opts.Now()
	r := &resume{ledger: u.opts.Ledger, destination: dest, segment: seg.ID, open: job.Delivery.Upload}
	if job.Delivery.State == spool.Pending {
		if err := u.opts.Store.Upload(ctx, object, r); err != nil {
			return err
		}
		if err := u.opts.Ledger.Stored(ctx, seg.ID, dest); err != nil {
			return err
		}
	}
	by, err := u.opts.Store.Verify(ctx, object, r.Open())
	if err != nil {
		return err
	}
	if err := u.opts.Ledger.Verified(ctx, seg.ID, dest, by, u.opts.Now()); err != nil {
		return err
	}
	u.log.Info().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("key", job.Delivery.Key).Int64("bytes", seg.Size).
		Dur("took", u.opts.Now().Sub(began)).Str("verified_by", by).Msg("segment uploaded and verified")
	return nil
}

func metadata(seg spool.Segment) map[string]string {
	return map[string]string{
		"client":      seg.ClientName,
		"camera-id":   seg.CameraID,
		"camera-name": seg.CameraName,
		"start":       seg.Start.UTC().Format("2006-01-02T15:04:05.000000Z"),
		"end":         seg.End.UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
}

func (u *Uploader) succeeded() {
	u.outage.Recovered()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pause.Reset()
	u.until = time.Time{}
	u.status.Connected, u.status.LastSuccess = true, u.opts.Now()
	u.status.LastError, u.status.Remedy, u.status.Since = "", "", time.Time{}
}

// failed decides who has to wait: the segment, or the whole destination. In
// either case the segment gives way to others, so that one that only looks like
// an outage of its destination does not hold them up.
func (u *Uploader) failed(ctx context.Context, job spool.Job, err error) {
	fault := s3.Classify(err)
	now := u.opts.Now()
	u.outage.Failed(fault.Cause, fault.Remedy)
	wait := deferral(job.Delivery.Attempts)
	u.mu.Lock()
	u.status.LastError, u.status.Remedy = fault.Cause, fault.Remedy
	if u.status.Since.IsZero() {
		u.status.Since = now
	}
	if fault.Scope == s3.ScopeDestination {
		u.status.Connected = false
		u.until = now.Add(u.pause.NextBackOff())
		wait = min(wait, longestPause) // once the destination is back, none is to wait for long
	}
	u.mu.Unlock()
	if fault.Damaged {
		u.rehash(ctx, job.Segment)
	}
	note := u.opts.Ledger.DeliveryDeferred
	if fault.Again {
		note = u.opts.Ledger.DeliveryRejected
	}
	if err := note(ctx, job.Segment.ID, u.opts.Destination, fault.Cause, now.Add(wait)); err != nil {
		u.log.Error().Err(err).Str("segment", job.Segment.ID).Msg("a failed upload could not be noted")
	}
}

// deferral grows from 5 s to 10 min with the attempts, jittered by a third.
func deferral(attempts int) time.Duration {
	d := longestDefer
	if attempts < 7 {
		d = firstDefer << attempts
	}
	return d - rand.N(d/3)
}

func (u *Uploader) fileMissing(ctx context.Context, job spool.Job, err error) {
	u.log.Error().Err(err).Str("segment", job.Segment.ID).Str("camera", job.Segment.CameraID).
		Msg("the file of a segment is gone before it was uploaded: somebody removed it, or the disk lost it")
	if err := u.opts.Ledger.FileMissing(ctx, job.Segment.ID); err != nil {
		u.log.Error().Err(err).Str("segment", job.Segment.ID).Msg("a missing file could not be noted")
	}
}

package capture

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"recording-agent/capture/outage"
	"recording-agent/capture/panics"
	"recording-agent/capture/spool"
)

// Stream is one attempt at a camera: it connects, gives r the tracks and the
// samples, and returns when the session ends. It waits for all it has started.
type Stream func(ctx context.Context, r *Recorder) error

// Options configure a Camera.
type Options struct {
	ID         string // a plain id
	Name       string
	ClientName string
	Stream     Stream
	Plan       *Plan       // when it is recorded
	Away       spool.Cause // why it was not recorded until now; empty: AgentStopped; NotWanted: there is no gap
	Segmenting Segmenting
	Spool      Spool
	Buffers    *Buffers     // shared by all cameras
	Panics     *panics.Book // shared by all cameras; nil: one of its own
	Log        zerolog.Logger
	Now        func() time.Time
}

// NotWanted says that a camera was not one of the agent's until now.
const NotWanted spool.Cause = "not wanted"

// Camera records one camera for as long as it runs.
type Camera struct {
	opts     Options
	log      zerolog.Logger
	recorder *Recorder
	outage   *outage.Outage
	panics   *panics.Page
}

// New prepares a camera.
func New(o Options) *Camera {
	log := o.Log.With().Str("camera", o.ID).Str("name", o.Name).Logger()
	if o.Panics == nil {
		o.Panics = panics.NewBook(o.Log, o.Now)
	}
	c := &Camera{opts: o, log: log, outage: outage.New(log, "camera delivers no footage", o.Now), panics: o.Panics.Of(o.ID)}
	c.recorder = newRecorder(o, log, c.panics, c.outage.Recovered)
	c.recorder.meter.update(func(s *Status) { s.ID, s.Name, s.State = o.ID, o.Name, Connecting })
	return c
}

// Status is the camera's present condition.
func (c *Camera) Status() (s Status) {
	_ = c.panics.Guard("telling the camera's condition", func() { // whoever asks tells of all cameras
		s = c.recorder.meter.snapshot()
		s.Trouble, s.Disk = c.outage.Trouble(), c.recorder.disk.outage.Trouble()
		s.Queued = c.recorder.queued()
	})
	s.Panics = c.panics.Status()
	return s
}

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	// steady is for how long a session has to bring pictures for its end to be a
	// new trouble, not the old one: the next attempt is made soon again.
	steady = 10 * time.Second
)

// Run records, as the plan says, until ctx ends, then finishes the segment that is
// open. A camera that fails is tried again for ever, with jittered pauses of 1 s to
// 30 s; so is one whose code panics.
func (c *Camera) Run(ctx context.Context) {
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	var written, edges sync.WaitGroup
	c.recorder.resume(ctx, cmp.Or(c.opts.Away, spool.AgentStopped))
	written.Go(func() { c.recorder.run(writing) })
	defer written.Wait()
	defer stopWriting()
	defer c.stopped()

	edges.Go(func() { c.edges(ctx) })
	defer edges.Wait()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.Multiplier, pause.RandomizationFactor = firstRetry, lastRetry, 2, 0.3
	for ctx.Err() == nil {
		if err := c.panics.Guard("running the camera", func() { c.turn(ctx, pause) }); err != nil {
			_ = c.panics.Guard("ending a session", func() { c.failed(err) })
			wait(ctx, min(pause.NextBackOff(), lastRetry))
		}
	}
}

// turn waits for a window and makes one attempt, and the pause behind it.
func (c *Camera) turn(ctx context.Context, pause *backoff.ExponentialBackOff) {
	if !c.awaitWindow(ctx) {
		return
	}
	c.recorder.meter.update(func(s *Status) { s.State = Connecting })
	began := c.opts.Now()
	over, err := c.session(ctx)
	if over {
		c.recorder.stopped()
		pause.Reset()
		return
	}
	if end := c.failed(err); end.Sub(began) >= steady {
		pause.Reset()
	}
	wait(ctx, min(pause.NextBackOff(), lastRetry))
}

// failed notes the end of a session, and returns where its footage ends.
func (c *Camera) failed(err error) (end time.Time) {
	end = c.recorder.ended(gapOf(err))
	c.complain(err)
	return end
}

// stopped finishes what is open. What a panic has kept from it is tried once more.
func (c *Camera) stopped() {
	for range 2 {
		if err := c.panics.Guard("ending a session", c.recorder.stopped); err == nil {
			return
		}
	}
}

// awaitWindow waits until there is to be a session; false when ctx ends first.
func (c *Camera) awaitWindow(ctx context.Context) bool {
	for ctx.Err() == nil {
		changed := c.opts.Plan.watch()
		wanted, again := c.opts.Plan.connected(c.opts.Now())
		if wanted {
			return true
		}
		c.recorder.meter.idle()
		c.waitUntil(ctx, again, changed)
	}
	return false
}

// waitUntil waits for a time of the host's clock, for ctx, or for a change: then it
// returns true.
func (c *Camera) waitUntil(ctx context.Context, at time.Time, changed <-chan struct{}) bool {
	timer := time.NewTimer(max(at.Sub(c.opts.Now()), time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
		return true
	case <-timer.C:
	}
	return false
}

// session makes one attempt. over says that ctx or the plan has ended it.
func (c *Camera) session(ctx context.Context) (over bool, err error) {
	ctx, end := context.WithCancel(ctx)
	var watching sync.WaitGroup
	var panicked error
	defer watching.Wait()
	defer end()
	watching.Go(func() {
		defer end()
		panicked = c.panics.Guard("following the plan", func() { c.awaitEnd(ctx) })
	})
	err = c.stream(ctx)
	over = ctx.Err() != nil
	end()
	watching.Wait()
	if panicked != nil {
		return false, panicked
	}
	return over, err
}

// awaitEnd waits until there is to be no session any more.
func (c *Camera) awaitEnd(ctx context.Context) {
	for ctx.Err() == nil {
		changed := c.opts.Plan.watch()
		wanted, again := c.opts.Plan.connected(c.opts.Now())
		if !wanted {
			return
		}
		c.waitUntil(ctx, again, changed)
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// stream makes one attempt. A panic in whatever reads the camera's bytes ends
// this session and nothing else.
func (c *Camera) stream(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = c.panics.Caught("reading the camera", p)
		}
	}()
	return c.opts.Stream(ctx, c.recorder)
}

// explained is an error that knows how to say itself to an installer.
type explained interface {
	Explain() (cause, remedy string)
}

// caused is an error that knows which kind of gap it leaves.
type caused interface {
	Gap() string // one of spool's causes
}

func gapOf(err error) (cause spool.Cause, detail string) {
	cause = spool.Unreachable
	var e caused
	if errors.As(err, &e) {
		cause = spool.Cause(e.Gap())
	}
	detail, _ = explain(err)
	return cause, detail
}

func (c *Camera) complain(err error) {
	cause, remedy := explain(err)
	c.recorder.meter.update(func(s *Status) {
		s.Reconnects++
		s.LastError, s.LastErrorAt = cause, c.opts.Now()
	})
	c.outage.Failed(cause, remedy)
}

func explain(err error) (cause, remedy string) {
	var e explained
	switch {
	case errors.As(err, &e):
		return e.Explain()
	case err != nil:
		return err.Error(), ""
	}
	return "the camera ended the session", ""
}

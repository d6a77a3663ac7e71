package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"recording-agent/capture/outage"
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
	Buffers    *Buffers // shared by all cameras
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
}

// New prepares a camera.
func New(o Options) *Camera {
	log := o.Log.With().Str("camera", o.ID).Str("name", o.Name).Logger()
	c := &Camera{opts: o, log: log, outage: outage.New(log, "camera delivers no footage", o.Now)}
	c.recorder = newRecorder(o, log, c.outage.Recovered)
	c.recorder.meter.update(func(s *Status) { s.ID, s.Name, s.State = o.ID, o.Name, Connecting })
	return c
}

// Status is the camera's present condition.
func (c *Camera) Status() Status {
	s := c.recorder.meter.snapshot()
	s.Queued = c.recorder.queued()
	s.Trouble, s.Disk = c.outage.Trouble(), c.recorder.disk.outage.Trouble()
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
// 30 s.
func (c *Camera) Run(ctx context.Context) {
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	var written, edges sync.WaitGroup
	c.recorder.resume(ctx, cmp.Or(c.opts.Away, spool.AgentStopped))
	written.Go(func() { c.recorder.run(writing) })
	defer written.Wait()
	defer stopWriting()
	defer c.recorder.stopped()

	edges.Go(func() { c.edges(ctx) })
	defer edges.Wait()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.Multiplier, pause.RandomizationFactor = firstRetry, lastRetry, 2, 0.3
	for ctx.Err() == nil {
		if !c.awaitWindow(ctx) {
			return
		}
		c.recorder.meter.update(func(s *Status) { s.State = Connecting })
		began := c.opts.Now()
		over, err := c.session(ctx)
		if over {
			c.recorder.stopped()
			pause.Reset()
			continue
		}
		end := c.recorder.ended(gapOf(err))
		c.complain(err)
		if end.Sub(began) >= steady {
			pause.Reset()
		}
		wait(ctx, min(pause.NextBackOff(), lastRetry))
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
	defer end()
	var watching sync.WaitGroup
	watching.Go(func() {
		defer end()
		for ctx.Err() == nil {
			changed := c.opts.Plan.watch()
			wanted, again := c.opts.Plan.connected(c.opts.Now())
			if !wanted {
				return
			}
			c.waitUntil(ctx, again, changed)
		}
	})
	err = c.stream(ctx)
	over = ctx.Err() != nil
	end()
	watching.Wait()
	return over, err
}

// edges accounts for the windows' edges, whether or not anything comes from the
// camera: from an opening on footage is missing, after a closing it is not. It lives
// by a clock that is behind by tail: a window's last pictures have come by then.
func (c *Camera) edges(ctx context.Context) {
	plan := c.opts.Plan
	w, open := plan.At(c.opts.Now().Add(-tail))
	for ctx.Err() == nil {
		changed := plan.watch()
		now := c.opts.Now()
		edge, found := plan.Next(now.Add(-tail))
		again := now.Add(planEvery)
		if found {
			again = earlier(again, edge.Add(tail))
		}
		replanned := c.waitUntil(ctx, again, changed)
		if ctx.Err() != nil {
			break
		}
		c.opts.Spool.Alive()
		now = c.opts.Now()
		next, opened := plan.At(now.Add(-tail))
		another := open && opened && next.Start.After(w.End) // one ended and one began meanwhile
		if open && !opened || another {
			c.recorder.closed(w.Start, earlier(w.End, now))
		}
		switch {
		case opened && !open && replanned && !next.Start.Equal(edge): // perhaps in the middle of its window
			c.recorder.opened(now)
		case opened && !open || another:
			c.recorder.opened(next.Start)
		}
		w, open = next, opened
	}
	c.recorder.stopping()
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
			c.log.Error().Str("stack", string(debug.Stack())).Msgf("panic while reading the camera: %v", p)
			err = fmt.Errorf("panic while reading the camera: %v", p)
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

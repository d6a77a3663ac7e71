package capture

import (
	"context"
	"time"

	"recording-agent/capture/schedule"
)

// edges accounts for the windows' edges, whether or not anything comes from the
// camera: from an opening on footage is missing, after a closing it is not. An edge that
// it has panicked at comes once more.
func (c *Camera) edges(ctx context.Context) {
	e := edges{Camera: c}
	for ctx.Err() == nil {
		if err := c.panics.Guard("following the windows", func() { e.next(ctx) }); err != nil {
			wait(ctx, firstRetry)
		}
	}
	_ = c.panics.Guard("ending a session", c.recorder.stopping)
}

// edges lives by a clock that is behind by tail: a window's last pictures have come by
// then.
type edges struct {
	*Camera
	begun  bool
	window schedule.Window // the last one that is accounted for
	open   bool

	due       bool      // there may be an edge to account for
	edge      time.Time // the one that was waited for
	replanned bool      // meanwhile
}

// next waits for an edge, or for a time at which one may have come, and accounts for it.
func (e *edges) next(ctx context.Context) {
	if !e.begun {
		e.window, e.open = e.opts.Plan.At(e.opts.Now().Add(-tail))
		e.begun = true
	}
	if !e.due {
		e.await(ctx)
	}
	if ctx.Err() == nil {
		e.account()
		e.due = false
	}
}

func (e *edges) await(ctx context.Context) {
	changed := e.opts.Plan.watch()
	now := e.opts.Now()
	edge, found := e.opts.Plan.Next(now.Add(-tail))
	again := now.Add(planEvery)
	if found {
		again = earlier(again, edge.Add(tail))
	}
	e.edge, e.replanned = edge, e.waitUntil(ctx, again, changed)
	e.due = true
}

func (e *edges) account() {
	e.recorder.disk.spool.Alive()
	now := e.opts.Now()
	next, opened := e.opts.Plan.At(now.Add(-tail))
	another := e.open && opened && next.Start.After(e.window.End) // one ended and one began meanwhile
	if e.open && !opened || another {
		e.recorder.closed(e.window.Start, earlier(e.window.End, now))
	}
	switch {
	case opened && !e.open && e.replanned && !next.Start.Equal(e.edge): // perhaps in the middle of its window
		e.recorder.opened(now)
	case opened && !e.open || another:
		e.recorder.opened(next.Start)
	}
	e.window, e.open = next, opened
}

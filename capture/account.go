package capture

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// account makes a camera's time footage or gaps, each moment of its windows once. What
// is told to it comes in order, through the queue: nothing is noted before the footage
// in front of it is on the disk. It belongs to the writing goroutine.
//
// until is what keeps it whole. What is missing begins there, wherever the teller
// believes that it does; and what begins later without a word leaves a gap.
type account struct {
	spool  Spool
	camera string // its id
	plan   *Plan
	ledger *outage.Outage
	log    zerolog.Logger
	until  time.Time // before this all is footage, a gap or outside of windows
	open   *gap      // what is missing from until on, for as long as it lasts

	unnoted []func(ctx context.Context) error // what the ledger has not taken yet, in order
}

// gap is a stretch without footage, or what else is told to the account.
type gap struct {
	kind     gapKind
	from, to time.Time
	cause    spool.Cause
	detail   string
	slack    time.Duration // windowOver: as much may pass between pictures
}

type gapKind int

const (
	lasting    gapKind = iota // no footage from on, until there is some again
	inside                    // between two pictures of a segment
	windowOver                // or as much as there was of it
	clockSet                  // the host's, to another time than it had
)

func (a *account) note(ctx context.Context, g gap) {
	switch g.kind {
	case lasting:
		a.missing(ctx, g)
	case inside:
		if a.open == nil {
			a.between(ctx, g.from, g.to, g.cause, g.detail)
		}
	case windowOver:
		a.over(ctx, g)
	case clockSet:
		a.set(ctx, g)
	}
}

func (a *account) missing(ctx context.Context, g gap) {
	if a.open == nil {
		a.until = later(a.until, g.from)
	}
	from := a.until
	a.tell(ctx, func(ctx context.Context) error { return a.spool.GapOpened(ctx, a.camera, from, g.cause, g.detail) })
	if a.open == nil || a.open.cause == spool.Connecting {
		a.open = &g
	}
}

// begins notes what is missing in front of a segment whose file is about to be made. A
// gap that lasts does so until there is footage.
func (a *account) begins(ctx context.Context, seg *segment) {
	if a.open == nil {
		a.between(ctx, later(a.until, seg.opened), seg.Start, seg.why.cause, seg.why.detail)
		a.until = later(a.until, seg.Start)
	}
}

// begun notes that a segment's footage is on the disk.
func (a *account) begun(ctx context.Context, seg *segment) {
	if a.open != nil {
		a.closed(ctx, seg.Start)
	}
}

// lost notes that a segment's footage cannot be written any more.
func (a *account) lost(ctx context.Context, seg *segment, from time.Time, cause spool.Cause, detail string) {
	a.begins(ctx, seg) // perhaps there was no room for its file
	a.missing(ctx, gap{from: later(from, seg.opened), cause: cause, detail: detail})
}

// ended notes where a segment's footage ends.
func (a *account) ended(seg *segment) {
	if a.open == nil {
		a.until = later(a.until, seg.end)
	}
}

func (a *account) over(ctx context.Context, g gap) {
	if !g.to.After(a.until) {
		return // it is accounted for, and a gap that lasts is a later window's
	}
	if a.open != nil {
		a.closed(ctx, g.to)
	} else if from := later(a.until, g.from); g.to.Sub(from) > g.slack {
		a.between(ctx, from, g.to, g.cause, g.detail)
	} else {
		return
	}
	a.until = later(a.until, g.to)
}

// set notes that the host's clock was set: what was missing under the old time ends
// there, and goes on under the new one. What lies between never was.
func (a *account) set(ctx context.Context, g gap) {
	was := a.open
	if was != nil {
		a.closed(ctx, g.from)
	} else if g.cause != "" { // nothing came; perhaps a window has opened, and nobody has told of it yet
		for _, w := range a.plan.Windows(later(a.until, g.from.Add(-2*tail)), g.from) {
			a.between(ctx, w.Start, w.End, g.cause, "")
		}
	}
	never := a.plan.Windows(later(g.from, a.until), g.to) // the last picture may have been to last longer
	for _, w := range never {
		a.tell(ctx, func(ctx context.Context) error {
			return a.spool.GapBetween(ctx, a.camera, w.Start, w.End, spool.ClockStep, g.detail)
		})
	}
	if w, wanted := a.plan.At(g.to); wanted {
		if len(never) == 0 {
			a.tell(ctx, func(ctx context.Context) error {
				return a.spool.GapBetween(ctx, a.camera, g.to, g.to, spool.ClockStep, g.detail)
			})
		}
		if was != nil {
			a.tell(ctx, func(ctx context.Context) error {
				return a.spool.GapOpened(ctx, a.camera, later(w.Start, g.to), was.cause, was.detail)
			})
			a.open = was
		}
	}
	a.until = g.to
	a.log.Warn().Time("from", g.from).Time("to", g.to).Msg("the host's clock was set")
}

// resume accounts for the time up to now in which the camera did not run, as far as
// there was to be footage.
func (a *account) resume(ctx context.Context, now time.Time, away spool.Cause) {
	within, cancel := outliving(ctx)
	defer cancel()
	since, err := a.spool.AccountedUntil(within, a.camera)
	g := gap{from: now, cause: spool.Connecting}
	if err != nil { // what is missing is noted as soon as the ledger says since when
		since = now
		a.tell(ctx, func(ctx context.Context) error { return a.catchUp(ctx, now, away) })
	}
	if since.After(now) && since.Sub(now) < slowest { // as long as the last picture was to last
		now, g.from = since, since
	}
	if since.IsZero() || away == NotWanted {
		since, g.detail = now, "for the first time"
	}
	open, wanted := a.plan.At(now)
	if wanted && away == spool.Reconfigured && since.Before(now) { // connecting is a part of it
		g.from, g.cause = later(since, open.Start), away
	}
	for _, w := range a.plan.Windows(since, g.from) {
		a.between(ctx, w.Start, w.End, away, "")
	}
	a.until = g.from
	if wanted {
		a.missing(ctx, g)
	}
}

// catchUp notes, up to a moment, the time in which the camera did not run.
func (a *account) catchUp(ctx context.Context, to time.Time, away spool.Cause) error {
	since, err := a.spool.AccountedBefore(ctx, a.camera, to)
	if err != nil || since.IsZero() || away == NotWanted {
		return err
	}
	for _, w := range a.plan.Windows(since, to) {
		if err := a.spool.GapBetween(ctx, a.camera, w.Start, w.End, away, ""); err != nil {
			return err
		}
	}
	return nil
}

func (a *account) between(ctx context.Context, from, to time.Time, cause spool.Cause, detail string) {
	if to.After(from) {
		a.tell(ctx, func(ctx context.Context) error { return a.spool.GapBetween(ctx, a.camera, from, to, cause, detail) })
	}
}

// closed notes the end of what was missing.
func (a *account) closed(ctx context.Context, end time.Time) {
	a.tell(ctx, func(ctx context.Context) error { return a.spool.GapClosed(ctx, a.camera, end) })
	a.open, a.until = nil, later(a.until, end)
}

// maxUnnoted bounds what waits for the ledger.
const maxUnnoted = 10_000

const ledgerRemedy = "look at the disk that agent.data_dir is on; what it is to know is noted when it can be written again"

// tell has something noted, behind what could not be noted before.
func (a *account) tell(ctx context.Context, note func(ctx context.Context) error) {
	if len(a.unnoted) >= maxUnnoted {
		a.log.Error().Msg("a gap is forgotten: the ledger takes none, and too many wait for it")
		return
	}
	a.unnoted = append(a.unnoted, note)
	a.noteAll(ctx)
}

// noteWithin bounds how long the ledger may take for one note.
const noteWithin = 10 * time.Second

// outliving is a context for a note that is to be made even as the agent is stopped, and
// that does not hold up its end for long.
func outliving(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
}

func (a *account) noteAll(ctx context.Context) {
	ctx, cancel := outliving(ctx)
	defer cancel()
	for ; len(a.unnoted) > 0; a.unnoted = a.unnoted[1:] {
		if err := a.unnoted[0](ctx); err != nil {
			a.ledger.Failed(err.Error(), ledgerRemedy)
			return
		}
		a.ledger.Recovered()
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

package capture

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// brokenLedger is a spool whose ledger takes nothing for a while.
type brokenLedger struct {
	*spool.Spool
	broken atomic.Bool
}

var errBroken = errors.New("attempt to write a readonly database")

func (l *brokenLedger) Begun(ctx context.Context, seg spool.Segment) error {
	if l.broken.Load() {
		return errBroken
	}
	return l.Spool.Begun(ctx, seg)
}

func (l *brokenLedger) GapOpened(ctx context.Context, cameraID string, start time.Time, cause spool.Cause, detail string) error {
	if l.broken.Load() {
		return errBroken
	}
	return l.Spool.GapOpened(ctx, cameraID, start, cause, detail)
}

func (l *brokenLedger) GapClosed(ctx context.Context, cameraID string, end time.Time) error {
	if l.broken.Load() {
		return errBroken
	}
	return l.Spool.GapClosed(ctx, cameraID, end)
}

func (l *brokenLedger) AccountedUntil(ctx context.Context, cameraID string) (time.Time, error) {
	if l.broken.Load() {
		return time.Time{}, errBroken
	}
	return l.Spool.AccountedUntil(ctx, cameraID)
}

func (l *brokenLedger) AccountedBefore(ctx context.Context, cameraID string, now time.Time) (time.Time, error) {
	if l.broken.Load() {
		return time.Time{}, errBroken
	}
	return l.Spool.AccountedBefore(ctx, cameraID, now)
}

// A ledger that cannot be read at the start says later since when footage is missing.
func TestLedgerThatCannotBeReadAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		play := func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) }
		b.run(New(b.options(play)))
		sleep(t.Context(), 20*time.Second)
		b.end()
		before := len(b.gaps())
		sleep(t.Context(), time.Minute)
		ledger := &brokenLedger{Spool: b.spool}
		ledger.broken.Store(true)
		o := b.options(play)
		o.Spool = ledger
		b.run(New(o))
		sleep(t.Context(), 20*time.Second)
		ledger.broken.Store(false)
		sleep(t.Context(), 40*time.Second)
		b.end()
		gaps := b.gaps()[before:]
		if len(gaps) == 0 || gaps[0].Cause != spool.AgentStopped || gaps[0].End.Sub(gaps[0].Start).Round(time.Second) != time.Minute {
			t.Errorf("gaps %+v, want the minute in which the agent did not run", gaps)
		}
		if frames(b.segments(spool.Finished)) != p.count {
			t.Errorf("%d pictures in segments, %d were sent", frames(b.segments(spool.Finished)), p.count)
		}
	})
}

// A gap that the ledger does not take is noted when it does again.
func TestGapsWaitForTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		ledger := &brokenLedger{Spool: b.spool}
		p := &script{}
		sessions := 0
		o := b.options(func(ctx context.Context, r *Recorder) error {
			switch sessions++; sessions {
			case 1:
				if err := p.play(ctx, r, 100, nil); err != nil {
					return err
				}
				ledger.broken.Store(true)
				return errors.New("the camera hung up")
			case 2:
				return errors.New("and does not answer")
			}
			return p.play(ctx, r, 1<<30, nil)
		})
		o.Spool = ledger
		b.run(New(o))
		sleep(t.Context(), 20*time.Second)
		if len(b.gaps()) > 1 { // up to the first picture
			t.Errorf("the ledger takes nothing: %+v", b.gaps())
		}
		ledger.broken.Store(false)
		sleep(t.Context(), 35*time.Second)
		b.end()
		for _, g := range b.gaps() {
			if g.Detail != "the camera hung up" {
				continue
			}
			if d := g.Start.Sub(p.sent[99]); d < 0 || d > frameTime {
				t.Errorf("the gap starts %v after the last picture", d)
			}
			if want := p.sent[100].UTC().Truncate(time.Microsecond); !g.End.Equal(want) {
				t.Errorf("the gap ends at %v, footage began again at %v", g.End, want)
			}
			if n := strings.Count(b.log.String(), "the ledger cannot be written"); n < 1 || n > 5 {
				t.Errorf("said %d times", n)
			}
			if frames(b.segments(spool.Finished)) != p.count {
				t.Errorf("%d pictures in segments, %d were sent", frames(b.segments(spool.Finished)), p.count)
			}
			return
		}
		t.Errorf("no gap: %+v", b.gaps())
	})
}

// An agent that is stopped as soon as it was started has noted what was missing before,
// and says nothing of trouble.
func TestStoppedJustAfterTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) })))
		sleep(t.Context(), 20*time.Second)
		b.end()
		before := len(b.gaps())
		sleep(t.Context(), time.Minute)
		var said strings.Builder
		o := b.options(func(ctx context.Context, _ *Recorder) error { return ctx.Err() })
		o.Log = zerolog.New(&said)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		New(o).Run(ctx)
		gaps := b.gaps()
		if len(gaps) < before+1 {
			t.Fatalf("gaps %+v, want one more than %d", gaps, before)
		}
		if g := gaps[before]; g.Cause != spool.AgentStopped || g.End.Sub(g.Start).Round(time.Second) != time.Minute {
			t.Errorf("gap %+v", g)
		}
		if said.Len() > 0 {
			t.Errorf("said: %s", said.String())
		}
	})
}

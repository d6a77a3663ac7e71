package spool

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// newSetBack has ten minutes of the camera gate, up to epoch, and no picture of the
// camera yard for the last of them. The clock is remembered at epoch.
func newSetBack(t *testing.T) *unsetBench {
	b := &unsetBench{t: t, dir: t.TempDir(), host: &testHost{boot: "before", up: time.Hour, synced: true, asked: true}}
	b.host.set(epoch.Add(-time.Minute))
	b.open()
	finished(t, b.Spool, "gate", epoch.Add(-10*time.Minute), 600)
	must(t, b.GapOpened(t.Context(), "yard", epoch.Add(-time.Minute), Unreachable, ""))
	b.pass(time.Minute)
	return b
}

func (b *unsetBench) pass(d time.Duration) {
	b.host.up += d
	b.Alive()
	b.follow()
}

// away is the time that the agent does not run.
func (b *unsetBench) away(d time.Duration) { b.host.up += d }

func (b *unsetBench) setBy(d time.Duration) { b.host.set(b.host.now().Add(d)) }

func (b *unsetBench) steps(camera string) (at []time.Time) {
	b.t.Helper()
	gaps, err := b.Gaps(b.t.Context(), camera)
	must(b.t, err)
	for _, g := range gaps {
		if g.Cause == ClockStep {
			at = append(at, g.Start)
		}
	}
	return at
}

// A clock that was set back while the agent did not run shows times that the ledger
// has: what is missing since then is not hidden by what was recorded under the old time.
func TestSetBackWhileAway(t *testing.T) {
	ended := func(b *unsetBench) { must(b.t, b.Close()) }
	for name, tc := range map[string]struct{ end, begin func(b *unsetBench) }{
		"killed":                      {(*unsetBench).kill, (*unsetBench).open},
		"ended":                       {ended, (*unsetBench).open},
		"killed, and again":           {(*unsetBench).kill, func(b *unsetBench) { b.open(); b.crash() }},
		"killed before it was noted":  {(*unsetBench).kill, func(b *unsetBench) { b.openOnly(); b.crash() }},
		"ended before it was noted":   {ended, func(b *unsetBench) { b.openOnly(); b.restart() }},
		"killed long after the start": {(*unsetBench).kill, func(b *unsetBench) { b.open(); b.pass(2 * time.Minute); b.crash() }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSetBack(t)
			tc.end(b)
			b.away(10 * time.Second)
			b.setBy(-20 * time.Minute)
			tc.begin(b)
			ended := epoch.Add(-20 * time.Minute) // by the clock as it is
			for _, camera := range []string{"gate", "yard"} {
				if got := b.steps(camera); !slices.EqualFunc(got, []time.Time{ended}, time.Time.Equal) {
					t.Errorf("%s: steps of the clock at %v, want one at %v", camera, got, ended)
				}
				if until, err := b.AccountedUntil(t.Context(), camera); err != nil || !until.Equal(ended) {
					t.Errorf("%s is known up to %v, %v, want %v", camera, until, err, ended)
				}
			}
			gaps, err := b.Gaps(t.Context(), "yard")
			must(t, err)
			if last := gaps[len(gaps)-1]; last.Cause != Unreachable || !last.End.Equal(epoch) {
				t.Errorf("the gap that was open is %+v, want it to end at %v", last, epoch)
			}
		})
	}
}

// openOnly is a start that is ended before anything was mended.
func (b *unsetBench) openOnly() {
	b.t.Helper()
	var err error
	b.Spool, err = Open(b.t.Context(), b.opts)
	must(b.t, err)
}

func (b *unsetBench) kill() {
	b.t.Helper()
	must(b.t, errors.Join(b.ledger.db.Close(), b.lock.Unlock()))
}

func TestNotSetBackWhileAway(t *testing.T) {
	for name, away := range map[string]func(b *unsetBench){
		"nothing":       func(b *unsetBench) { b.kill() },
		"set forward":   func(b *unsetBench) { b.kill(); b.setBy(time.Hour) },
		"slewed by NTP": func(b *unsetBench) { b.kill(); b.away(24 * time.Hour); b.setBy(-43 * time.Second) },
		"booted since": func(b *unsetBench) {
			b.kill()
			b.host.reboot(b.host.now().Add(-time.Minute), "next")
			b.host.synced = true
		},
		"told by cameras": func(b *unsetBench) { b.toldBy(20 * time.Minute); b.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newSetBack(t)
			away(b)
			told := 0
			if name == "told by cameras" {
				told = 1
			}
			b.open()
			if got := b.steps("gate"); len(got) != told {
				t.Errorf("steps of the clock at %v, %d were told before", got, told)
			}
		})
	}
}

// toldBy sets the clock back while the agent runs: the cameras note it, and it is killed
// before it is remembered.
func (b *unsetBench) toldBy(d time.Duration) {
	b.setBy(-d)
	b.follow()
	now := b.host.now()
	for _, camera := range []string{"gate", "yard"} {
		must(b.t, b.GapBetween(b.t.Context(), camera, now, now, ClockStep, "set by -20m"))
	}
	b.host.up += tellSteps / 2
	b.follow()
}

// A gap that began after the clock was set back ends by the new time, though nobody has
// remembered yet that it was set.
func TestGapAfterItWasSetBack(t *testing.T) {
	b := newSetBack(t)
	finished(t, b.Spool, "gate", epoch.Add(-time.Second), 1)
	b.toldBy(20 * time.Minute)
	began := b.host.now()
	must(t, b.GapOpened(t.Context(), "gate", began, Stalled, ""))
	b.crash()
	gaps, err := b.Gaps(t.Context(), "gate")
	must(t, err)
	for _, g := range gaps {
		if g.Cause == Stalled && g.End.After(b.host.now()) {
			t.Errorf("the gap ends at %v, it is %v", g.End, b.host.now())
		}
	}
	if until, err := b.AccountedUntil(t.Context(), "gate"); err != nil || until.Before(began) || until.After(b.host.now()) {
		t.Errorf("it is known up to %v, %v", until, err)
	}
}

// That the clock was set is remembered once the cameras had time to note it.
func TestSettingOfTheClockIsRemembered(t *testing.T) {
	b := newSetBack(t)
	b.toldBy(20 * time.Minute)
	b.host.up += tellSteps
	b.follow()
	b.host.up += 2 * time.Second
	finished(t, b.Spool, "gate", b.host.now().Add(-time.Second), 1)
	b.crash()
	if got := b.steps("gate"); len(got) != 1 {
		t.Errorf("steps of the clock at %v", got)
	}
	if until, err := b.AccountedUntil(t.Context(), "gate"); err != nil || !until.Equal(b.host.now()) {
		t.Errorf("it is known up to %v, %v, it is %v", until, err, b.host.now())
	}
}

package spool

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// startAgain has the host boot under a clock that is not set, and the agent look what there is.
func (b *unsetBench) startAgain(boot string) {
	b.t.Helper()
	b.host.reboot(unix0.Add(30*time.Second), boot)
	o := testOptions(b.t, b.dir)
	o.Now, o.Clock, o.Destinations = b.host.now, b.host.clock(), nil
	var err error
	b.Spool, err = Open(b.t.Context(), o)
	must(b.t, err)
	_, err = b.Prepare(b.t.Context())
	must(b.t, err)
}

// What was recorded under a clock that was not set, and has lost its ledger, gets its times
// together: also if the clock is set while only some of it has rows.
func TestClockIsSetWhileTakingIn(t *testing.T) {
	account := func(meanwhile bool) string {
		b := newUnset(t)
		for range 50 {
			b.record(10)
		}
		b.kill()
		must(t, os.Remove(filepath.Join(b.dir, "ledger.db")))
		b.startAgain("second")
		defer b.Spool.Close()
		files := b.intake.next(20)
		var r Recovery
		must(t, b.takeInFiles(t.Context(), files, &r))
		b.intake.taken(len(files))
		set := func() {
			b.host.set(epoch.Add(time.Hour))
			b.follow()
		}
		if meanwhile {
			set()
			if n, err := b.HeldBack(t.Context()); err != nil || n < len(files) {
				t.Errorf("%d wait for their times, %v; of one boot all get them together", n, err)
			}
		}
		_, err := b.TakeIn(t.Context())
		must(t, err)
		_, err = b.readAll(t.Context(), hurried)
		must(t, err)
		if !meanwhile {
			set()
		}
		b.follow()
		_, err = b.readAll(t.Context(), hurried)
		must(t, err)
		if n, err := b.HeldBack(t.Context()); err != nil || n != 0 {
			t.Errorf("%d still wait for their times, %v", n, err)
		}
		return b.account()
	}
	if at, after := account(true), account(false); at != after {
		t.Errorf("set meanwhile:\n%s\nafterwards:\n%s", at, after)
	}
}

// What was cut off under a clock that was not set gets its times together with the rest as
// well, though it is recovered behind the cameras: else its time would be missing before.
func TestClockIsSetBeforeWhatWasCutIsRecovered(t *testing.T) {
	account := func(before bool) string {
		b := newUnset(t)
		b.record(10)
		open := begin(t, b.Spool, "gate", b.host.now())
		must(t, b.Begun(t.Context(), open.Segment))
		open.parts(t, 30)
		b.host.up += 30 * time.Second
		b.kill()
		b.startAgain("second")
		defer b.Spool.Close()
		_, err := b.TakeIn(t.Context())
		must(t, err)
		b.record(20)
		set := func() {
			b.host.set(epoch.Add(time.Hour))
			b.follow()
		}
		if before {
			set()
		}
		_, err = b.readAll(t.Context(), hurried)
		must(t, err)
		if !before {
			set()
		}
		b.follow()
		b.follow()
		if n, err := b.HeldBack(t.Context()); err != nil || n != 0 {
			t.Errorf("%d still wait for their times, %v", n, err)
		}
		return b.account()
	}
	if at, after := account(true), account(false); at != after {
		t.Errorf("set before:\n%s\nafterwards:\n%s", at, after)
	}
}

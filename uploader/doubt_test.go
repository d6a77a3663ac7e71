package uploader

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// onlyHere is a storage whose segments go nowhere, and a retention with a clock that is
// set by hand: reap has it look after so long.
type onlyHere struct {
	*storage
	r     *Retention
	clock time.Time
	set   time.Duration // since the last look
}

func newOnlyHere(t *testing.T, segments int) *onlyHere {
	t.Helper()
	sp, err := spool.Open(t.Context(), spool.Options{Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h := &onlyHere{storage: &storage{t: t, shelf: &shelf{}, spool: sp}, clock: time.Date(1999, 12, 1, 1, 0, 0, 0, time.UTC)}
	t.Cleanup(h.close)
	for i := range segments { // one begins each minute from 00:00 on, and lasts that long
		h.add(i)
	}
	h.restart()
	return h
}

func (h *onlyHere) restart() {
	h.r = NewRetention(RetentionOptions{
		Files: h.spool, Disk: roomy, Log: zerolog.New(&h.log), Now: func() time.Time { return h.clock },
		Keep: Keep{AfterUpload: true, MaxAge: 30 * 24 * time.Hour, MinFree: noMinimum},
	})
	h.r.step = func(time.Time, time.Time) (step time.Duration) {
		step, h.set = h.set, 0
		return step
	}
}

func (h *onlyHere) reap(passed, set time.Duration) {
	h.t.Helper()
	h.clock, h.set = h.clock.Add(passed+set), set
	h.must(h.r.reap(h.t.Context()))
}

func (h *onlyHere) left() int { return countOf(h.states(5), 'f') }

const day, year = 24 * time.Hour, 365 * 24 * time.Hour

// TestClockAheadDeletesNoOnlyCopy: what was recorded an hour ago is a year old all at once.
func TestClockAheadDeletesNoOnlyCopy(t *testing.T) {
	h := newOnlyHere(t, 5)
	h.reap(time.Minute, 0)
	h.reap(time.Minute, year)
	h.reap(29*day, 0)
	if n := h.left(); n != 5 {
		t.Fatalf("%d files of 5 are left within 30 days", n)
	}
	if n := strings.Count(h.log.String(), "set forward"); n != 1 {
		t.Errorf("it is said %d times: %s", n, h.log.String())
	}
	h.reap(day, 0)
	if n := h.left(); n != 0 {
		t.Errorf("%d files are left after 30 days", n)
	}
}

// TestClockAheadBeforeARestart: it is known by the row of the step.
func TestClockAheadBeforeARestart(t *testing.T) {
	h := newOnlyHere(t, 5)
	was := h.clock
	h.clock = was.Add(year)
	h.must(h.spool.GapBetween(t.Context(), "gate", was, h.clock, spool.ClockStep, "set by 8760h0m0s"))
	h.reap(0, 0)
	h.restart()
	h.reap(29*day, 0)
	if n := h.left(); n != 5 {
		t.Errorf("%d files of 5 are left within 30 days", n)
	}
	h.reap(day, 0)
	if n := h.left(); n != 0 {
		t.Errorf("%d files are left after 30 days", n)
	}
}

// TestDoubtEnds: a clock that was set back again is as good as before, and one that was
// set forward by a day leaves a day's doubt.
func TestDoubtEnds(t *testing.T) {
	h := newOnlyHere(t, 5)
	h.reap(time.Minute, 0)
	h.reap(time.Minute, year)
	h.reap(time.Minute, -year)
	h.reap(30*day, 0)
	if n := h.left(); n != 0 {
		t.Errorf("%d files are left 30 days after the clock was put right", n)
	}

	h = newOnlyHere(t, 5)
	h.reap(29*day, 0)
	h.reap(time.Minute, day)
	if n := h.left(); n != 5 {
		t.Errorf("%d files of 5 are left, which are 29 days old", n)
	}
	h.reap(day, 0)
	if n := h.left(); n != 0 {
		t.Errorf("%d files are left which are 30 days old", n)
	}
}

// TestRingWhoseRoomComesLate: where nothing is uploaded each file is the only copy.
func TestRingWhoseRoomComesLate(t *testing.T) {
	h := newOnlyHere(t, 5) // of 1000 bytes each
	disk := func() (uint64, uint64, error) { return 1<<40 - 1500, 1 << 41, nil }
	h.r = NewRetention(RetentionOptions{
		Files: h.spool, Disk: disk, Log: zerolog.New(&h.log), Now: func() time.Time { return h.clock },
		Keep: Keep{AfterUpload: true, MinFree: func(uint64) uint64 { return 1 << 40 }},
	})
	for range 6 {
		h.must(h.r.makeRoom(t.Context()))
		h.clock = h.clock.Add(retainEvery)
	}
	if n := h.left(); n != 3 {
		t.Errorf("%d files of 5 are left, and two would have made room", n)
	}
}

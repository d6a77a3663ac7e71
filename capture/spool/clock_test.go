package spool

import (
	"testing"
	"time"
)

// testHost is a host whose clock is set, and which is booted, by the test.
type testHost struct {
	booted time.Time // by its clock
	up     time.Duration
	boot   string
	synced bool
	asked  bool // it can be asked whether it is synced
	built  time.Time
}

func (h *testHost) now() time.Time { return h.booted.Add(h.up) }

func (h *testHost) clock() *HostClock {
	return &HostClock{Now: h.now, Uptime: func() time.Duration { return h.up }, Boot: h.boot, Synced: func() (yes, known bool) { return h.synced, h.asked }, Built: h.built}
}

func (h *testHost) set(t time.Time) { h.booted = t.Add(-h.up) }

func (h *testHost) reboot(now time.Time, boot string) {
	*h = testHost{boot: boot, built: h.built, up: 20 * time.Second}
	h.set(now)
}

var unix0 = time.Unix(0, 0).UTC()

func setTo(sinceEpoch time.Duration) func(*testHost) {
	return func(h *testHost) { h.set(epoch.Add(sinceEpoch)) }
}

func pass(d time.Duration) func(*testHost) { return func(h *testHost) { h.up += d } }

func keep(h *testHost) { h.synced = true }

func TestWhichClockIsBelieved(t *testing.T) {
	built := epoch.AddDate(0, -1, 0)
	for _, tc := range []struct {
		name string
		at   time.Time   // the clock at the start
		last clockMemory // of the last run
		then func(h *testHost)
		want [2]ClockState // at the start, and then
	}{
		{"right", epoch, clockMemory{trusted: epoch.Add(-time.Hour)}, nil, [2]ClockState{ClockSet, ClockSet}},
		{"right, for the first time", epoch, clockMemory{}, nil, [2]ClockState{ClockSet, ClockSet}},
		{"seconds behind the last time", epoch.Add(-5 * time.Second), clockMemory{trusted: epoch, boot: "1"}, nil, [2]ClockState{ClockSet, ClockSet}},
		{"1970", unix0, clockMemory{trusted: epoch}, nil, [2]ClockState{ClockUnset, ClockUnset}},
		{"1970, for the first time", unix0, clockMemory{}, nil, [2]ClockState{ClockUnset, ClockUnset}},
		{"before it was built", built.Add(-time.Hour), clockMemory{}, nil, [2]ClockState{ClockUnset, ClockUnset}},
		{"1970, then set", unix0, clockMemory{trusted: epoch}, setTo(time.Hour), [2]ClockState{ClockUnset, ClockSet}},
		{"1970, then put to what was saved an hour ago", unix0, clockMemory{trusted: epoch}, setTo(-time.Hour), [2]ClockState{ClockUnset, ClockUnset}},
		{"1970, then put to what was saved at the end", unix0, clockMemory{trusted: epoch}, setTo(time.Second), [2]ClockState{ClockUnset, ClockUnset}},
		{"saved an hour ago", epoch.Add(-time.Hour), clockMemory{trusted: epoch}, nil, [2]ClockState{ClockUnset, ClockUnset}},
		{"saved an hour ago, ticks on", epoch.Add(-time.Hour), clockMemory{trusted: epoch}, pass(2 * time.Hour), [2]ClockState{ClockUnset, ClockUnset}},
		{"saved an hour ago, then set", epoch.Add(-time.Hour), clockMemory{trusted: epoch}, setTo(72 * time.Hour), [2]ClockState{ClockUnset, ClockSet}},
		{"saved an hour ago, then kept by a time server", epoch.Add(-time.Hour), clockMemory{trusted: epoch}, keep, [2]ClockState{ClockUnset, ClockSet}},
		{"saved at the end", epoch.Add(time.Second), clockMemory{trusted: epoch}, pass(10 * time.Minute), [2]ClockState{ClockUnset, ClockUnset}},
		{"saved at the end, then set", epoch.Add(time.Second), clockMemory{trusted: epoch}, setTo(72 * time.Hour), [2]ClockState{ClockUnset, ClockSet}},
		{"booted anew, kept by a time server", epoch.Add(time.Minute), clockMemory{trusted: epoch}, keep, [2]ClockState{ClockUnset, ClockSet}},
		{"booted anew, no time server", epoch.Add(time.Minute), clockMemory{trusted: epoch}, pass(restoredPatience), [2]ClockState{ClockUnset, ClockSet}},
		{"saved at the end, after hours of 1970", epoch.Add(time.Minute), clockMemory{trusted: epoch, waited: 20 * time.Hour}, pass(time.Minute), [2]ClockState{ClockUnset, ClockUnset}},
		{"booted anew, and it cannot be asked", epoch.Add(time.Minute), clockMemory{trusted: epoch, boot: "cannot be asked"}, nil, [2]ClockState{ClockSet, ClockSet}},
		{"not booted", epoch.Add(time.Minute), clockMemory{trusted: epoch, boot: "1"}, nil, [2]ClockState{ClockSet, ClockSet}},
		{"the last run was in the future", epoch, clockMemory{trusted: epoch.AddDate(60, 0, 0)}, keep, [2]ClockState{ClockUnset, ClockSet}},
		{"the last run was in the future, no time server", epoch, clockMemory{trusted: epoch.AddDate(60, 0, 0)}, pass(ClockPatience), [2]ClockState{ClockUnset, ClockSet}},
		{"1970 for a day", unix0, clockMemory{trusted: epoch}, pass(ClockPatience), [2]ClockState{ClockUnset, ClockDoubted}},
		{"1970 for a day, over several boots", unix0, clockMemory{trusted: epoch, waited: ClockPatience - time.Minute}, pass(time.Minute), [2]ClockState{ClockUnset, ClockDoubted}},
		{"1970 again, after a day of it", unix0, clockMemory{trusted: epoch, waited: ClockPatience}, nil, [2]ClockState{ClockDoubted, ClockDoubted}},
		{"1970 for a day, then set", unix0, clockMemory{trusted: epoch, waited: ClockPatience}, setTo(time.Hour), [2]ClockState{ClockDoubted, ClockSet}},
		{"set back by an hour", epoch, clockMemory{trusted: epoch, boot: "1"}, setTo(-time.Hour), [2]ClockState{ClockSet, ClockSet}},
		{"set back to 1970", epoch, clockMemory{trusted: epoch, boot: "1"}, func(h *testHost) { h.set(unix0) }, [2]ClockState{ClockSet, ClockUnset}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &testHost{boot: "1", up: 20 * time.Second, built: built, asked: tc.last.boot != "cannot be asked"}
			h.set(tc.at)
			c := newClock(*h.clock(), tc.last)
			if got := c.report().State; got != tc.want[0] {
				t.Errorf("at the start it is %s, want %s", got, tc.want[0])
			}
			if tc.then != nil {
				tc.then(h)
			}
			if got := c.report().State; got != tc.want[1] {
				t.Errorf("then it is %s, want %s", got, tc.want[1])
			}
		})
	}
}

// A time belongs to the setting of the clock under which it was read, however late
// it is asked for.
func TestTimesBelongToSettingsOfTheClock(t *testing.T) {
	h := &testHost{boot: "1", up: 20 * time.Second}
	h.set(unix0.Add(time.Hour))
	c := newClock(*h.clock(), clockMemory{trusted: epoch})
	h.up += time.Minute
	c.report()
	early := h.now()
	h.up += 500 * time.Millisecond
	h.set(epoch.Add(time.Hour))
	h.up += 400 * time.Millisecond
	late := h.now().Add(-300 * time.Millisecond) // read after it was set, before anybody looked
	for _, tc := range []struct {
		name  string
		at    time.Time
		state ClockState
		found bool
	}{
		{"before it was set", early, ClockUnset, true},
		{"since it was set", late, ClockSet, true},
		{"now", h.now(), ClockSet, true},
		{"of the last run", epoch, ClockSet, false},
		{"of another boot", unix0.Add(time.Minute), ClockSet, false},
	} {
		if got, found := c.of(tc.at); got.state != tc.state || found != tc.found {
			t.Errorf("%s: %s, %v", tc.name, got.state, found)
		}
	}
	if !c.firstSetting(h.now()) || c.firstSetting(early) {
		t.Error("it was set once, and before that not")
	}
	h.up += time.Hour
	h.set(h.now().Add(time.Minute))
	if c.firstSetting(h.now()) {
		t.Error("it was set before")
	}
}

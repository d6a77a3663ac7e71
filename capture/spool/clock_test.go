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
	built  time.Time
}

func (h *testHost) now() time.Time { return h.booted.Add(h.up) }

func (h *testHost) clock() *HostClock {
	return &HostClock{Now: h.now, Uptime: func() time.Duration { return h.up }, Boot: h.boot, Synced: func() bool { return h.synced }, Built: h.built}
}

func (h *testHost) set(t time.Time) { h.booted = t.Add(-h.up) }

func (h *testHost) reboot(now time.Time, boot string) {
	*h = testHost{boot: boot, built: h.built, up: 20 * time.Second}
	h.set(now)
}

var unix0 = time.Unix(0, 0).UTC()

func TestWhichClockIsBelieved(t *testing.T) {
	built := epoch.AddDate(0, -1, 0)
	for _, tc := range []struct {
		name    string
		at      time.Time // the clock at the start
		trusted time.Time // of the last run
		waited  time.Duration
		then    func(h *testHost)
		want    [2]ClockState // at the start, and then
	}{
		{"right", epoch, epoch.Add(-time.Hour), 0, nil, [2]ClockState{ClockSet, ClockSet}},
		{"right, for the first time", epoch, time.Time{}, 0, nil, [2]ClockState{ClockSet, ClockSet}},
		{"seconds behind the last time", epoch.Add(-5 * time.Second), epoch, 0, nil, [2]ClockState{ClockSet, ClockSet}},
		{"1970", unix0, epoch, 0, nil, [2]ClockState{ClockUnset, ClockUnset}},
		{"1970, for the first time", unix0, time.Time{}, 0, nil, [2]ClockState{ClockUnset, ClockUnset}},
		{"before it was built", built.Add(-time.Hour), time.Time{}, 0, nil, [2]ClockState{ClockUnset, ClockUnset}},
		{"1970, then set", unix0, epoch, 0, func(h *testHost) { h.set(epoch.Add(time.Hour)) }, [2]ClockState{ClockUnset, ClockSet}},
		{"1970, then set to what was saved before the end", unix0, epoch, 0, func(h *testHost) { h.set(epoch.Add(-10 * time.Minute)) }, [2]ClockState{ClockUnset, ClockUnset}},
		{"what was saved before the end", epoch.Add(-10 * time.Minute), epoch, 0, nil, [2]ClockState{ClockUnset, ClockUnset}},
		{"saved, ticks past the last time", epoch.Add(-10 * time.Minute), epoch, 0, func(h *testHost) { h.up += time.Hour }, [2]ClockState{ClockUnset, ClockUnset}},
		{"saved, then set", epoch.Add(-10 * time.Minute), epoch, 0, func(h *testHost) { h.set(epoch.Add(72 * time.Hour)) }, [2]ClockState{ClockUnset, ClockSet}},
		{"saved, then kept by a time server", epoch.Add(-10 * time.Minute), epoch, 0, func(h *testHost) { h.synced = true }, [2]ClockState{ClockUnset, ClockSet}},
		{"the last run was in the future", epoch, epoch.AddDate(60, 0, 0), 0, func(h *testHost) { h.synced = true }, [2]ClockState{ClockUnset, ClockSet}},
		{"the last run was in the future, no time server", epoch, epoch.AddDate(60, 0, 0), 0, func(h *testHost) { h.up += ClockPatience }, [2]ClockState{ClockUnset, ClockSet}},
		{"1970 for a day", unix0, epoch, 0, func(h *testHost) { h.up += ClockPatience }, [2]ClockState{ClockUnset, ClockDoubted}},
		{"1970 for a day, over several boots", unix0, epoch, ClockPatience - time.Minute, func(h *testHost) { h.up += time.Minute }, [2]ClockState{ClockUnset, ClockDoubted}},
		{"1970 again, after a day of it", unix0, epoch, ClockPatience, nil, [2]ClockState{ClockDoubted, ClockDoubted}},
		{"1970 for a day, then set", unix0, epoch, ClockPatience, func(h *testHost) { h.set(epoch.Add(time.Hour)) }, [2]ClockState{ClockDoubted, ClockSet}},
		{"set back by an hour", epoch, epoch, 0, func(h *testHost) { h.set(epoch.Add(-time.Hour)) }, [2]ClockState{ClockSet, ClockSet}},
		{"set back to 1970", epoch, epoch, 0, func(h *testHost) { h.set(unix0) }, [2]ClockState{ClockSet, ClockUnset}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &testHost{boot: "1", up: 20 * time.Second, built: built}
			h.set(tc.at)
			c := newClock(*h.clock(), tc.trusted, tc.waited)
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
	c := newClock(*h.clock(), epoch, 0)
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

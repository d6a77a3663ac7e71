package spool

import (
	"slices"
	"sync"
	"time"
)

// HostClock is how the host's time is read, and what is known of it.
type HostClock struct {
	Now    func() time.Time
	Uptime func() time.Duration     // of the host: goes on evenly, whatever the clock is set to
	Boot   string                   // names what Uptime counts from: another one after each boot
	Synced func() (yes, known bool) // whether a time server keeps the clock, as far as the system says
	Built  time.Time                // when the agent was built; zero: not known
}

// ClockState is whether the host's clock can be believed.
type ClockState string

// The states of the host's clock.
const (
	ClockSet     ClockState = "set"
	ClockUnset   ClockState = "unset"   // what is recorded waits until it is set
	ClockDoubted ClockState = "doubted" // it has not been set for too long: nothing waits for it any more
)

const (
	// ClockPatience is how long footage is held back for a clock that is not set.
	ClockPatience = 24 * time.Hour
	// restoredWithin is how shortly after the last time a host that was booted since may
	// have got its time from a file, and restoredPatience how long it is then given for a
	// time server.
	restoredWithin   = 15 * time.Minute
	restoredPatience = 15 * time.Minute
	// minStep is what counts as setting the clock: NTP slews what is less.
	minStep = 200 * time.Millisecond
	// slack is how far a clock may be behind the last time that was believed: as much
	// as is set back in passing.
	slack = time.Minute
	// maxEpochs bounds what is remembered of a clock that is set again and again.
	maxEpochs = 64
)

// notBefore is a time that has passed: a clock that shows less was never set.
var notBefore = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// clock judges whether the host's clock can be believed, and knows which of its
// settings a time was read under. It is safe for concurrent use.
type clock struct {
	host HostClock

	mu       sync.Mutex
	state    ClockState
	restored bool          // it may be: then that is all that is wrong with it
	since    time.Duration // the host's uptime when that was found
	last     clockMemory
	now      time.Time // at the last look
	uptime   time.Duration
	epochs   []clockEpoch // by setting, never empty
}

// clockMemory is what the ledger keeps of the clock.
type clockMemory struct {
	trusted time.Time     // the last time that was believed; zero: none was yet
	boot    string        // of the host, at that time
	uptime  time.Duration // the same; zero: not known
	waited  time.Duration // since then
}

// clockEpoch is a stretch of time in which the clock was not set.
type clockEpoch struct {
	from, until time.Time // by this clock; the last epoch has no until
	booted      time.Time // when the host was, by this clock
	state       ClockState
}

// newClock begins with what the last run has left in the ledger. Before that a
// clock is judged by what it shows; a clock that merely ticks past that bound has
// not been set.
func newClock(h HostClock, last clockMemory) *clock {
	c := &clock{host: h, last: last, state: ClockUnset}
	c.now, c.uptime = h.Now().Round(0), h.Uptime()
	c.epochs = []clockEpoch{{from: c.now, booted: c.now.Add(-c.uptime)}}
	c.judge(c.now, c.uptime, true)
	c.look()
	return c
}

// least is what a clock shows at least that has been set.
func (c *clock) least() time.Time {
	if c.host.Built.After(notBefore) {
		return c.host.Built
	}
	return notBefore
}

// floor is what the clock has to be set to to be believed. Not the newest time in
// the ledger but the last that was believed: a clock that had been in the future,
// and was put right, must not hold up everything for years.
func (c *clock) floor() time.Time {
	if t := c.last.trusted.Add(-slack); t.After(c.least()) {
		return t
	}
	return c.least()
}

// look reads the clock. The mutex is held, but at the start.
func (c *clock) look() {
	now, uptime := c.host.Now().Round(0), c.host.Uptime()
	booted, last := now.Add(-uptime), &c.epochs[len(c.epochs)-1]
	step := booted.Sub(last.booted)
	set := step.Abs() >= minStep
	if set { // at some moment since the last look
		last.until = now.Add(slack - step)
		c.epochs = append(c.epochs, clockEpoch{from: c.now.Add(step)})
		c.epochs = slices.Delete(c.epochs, 0, max(0, len(c.epochs)-maxEpochs))
		last = &c.epochs[len(c.epochs)-1]
	}
	if c.state == ClockUnset {
		c.last.waited += uptime - c.uptime
	}
	c.judge(now, uptime, set)
	c.now, c.uptime = now, uptime
	last.booted, last.state = booted, c.state
	if c.state == ClockSet {
		c.last = clockMemory{trusted: now, boot: c.host.Boot, uptime: uptime}
	}
}

// judge is the one place that decides whether the clock can be believed. set says
// that it was set since the last time, or is judged for the first time.
func (c *clock) judge(now time.Time, uptime time.Duration, set bool) {
	synced, known := c.host.Synced()
	switch {
	case c.state == ClockSet:
		if set && now.Before(c.least()) && !synced {
			c.state = ClockUnset
		}
	case synced:
		c.state = ClockSet
	case set && !now.Before(c.floor()):
		// Systems without a clock that goes on put it to what they had saved shortly before
		// their end. It would be right if the host had only been booted anew.
		c.restored = known && c.host.Boot != c.last.boot && now.Before(c.last.trusted.Add(restoredWithin))
		c.since = uptime
		if !c.restored {
			c.state = ClockSet
		}
	case c.restored && uptime-c.since >= restoredPatience:
		c.state = ClockSet
	case c.last.waited < ClockPatience:
	case now.Before(c.least()):
		c.state = ClockDoubted
	default: // it may well be right: the time that was believed before was in the future
		c.state = ClockSet
	}
}

// stamp is what a row keeps of the clock that its times are of.
type stamp struct {
	state  ClockState
	boot   string
	booted int64 // when the host was, by that clock, in µs
}

// of says under which setting of the clock a time was read. It finds none for a
// time that was not read in this run, or is ahead.
func (c *clock) of(t time.Time) (stamp, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	for i, e := range slices.Backward(c.epochs) {
		until := e.until
		if i == len(c.epochs)-1 {
			until = c.now.Add(time.Second)
		}
		if !t.Before(e.from) && !t.After(until) {
			return stamp{e.state, c.host.Boot, e.booted.UnixMicro()}, true
		}
	}
	return stamp{state: ClockSet}, false
}

// firstSetting says whether the time that holds t began with a setting of a clock
// that had not been set.
func (c *clock) firstSetting(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	for i, e := range slices.Backward(c.epochs) {
		if !t.Before(e.from) {
			return i > 0 && c.epochs[i-1].state != ClockSet
		}
	}
	return false
}

// report is the clock's present condition.
func (c *clock) report() ClockReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	return ClockReport{State: c.state, Now: c.now, Floor: c.floor(), Restored: c.restored, uptime: c.uptime, memory: c.last}
}

// ClockReport is what is known of the host's clock.
type ClockReport struct {
	State    ClockState
	Now      time.Time // what it shows
	Floor    time.Time // what it shows at least when it is set
	Restored bool      // not set: it may have been put at the boot to what had been saved before

	uptime time.Duration
	memory clockMemory
}

// sameSetting says whether a clock was not set between two times that were believed.
func (m clockMemory) sameSetting(later clockMemory) bool {
	return m.boot != later.boot || (later.trusted.Sub(m.trusted)-(later.uptime-m.uptime)).Abs() < minStep
}

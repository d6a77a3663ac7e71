package main

import (
	"context"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// systemClock is the clock of this host.
func systemClock() spool.HostClock {
	boot, uptime := sinceBoot()
	return tortured(spool.HostClock{Now: time.Now, Uptime: uptime, Boot: boot, Synced: keptByTimeServer, Built: built()})
}

// clockEvery is how often the host's clock is looked at.
const clockEvery = time.Second

// clockRemedy is what is to be done about a clock that is not set.
const clockRemedy = "let a time server set it (NTP; on Linux: timedatectl set-ntp true), or set it by hand"

// followClock has the spool follow the host's clock, and says when it is not set.
func (a *agent) followClock(ctx context.Context) error {
	trouble := outage.New(a.log, "what was recorded before the host's clock was set does not get its times", a.now)
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		r, err := a.spool.FollowClock(ctx)
		if r.State == spool.ClockSet {
			a.unset.Recovered()
		} else {
			a.unset.Failed(unsetCause(r), clockRemedy)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			trouble.Failed(err.Error(), "look at the disk; it is tried again")
		case err == nil:
			trouble.Recovered()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

const clockStamp = "2006-01-02 15:04:05 UTC"

// unsetCause says what is wrong with the clock, in words that stay the same.
func unsetCause(r spool.ClockReport) string {
	if r.Restored {
		return "it shows hardly more than when the agent ended, and may have been put to that at the boot: footage is recorded, and uploaded once a time server has set the clock, or in a quarter of an hour"
	}
	if r.State == spool.ClockDoubted {
		return "it shows a time before " + r.Floor.UTC().Format(clockStamp) + " for more than a day: footage is uploaded under wrong times, marked as undated"
	}
	return "it shows a time before " + r.Floor.UTC().Format(clockStamp) + ": footage is recorded, and uploaded once the clock is set"
}

// clockStatus is the clock for the status port. A clock that is as it should be is
// nothing to speak of.
func (a *agent) clockStatus() status.Clock {
	r := a.spool.HostClock()
	c := status.Clock{State: string(r.State)}
	if r.State != spool.ClockSet {
		c.Message = "the host's clock is not set: " + r.Now.UTC().Format(clockStamp) + "; " + unsetCause(r)
		c.Remedy = clockRemedy
	}
	return c
}

func (a *agent) clockSet() bool { return a.spool.HostClock().State == spool.ClockSet }

// wanted lists when a camera was to be recorded; nothing of one that is not known.
func (a *agent) wanted(cameraID string, from, to time.Time) (out []spool.Stretch) {
	c, ok := a.fleet.find(cameraID)
	if !ok {
		return nil
	}
	_ = a.fleet.panics.Of(cameraID).Guard("listing a camera's windows", func() {
		for _, w := range c.plan.Windows(from, to) {
			out = append(out, spool.Stretch{Start: later(w.Start, from), End: earlier(w.End, to)})
		}
	})
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

package main

import (
	"context"
	"time"

	"recording-agent/capture/outage"
	"recording-agent/capture/panics"
)

// How long a part of the agent waits that has panicked, before it begins anew: longer
// each time, until it has run for a while.
const (
	partAgainFirst = time.Second
	partAgainLast  = time.Minute
	partLasts      = 10 * time.Minute
)

// part lets a part of the agent that is not a camera run until ctx ends. What its code
// panics over is reported, and it begins anew: the cameras do not end with it, and what
// has to be done is in the ledger.
func (a *agent) part(ctx context.Context, name string, run func() error) func() error {
	return func() (err error) {
		for wait := partAgainFirst; ; wait = min(2*wait, partAgainLast) {
			began := time.Now()
			if panicked := a.fleet.panics.Own().Guard(name, func() { err = run() }); panicked == nil {
				return err
			}
			if time.Since(began) > partLasts {
				wait = partAgainFirst
			}
			if !pause(ctx, wait) {
				return nil
			}
		}
	}
}

// ownPanics is what has panicked of the agent that is no camera's, for a while.
func (a *agent) ownPanics() outage.Trouble {
	p := a.fleet.panics.Own().Status()
	if p.Count == 0 || a.now().Sub(p.Last).Abs() >= panicRecent {
		return outage.Trouble{}
	}
	return outage.Trouble{Cause: p.What, Remedy: panics.Remedy, Since: p.Last}
}

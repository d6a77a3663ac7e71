package main

import (
	"context"
	"fmt"
	"time"

	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// What the start could not bring in order is tried again after a minute, and then less
// and less often: a file on a dead sector is read to where that is each time.
const (
	leftoversFirst = time.Minute
	leftoversLast  = time.Hour
)

const leftoversRemedy = "look at the disk that agent.data_dir is on, and at the rights in it; it is tried again by itself, and what is moved away is counted as lost"

// sayLeftovers makes a problem of what is not in order.
func (a *agent) sayLeftovers(l spool.Leftovers) {
	if l.Count == 0 {
		a.leftovers.Recovered()
		return
	}
	a.leftovers.Failed(fmt.Sprintf("%d of its segments, files or directories; %v", l.Count, l.Cause), leftoversRemedy)
}

// recoverAgain tries it again for as long as there is any.
func (a *agent) recoverAgain(ctx context.Context, first time.Duration) error {
	for wait := first; a.spool.Leftovers().Count > 0 && pause(ctx, wait); wait = min(2*wait, leftoversLast) {
		r, err := a.spool.RecoverAgain(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			a.log.Warn().Err(err).Msg("what the last run left was taken up, and where it is to go was not noted: the next start does it")
		}
		if r.Recovered+r.Adopted+r.Empty+r.Missing > 0 {
			wait = first / 2
		}
		a.sayLeftovers(a.spool.Leftovers())
	}
	return nil
}

// newLeftovers follows what the start of a spool has left.
func (a *agent) newLeftovers() *outage.Outage {
	return outage.New(a.log, "what the last run has recorded is not all taken up", a.now)
}

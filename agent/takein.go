package main

import (
	"context"
	"fmt"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

const (
	// takingInFor is how long what the last run has left may take before that is told: after
	// a kill there are a few files.
	takingInFor = 30 * time.Second
	// lookForLeftovers is how often it is looked for what could not be taken in.
	lookForLeftovers = 5 * time.Second
	takeInAgain      = time.Minute
)

// sayFound says what a step of taking in has found.
func (a *agent) sayFound(r spool.Recovery) {
	if r == (spool.Recovery{Failed: r.Failed}) { // of each that failed it is told why
		return
	}
	a.log.Info().Int("recovered", r.Recovered).Int("adopted", r.Adopted).Int("empty", r.Empty).Int("missing", r.Missing).Int("failed", r.Failed).
		Msg("the last run did not end cleanly; its segments are settled")
}

// takeIn takes in what the last run has left, behind the cameras, and tries again what
// cannot be taken in, for as long as the agent runs.
func (a *agent) takeIn(ctx context.Context) error {
	for {
		if of := a.spool.Intake().Files; of > 0 {
			a.log.Info().Int("files", of).Msg("files of the last run are taken in while cameras are recorded")
		}
		r, err := a.spool.TakeIn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		a.sayFound(r)
		if err == nil {
			break
		}
		a.log.Error().Err(err).Msg("what the last run has left cannot be taken in now; trying again")
		if !pause(ctx, takeInAgain) {
			return nil
		}
	}
	for ctx.Err() == nil {
		a.sayLeftovers(a.spool.Leftovers())
		if err := a.recoverAgain(ctx, leftoversFirst); err != nil {
			return err
		}
		pause(ctx, lookForLeftovers)
	}
	return nil
}

// runInbox waits until it is known which files of other recorders are there already.
func (a *agent) runInbox(ctx context.Context) error {
	if !a.spool.TakenIn(ctx) {
		return nil
	}
	return a.inbox.Run(ctx)
}

// intakeTrouble is that not all is taken in yet: it passes by itself.
func (a *agent) intakeTrouble() outage.Trouble {
	i := a.spool.Intake()
	if i.Done() {
		return outage.Trouble{}
	}
	cause := fmt.Sprintf("%d segments (%.1f GB) have yet to be read, and are uploaded then", i.Unread.Segments, float64(i.Unread.Bytes)/1e9)
	if i.Files > 0 {
		cause = fmt.Sprintf("%d of %d files are not in the ledger yet; %s", i.Files, i.Of, cause)
	}
	return outage.Trouble{Cause: cause, Remedy: "nothing: it passes by itself, and cameras are recorded meanwhile", Since: a.started}
}

func (a *agent) takingIn() status.TakingIn {
	i := a.spool.Intake()
	return status.TakingIn{Files: i.Files, Bytes: i.Bytes, Unread: i.Unread.Segments, UnreadBytes: i.Unread.Bytes}
}

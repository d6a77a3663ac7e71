package main

import (
	"context"
	"errors"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

const (
	// A peer that is away for less is no problem: the disk bridges it.
	awayFor   = 5 * time.Minute
	silentFor = 30 * time.Second // a camera that restarts its session is none either
)

// problems lists what is wrong at present, what concerns footage first. It needs
// neither the disk nor the ledger.
func (a *agent) problems() (out []status.Problem) {
	now := a.now()
	add := func(what string, t outage.Trouble, grace time.Duration) {
		if !t.Since.IsZero() && now.Sub(t.Since) >= grace {
			out = append(out, status.Problem{What: what, Cause: t.Cause, Since: t.Since, Remedy: t.Remedy})
		}
	}
	for _, c := range a.fleet.statuses() {
		add("footage of camera "+c.Name+" ("+c.ID+") cannot be written", c.Disk, 0)
		if c.State != capture.Waiting {
			add("camera "+c.Name+" ("+c.ID+") delivers nothing", c.Trouble, silentFor)
		}
	}
	add("the data directory cannot be used", a.disk.Trouble(), 0)
	room := a.retention.Status()
	add("the disk is nearly full", room.Full, 0)
	add("local files cannot be deleted", room.Stuck, 0)
	for i, d := range a.cfg.Destinations() {
		if s := a.uploaders[i].Status(); d.Required {
			add("uploads to "+d.Name+" fail", outage.Trouble{Cause: s.LastError, Remedy: s.Remedy, Since: s.Since}, awayFor)
		}
	}
	if a.reconciler != nil {
		s := a.reconciler.Status()
		add("central gets no reports", outage.Trouble{Cause: s.LastError, Remedy: s.Remedy, Since: s.Since}, awayFor)
	}
	return out
}

const (
	lookAtDisk  = 5 * time.Second
	lookAgain   = 3 // looks of which one writes to the ledger, as long as that works
	checkWithin = 10 * time.Second
)

// watchDisk looks whether the data directory is there and its ledger can be written,
// and says so. What only a new start can mend it hands to renew.
func (a *agent) watchDisk(ctx context.Context, renew func(cause error)) error {
	tick := time.NewTicker(lookAtDisk)
	defer tick.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		failing := !a.disk.Trouble().Since.IsZero()
		err := a.checkDisk(ctx, failing || turn%lookAgain == 0)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			a.disk.Recovered()
			continue
		case renewable(err):
			renew(err)
			return nil
		}
		a.disk.Failed(err.Error(), "look at the disk that agent.data_dir is on: is it mounted, may it be written to, is there room? what is recorded meanwhile may be lost")
	}
}

func (a *agent) checkDisk(ctx context.Context, ledger bool) error {
	if err := a.spool.Present(); err != nil || !ledger {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	return a.spool.Check(ctx)
}

// renewable: a new start mends it.
func renewable(err error) bool {
	return errors.Is(err, spool.ErrReplaced) || errors.Is(err, spool.ErrLedgerDamaged)
}

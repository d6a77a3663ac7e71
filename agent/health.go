package main

import (
	"context"
	"errors"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture"
	"recording-agent/capture/outage"
	"recording-agent/capture/panics"
	"recording-agent/capture/spool"
)

const (
	// A peer that is away for less is no problem: the disk bridges it.
	awayFor   = 5 * time.Minute
	silentFor = 30 * time.Second // a camera that restarts its session is none either
	// panicRecent is for how long a panic is a problem: the camera has gone on, but
	// someone should look.
	panicRecent = time.Hour
)

// complaint is a trouble, and how long it may last before it is a problem.
type complaint struct {
	what  string
	of    outage.Trouble
	grace time.Duration
}

// problems lists what is wrong at present, what concerns footage first. It needs
// neither the disk nor the ledger.
func (a *agent) problems() []status.Problem {
	var all []complaint
	if c := a.clockStatus(); c.Message != "" {
		all = append(all, complaint{"nothing is uploaded", outage.Trouble{Cause: c.Message, Remedy: c.Remedy, Since: a.started}, 0})
	}
	for _, c := range a.fleet.statuses() {
		all = append(all, complaintsOf(c, a.now())...)
	}
	room := a.retention.Status()
	all = append(all, complaint{"the data directory cannot be used", a.disk.Trouble(), 0}, complaint{"the ledger cannot be read", a.reader.trouble.Trouble(), 0},
		complaint{"what the last run has recorded is not all taken up", a.leftovers.Trouble(), 0},
		complaint{"what the last run has recorded is still being taken in", a.intakeTrouble(), takingInFor},
		complaint{"the agent's own code has failed", a.ownPanics(), 0},
		complaint{"the disk is nearly full", room.Full, 0}, complaint{"local files cannot be deleted", room.Stuck, 0})
	for i, d := range a.cfg.Destinations() {
		if s := a.uploaders[i].Status(); d.Required {
			all = append(all, complaint{"uploads to " + d.Name + " fail", outage.Trouble{Cause: s.LastError, Remedy: s.Remedy, Since: s.Since}, awayFor})
		}
	}
	if a.reconciler != nil {
		s := a.reconciler.Status()
		all = append(all, complaint{"central gets no reports", outage.Trouble{Cause: s.LastError, Remedy: s.Remedy, Since: s.Since}, awayFor})
	}
	return lasting(all, a.now())
}

// complaintsOf are those about one camera.
func complaintsOf(c capture.Status, now time.Time) (all []complaint) {
	name := c.Name + " (" + c.ID + ")"
	all = append(all, complaint{"footage of camera " + name + " cannot be written", c.Disk, 0})
	if p := c.Panics; p.Count > 0 && now.Sub(p.Last).Abs() < panicRecent {
		all = append(all, complaint{"the agent's own code has failed over camera " + name, outage.Trouble{Cause: p.What, Remedy: panics.Remedy, Since: p.Last}, 0})
	}
	if c.State != capture.OffSchedule {
		all = append(all, complaint{"camera " + name + " delivers nothing", c.Trouble, silentFor})
	}
	return all
}

// lasting are those that have lasted for too long.
func lasting(all []complaint, now time.Time) (out []status.Problem) {
	for _, c := range all {
		if !c.of.Since.IsZero() && now.Sub(c.of.Since) >= c.grace {
			out = append(out, status.Problem{What: c.what, Cause: c.of.Cause, Since: c.of.Since, Remedy: c.of.Remedy})
		}
	}
	return out
}

const (
	lookAtDisk  = 5 * time.Second
	lookAgain   = 3             // looks of which one writes to the ledger, as long as that works
	readAgain   = 2 * lookAgain // looks of which one reads what /status tells, the same
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
		if err == nil && (turn%readAgain == 0 || !a.reader.trouble.Trouble().Since.IsZero()) {
			err = a.checkReading(ctx)
		}
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

// checkReading reads what the state is told from. Only damage is an error here: any
// other trouble with it is a problem of its own.
func (a *agent) checkReading(ctx context.Context) error {
	_, err := a.readLedger(ctx)
	return spool.Damage(err)
}

// renewable: a new start mends it.
func renewable(err error) bool {
	return errors.Is(err, spool.ErrReplaced) || errors.Is(err, spool.ErrLedgerDamaged)
}

package main

import (
	"context"
	"sync"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// ledgerState is what the ledger says of the agent's state.
type ledgerState struct {
	at       time.Time // when it was read; zero: never
	heldBack int
	losses   spool.Losses
	unsent   []spool.Unsent
	pending  int                      // for central
	cameras  map[string]status.Camera // by id; of each what the ledger has of it
}

// ledgerReader reads it, and remembers what it was last: the state is told as well
// while the ledger cannot be read.
type ledgerReader struct {
	trouble *outage.Outage

	mu   sync.Mutex
	last ledgerState
}

// readWithin bounds a reading: a disk that stands still must not hold up the answer.
const readWithin = 5 * time.Second

const readRemedy = "look at the disk that agent.data_dir is on; the agent sets a damaged ledger aside when it is started"

// readLedger reads the present state. When it cannot, it returns the last one, and why.
func (a *agent) readLedger(ctx context.Context) (ledgerState, error) {
	within, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	now, err := a.readLedgerNow(within)
	a.reader.mu.Lock()
	defer a.reader.mu.Unlock()
	switch {
	case err == nil:
		a.reader.last = now
		a.reader.trouble.Recovered()
	case ctx.Err() == nil: // not merely that whoever asked has gone
		a.reader.trouble.Failed(err.Error(), readRemedy)
	}
	return a.reader.last, err
}

func (a *agent) readLedgerNow(ctx context.Context) (s ledgerState, err error) {
	s.at = a.now()
	if s.heldBack, err = a.spool.HeldBack(ctx); err != nil {
		return s, err
	}
	if s.losses, err = a.spool.Losses(ctx); err != nil {
		return s, err
	}
	if s.unsent, err = a.spool.UnsentByCamera(ctx); err != nil {
		return s, err
	}
	if a.reconciler != nil {
		if s.pending, err = a.spool.UnreportedCount(ctx, s.unsent); err != nil {
			return s, err
		}
	}
	s.cameras = map[string]status.Camera{}
	for _, c := range a.fleet.statuses() {
		var of status.Camera
		if err := a.account(ctx, c.ID, &of); err != nil {
			return s, err
		}
		of.RecordingID = a.recordingID(ctx, c.Segment)
		of.Unsafe = a.unsafe(ctx, c, s.unsent)
		s.cameras[c.ID] = of
	}
	return s, nil
}

// fill adds to a camera what the ledger has of it.
func (s ledgerState) fill(c *status.Camera) {
	of, known := s.cameras[c.ID]
	if !known {
		of.LastHour.Share, of.LastDay.Share = 1, 1 // nothing is known to have been scheduled
	}
	c.RecordingID, c.Unsafe, c.LastHour, c.LastDay, c.Gaps = of.RecordingID, of.Unsafe, of.LastHour, of.LastDay, of.Gaps
}

// backlog is what a destination has yet to receive and confirm.
func (s ledgerState) backlog(destination string) (b spool.Backlog) {
	for _, u := range s.unsent {
		if u.Destination == destination {
			b.Add(u.Backlog)
		}
	}
	return b
}

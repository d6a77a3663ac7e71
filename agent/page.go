package main

import (
	"context"

	"recording-agent/agent/page"
	"recording-agent/agent/status"
	"recording-agent/uploader/s3"
)

// buildPage makes the page of the status port. stores are those of cfg.Destinations.
func (a *agent) buildPage(stores []*s3.Store) {
	o := page.Options{
		Snapshot: a.glance, Problems: a.problems, Wanted: a.wanted, Ledger: a.spool, Zone: a.fleet.zoneNow, Journal: a.journal.Entries, Log: a.log, Now: a.now,
	}
	for i, d := range a.cfg.Destinations() {
		o.Destinations = append(o.Destinations, page.Destination{Name: d.Name, Bucket: d.Bucket, Presign: stores[i].Presign})
	}
	a.page = page.New(o)
}

// glance is the state as far as it is in memory, or a few rows: what the page follows
// while it is open, and reads the rest of itself.
func (a *agent) glance(ctx context.Context) (status.Snapshot, error) {
	losses, err := a.spool.Losses(ctx)
	s := status.Snapshot{Version: version(), ClientName: a.cfg.Agent.ClientName, Started: a.started, Clock: a.clockStatus(), Disk: a.diskState(losses)}
	if err != nil {
		return s, err
	}
	for _, c := range a.fleet.statuses() {
		s.Cameras = append(s.Cameras, cameraState(c))
	}
	for i, d := range a.cfg.Destinations() {
		s.Destinations = append(s.Destinations, a.destinationState(i, d))
	}
	if a.reconciler != nil {
		unsent, err := a.spool.UnsentByCamera(ctx)
		if err != nil {
			return s, err
		}
		pending, err := a.spool.UnreportedCount(ctx, unsent)
		if err != nil {
			return s, err
		}
		s.Central = a.centralState(pending)
	}
	return s, nil
}

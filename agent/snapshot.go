package main

import (
	"context"

	"recording-agent/agent/central"
	"recording-agent/agent/config"
	"recording-agent/agent/status"
	"recording-agent/capture"
	"recording-agent/capture/spool"
)

// snapshot collects the state for the status port. While the ledger cannot be read it
// has what that had last said, and why.
func (a *agent) snapshot(ctx context.Context) (status.Snapshot, error) {
	ledger, err := a.readLedger(ctx)
	if ctx.Err() != nil {
		return status.Snapshot{}, ctx.Err()
	}
	s := status.Snapshot{Version: version(), ClientName: a.cfg.Agent.ClientName, Started: a.started, Clock: a.clockStatus(), HeldBack: ledger.heldBack, Disk: a.diskState(ledger.losses), TakingIn: a.takingIn()}
	if err != nil {
		s.Ledger = &status.LedgerTrouble{Cause: err.Error(), Remedy: readRemedy, Known: ledger.at}
	}
	for _, c := range a.fleet.statuses() {
		shown := cameraState(c)
		ledger.fill(&shown)
		s.Cameras = append(s.Cameras, shown)
	}
	for _, one := range a.fleet.schedules() {
		s.Schedules = append(s.Schedules, status.Schedule{ID: one.ID, Name: one.Name, Type: string(one.Kind), Camera: one.camera.Name, Start: one.Start, End: one.End})
	}
	for i, d := range a.cfg.Destinations() {
		one, backlog := a.destinationState(i, d), ledger.backlog(d.Name)
		one.BacklogSegs, one.BacklogBytes, one.BacklogSeconds = backlog.Segments, backlog.Bytes, backlog.Duration.Seconds()
		s.Destinations = append(s.Destinations, one)
	}
	if a.reconciler != nil {
		s.Central = a.centralState(ledger.pending)
	}
	if a.assigned != nil {
		c := a.assigned.Status()
		s.Sync = &status.Sync{Interval: a.assigned.Interval, LastSuccess: c.LastSync, LastError: c.LastError, Remedy: c.Remedy, Complaints: c.Complaints}
	}
	return s, nil
}

// destinationState is a destination without its backlog.
func (a *agent) destinationState(i int, d config.Destination) status.Destination {
	u := a.uploaders[i].Status()
	return status.Destination{
		Name: d.Name, Required: d.Required, Bucket: d.Bucket, Location: u.Location, Connected: u.Connected, InFlight: u.InFlight, Throughput: u.Throughput,
		LastSuccess: u.LastSuccess, LastError: u.LastError, Remedy: u.Remedy,
		Totals: status.DestinationTotals(u.Totals),
	}
}

func (a *agent) centralState(pending int) *status.Central {
	c := a.reconciler.Status()
	return &status.Central{URL: a.cfg.Central.URL, Connected: c.Connected, Pending: pending, LastSuccess: c.LastSuccess, LastError: c.LastError, Remedy: c.Remedy}
}

// cameraState is a camera without what the ledger has of it.
func cameraState(c capture.Status) status.Camera {
	return status.Camera{
		ID: c.ID, Name: c.Name, State: string(c.State), Codec: c.VideoCodec, AudioCodec: c.AudioCodec, Width: c.Width, Height: c.Height,
		Bitrate: c.BitRate, FrameRate: c.FrameRate, LastFrame: c.LastFrame, Segment: c.Segment, SegmentStart: c.SegmentStart, SegmentFrames: c.SegmentFrames, Frames: c.Frames, Bytes: c.Bytes,
		Reconnects: c.Reconnects, Damages: c.Damages, Dropped: c.Dropped, Panics: c.Panics.Count, Queued: c.Queued, ClockOffset: c.ClockOffset, LastError: c.LastError, LastErrorAt: c.LastErrorAt,
	}
}

// recordingID is what central calls the segment that is being recorded; empty if it
// does not know it, and in the segment's first second, when it has no row.
func (a *agent) recordingID(ctx context.Context, segment string) string {
	if a.reconciler == nil || segment == "" {
		return ""
	}
	seg, err := a.spool.Segment(ctx, segment)
	if err != nil {
		return ""
	}
	return seg.Central.RecordingID
}

func (a *agent) diskState(losses spool.Losses) status.Disk {
	d := a.retention.Status()
	return status.Disk{
		FreeBytes: d.Free, TotalBytes: d.Total, FillRate: d.FillRate, Trouble: d.Trouble,
		LostSegments: losses.Segments, LostBytes: losses.Bytes, LastLoss: losses.Last,
	}
}

func (a *agent) pulse(ctx context.Context) central.Pulse {
	p := central.Pulse{FreeBytes: a.retention.Status().Free, Cameras: a.cameraPulse(ctx)}
	for _, c := range a.fleet.statuses() {
		if c.State == capture.Live {
			p.ActiveRecordings++
		}
	}
	if len(a.uploaders) > 0 {
		p.LastUpload = a.uploaders[0].Status().LastSuccess
	}
	return p
}

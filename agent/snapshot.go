package main

import (
	"context"

	"recording-agent/agent/central"
	"recording-agent/agent/config"
	"recording-agent/agent/status"
	"recording-agent/capture"
	"recording-agent/capture/spool"
)

// snapshot collects the state for the status port.
func (a *agent) snapshot(ctx context.Context) (status.Snapshot, error) {
	held, err := a.spool.HeldBack(ctx)
	if err != nil {
		return status.Snapshot{}, err
	}
	s := status.Snapshot{Version: version(), ClientName: a.cfg.Agent.ClientName, Started: a.started, Clock: a.clockStatus(), HeldBack: held}
	if err := a.diskSnapshot(ctx, &s.Disk); err != nil {
		return s, err
	}
	unsent, err := a.spool.UnsentByCamera(ctx)
	if err != nil {
		return s, err
	}
	for _, c := range a.fleet.statuses() {
		shown := a.cameraSnapshot(ctx, c)
		shown.Unsafe = a.unsafe(ctx, c, unsent)
		if err := a.account(ctx, c.ID, &shown); err != nil {
			return s, err
		}
		s.Cameras = append(s.Cameras, shown)
	}
	for _, one := range a.fleet.schedules() {
		s.Schedules = append(s.Schedules, status.Schedule{ID: one.ID, Name: one.Name, Type: string(one.Kind), Camera: one.camera.Name, Start: one.Start, End: one.End})
	}
	for i, d := range a.cfg.Destinations() {
		one, backlog := a.destinationState(i, d), backlogOf(unsent, d.Name)
		one.BacklogSegs, one.BacklogBytes, one.BacklogSeconds = backlog.Segments, backlog.Bytes, backlog.Duration.Seconds()
		s.Destinations = append(s.Destinations, one)
	}
	if a.reconciler != nil {
		pending, err := a.spool.UnreportedCount(ctx, unsent)
		if err != nil {
			return s, err
		}
		s.Central = a.centralState(pending)
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

// backlogOf is what a destination has yet to receive and confirm.
func backlogOf(unsent []spool.Unsent, destination string) (b spool.Backlog) {
	for _, u := range unsent {
		if u.Destination == destination {
			b.Add(u.Backlog)
		}
	}
	return b
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
		Reconnects: c.Reconnects, Damages: c.Damages, Dropped: c.Dropped, ClockOffset: c.ClockOffset, LastError: c.LastError, LastErrorAt: c.LastErrorAt,
	}
}

func (a *agent) cameraSnapshot(ctx context.Context, c capture.Status) status.Camera {
	out := cameraState(c)
	if a.reconciler != nil && c.Segment != "" {
		// In its first second a segment has no row yet.
		if seg, err := a.spool.Segment(ctx, c.Segment); err == nil {
			out.RecordingID = seg.Central.RecordingID
		}
	}
	return out
}

func (a *agent) diskSnapshot(ctx context.Context, out *status.Disk) error {
	losses, err := a.spool.Losses(ctx)
	if err != nil {
		return err
	}
	d := a.retention.Status()
	*out = status.Disk{
		FreeBytes: d.Free, TotalBytes: d.Total, FillRate: d.FillRate, Trouble: d.Trouble,
		LostSegments: losses.Segments, LostBytes: losses.Bytes, LastLoss: losses.Last,
	}
	return nil
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

package main

import (
	"context"
	"errors"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture"
)

// manual records by hand, for the status port.
type manual struct{ a *agent }

// begins is how long a camera that was just begun is awaited, so that its
// recording can be named.
const begins = 5 * time.Second

var errAlways = errors.New("this camera is recorded at all times: to stop it, change the configuration of the agent")

// Record implements status.Manual.
func (m manual) Record(ctx context.Context, cameraID string, length time.Duration) (string, error) {
	b, known := m.a.fleet.find(cameraID)
	switch {
	case !known && len(m.a.fleet.known()) == 0:
		return "", status.ErrNoCameras
	case !known:
		return "", status.ErrUnknownCamera
	case !b.plan.Begin(m.a.now(), length):
		return "", status.ErrRecording
	}
	ctx, cancel := context.WithTimeout(ctx, begins)
	defer cancel()
	return m.begun(ctx, cameraID, b.shown.Segment), nil
}

// begun waits until what is recorded has an id that others know it by. last is
// the segment before, which may still be ending.
func (m manual) begun(ctx context.Context, cameraID, last string) string {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		id, final := m.recordingID(ctx, cameraID, last)
		if final {
			return id
		}
		select {
		case <-ctx.Done():
			return id
		case <-tick.C:
		}
	}
}

// recordingID names what a camera is recording: as central does, or while central
// does not know it by its segment. final says that it will not get a better name.
func (m manual) recordingID(ctx context.Context, cameraID, last string) (id string, final bool) {
	b, known := m.a.fleet.find(cameraID)
	if !known {
		return "", true
	}
	if b.shown.State != capture.Live || b.shown.Segment == last {
		return "", false
	}
	segment, err := m.a.spool.Segment(ctx, b.shown.Segment)
	if err == nil && segment.Central.RecordingID != "" {
		return segment.Central.RecordingID, true
	}
	return b.shown.Segment, m.a.reconciler == nil && err == nil
}

// Stop implements status.Manual.
func (m manual) Stop(ctx context.Context, cameraID string) (string, error) {
	b, known := m.a.fleet.find(cameraID)
	if !known {
		return "", status.ErrNotRecording
	}
	id, _ := m.recordingID(ctx, cameraID, "")
	switch {
	case b.always:
		return "", errAlways
	case !b.plan.Stop(m.a.now()):
		return "", status.ErrNotRecording
	}
	return id, nil
}

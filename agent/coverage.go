package main

import (
	"context"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture"
)

// shownGaps is how many of a camera's last gaps are shown.
const shownGaps = 5

// account says how much of what was to be recorded there is, and what is missing.
func (a *agent) account(ctx context.Context, cameraID string, into *status.Camera) error {
	camera := a.fleet.camera(cameraID)
	if camera == nil {
		into.LastHour.Share, into.LastDay.Share = 1, 1 // nothing was to be recorded yet
		return nil
	}
	now := a.now()
	for within, c := range map[time.Duration]*status.Coverage{time.Hour: &into.LastHour, 24 * time.Hour: &into.LastDay} {
		got, err := camera.Coverage(ctx, a.spool, now.Add(-within))
		if err != nil {
			return err
		}
		*c = status.Coverage{Scheduled: got.Scheduled, Recorded: min(got.Recorded, got.Scheduled), Share: got.Share()}
	}
	gaps, err := a.spool.LastGaps(ctx, cameraID, now.Add(-24*time.Hour), shownGaps)
	if err != nil {
		return err
	}
	for _, g := range gaps {
		into.Gaps = append(into.Gaps, status.Gap{Start: g.Start, End: g.End, Cause: string(g.Cause), Detail: g.Detail})
	}
	return nil
}

// cameraPulse is what heartbeats tell of each camera.
func (a *agent) cameraPulse(ctx context.Context) (out []map[string]any) {
	for _, c := range a.fleet.statuses() {
		var shown status.Camera
		if err := a.account(ctx, c.ID, &shown); err != nil {
			a.log.Error().Err(err).Str("camera", c.ID).Msg("the coverage of a camera could not be told to central")
			continue
		}
		out = append(out, map[string]any{
			"id": c.ID, "name": c.Name, "state": string(c.State), "recording": c.State == capture.Live,
			"coverage_last_hour": shown.LastHour.Share, "coverage_last_day": shown.LastDay.Share, "gaps": status.GapsAnswer(shown.Gaps),
		})
	}
	return out
}

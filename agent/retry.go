package main

import (
	"context"
	"errors"

	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

// retry makes due what one segment waits for, or without an id all that has
// failed, and ends the pauses of destinations and central.
func (a *agent) retry(ctx context.Context, segmentID string) (status.Retried, error) {
	central := a.reconciler != nil
	var due spool.Again
	var err error
	if segmentID == "" {
		due, err = a.spool.FailuresDueAgain(ctx, central)
	} else {
		due, err = a.spool.DueAgain(ctx, segmentID, central)
	}
	switch {
	case errors.Is(err, spool.ErrUnknown):
		return status.Retried{}, status.ErrUnknownSegment
	case errors.Is(err, spool.ErrTransition):
		return status.Retried{}, status.ErrNothingWaits
	case err != nil:
		return status.Retried{}, err
	}
	if due.Segments > 0 {
		a.log.Info().Int("segments", due.Segments).Int("deliveries", due.Deliveries).Int("reports", due.Reports).Msg("asked to try again at once")
		for _, u := range a.uploaders {
			u.Again()
		}
		if central {
			a.reconciler.Again()
		}
	}
	return status.Retried{Segments: due.Segments, Deliveries: due.Deliveries, Reports: due.Reports}, nil
}

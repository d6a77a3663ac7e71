package main

import (
	"context"
	"time"

	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

const (
	// pruneEvery is how often it is noted that the agent runs, by which rows get old.
	pruneEvery = time.Hour
	// pruneShare bounds what deleting rows costs: a twentieth of the time, so that an old
	// ledger of a million rows, on a slow disk, is not in the way of recording.
	pruneShare = 20
	pruneLast  = 2 * time.Second // for noting it at the end
)

// prune keeps the ledger from growing for ever: once a day that the agent has run, and
// soon after the start, what is old goes.
func (a *agent) prune(ctx context.Context) error {
	trouble := outage.New(a.log, "old rows of the ledger cannot be deleted", a.now)
	for due := true; pause(ctx, pruneEvery); {
		marked, err := a.spool.Ran(ctx)
		if due = due || marked; err == nil && due {
			if err = a.pruneNow(ctx); err == nil {
				due = false
			}
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			trouble.Failed(err.Error(), "look at the disk that agent.data_dir is on; it is tried again each hour, and until then the ledger grows")
		default:
			trouble.Recovered()
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), pruneLast)
	defer cancel()
	_, err := a.spool.Ran(last)
	if err != nil { // an hour less is no matter
		a.log.Debug().Err(err).Msg("for how long the agent has run was not noted")
	}
	return nil
}

func (a *agent) pruneNow(ctx context.Context) error {
	p, err := a.spool.Prune(ctx, a.reconciler != nil, func(worked time.Duration) bool { return pause(ctx, pruneShare*worked) })
	if p != (spool.Pruned{}) {
		a.log.Info().Int("segments", p.Segments).Int("gaps", p.Gaps).Msg("old rows of the ledger were deleted: of segments that are finished with, and of gaps")
	}
	return err
}

package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

// footage answers the status port from the ledger. It reads beside the agent's own
// writes: who asks for much does not hold up the recording.
type footage struct{ a *agent }

func (f footage) view(ctx context.Context, do func(v *spool.View) error) error {
	return f.a.spool.View(ctx, f.a.reconciler != nil, do)
}

// Segments implements status.Footage.
func (f footage) Segments(ctx context.Context, q status.Query) (page status.SegmentPage, err error) {
	chosen := spool.Query{State: spool.State(q.State), Since: q.From, Until: q.To, Limit: q.Limit}
	if q.Camera != "" {
		chosen.Cameras = []string{q.Camera}
	}
	if q.After.ID != "" {
		chosen.After = spool.Mark{Start: time.UnixMicro(q.After.Number), ID: q.After.ID}
	}
	err = f.view(ctx, func(v *spool.View) error {
		entries, more, err := v.Segments(ctx, chosen)
		if err != nil {
			return err
		}
		if more {
			oldest := entries[0].Segment
			page.Next = &status.Cursor{Number: oldest.Start.UnixMicro(), ID: oldest.ID}
		}
		for _, e := range slices.Backward(entries) {
			page.Segments = append(page.Segments, jsonOf(sight(v, e)))
		}
		return nil
	})
	return page, err
}

// Segment implements status.Footage.
func (f footage) Segment(ctx context.Context, id string) (found any, err error) {
	err = f.view(ctx, func(v *spool.View) error {
		entries, err := v.Find(ctx, id, 2)
		switch {
		case errors.Is(err, spool.ErrUnknown), err == nil && (len(entries) == 0 || entries[0].Segment.ID != id):
			return status.ErrUnknownSegment
		case err != nil:
			return err
		}
		found = jsonOf(sight(v, entries[0]))
		return nil
	})
	return found, err
}

// Gaps implements status.Footage.
func (f footage) Gaps(ctx context.Context, q status.Query) (page status.GapPage, err error) {
	err = f.view(ctx, func(v *spool.View) error {
		gaps, more, err := v.Gaps(ctx, spool.GapQuery{Camera: q.Camera, Since: q.From, Until: q.To, Limit: q.Limit, After: q.After.Number})
		if err != nil {
			return err
		}
		if more {
			page.Next = &status.Cursor{Number: gaps[len(gaps)-1].ID}
		}
		for _, g := range gaps {
			page.Gaps = append(page.Gaps, status.NumberedGap{
				Number: g.ID, Camera: g.CameraID, Gap: status.Gap{Start: g.Start, End: g.End, Cause: string(g.Cause), Detail: g.Detail},
			})
		}
		return nil
	})
	return page, err
}

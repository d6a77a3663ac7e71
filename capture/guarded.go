package capture

import (
	"context"
	"os"
	"time"

	"recording-agent/capture/mp4"
	"recording-agent/capture/panics"
	"recording-agent/capture/spool"
)

// guardedSpool makes an error of a panic in the spool: what to do about one of those
// its callers know.
type guardedSpool struct {
	Spool
	panics *panics.Page
}

const usingSpool = "using the spool"

func (g guardedSpool) guard(do func() error) (err error) {
	if panicked := g.panics.Guard(usingSpool, func() { err = do() }); panicked != nil {
		return panicked
	}
	return err
}

func (g guardedSpool) Room() error { return g.guard(g.Spool.Room) }

func (g guardedSpool) Create(seg spool.Segment) (f *os.File, err error) {
	err = g.guard(func() (err error) {
		f, err = g.Spool.Create(seg)
		return err
	})
	return f, err
}

func (g guardedSpool) Begun(ctx context.Context, seg spool.Segment) error {
	return g.guard(func() error { return g.Spool.Begun(ctx, seg) })
}

func (g guardedSpool) Grown(segmentID string, watermark int64) {
	_ = g.panics.Guard(usingSpool, func() { g.Spool.Grown(segmentID, watermark) }) // a hint: the next one comes soon
}

func (g guardedSpool) Finished(ctx context.Context, id string, start time.Time, r mp4.Result) error {
	return g.guard(func() error { return g.Spool.Finished(ctx, id, start, r) })
}

func (g guardedSpool) ClockOffset(ctx context.Context, id string, offset time.Duration) error {
	return g.guard(func() error { return g.Spool.ClockOffset(ctx, id, offset) })
}

func (g guardedSpool) GapOpened(ctx context.Context, cameraID string, start time.Time, cause spool.Cause, detail string) error {
	return g.guard(func() error { return g.Spool.GapOpened(ctx, cameraID, start, cause, detail) })
}

func (g guardedSpool) GapBetween(ctx context.Context, cameraID string, start, end time.Time, cause spool.Cause, detail string) error {
	return g.guard(func() error { return g.Spool.GapBetween(ctx, cameraID, start, end, cause, detail) })
}

func (g guardedSpool) GapClosed(ctx context.Context, cameraID string, end time.Time) error {
	return g.guard(func() error { return g.Spool.GapClosed(ctx, cameraID, end) })
}

func (g guardedSpool) AccountedUntil(ctx context.Context, cameraID string) (until time.Time, err error) {
	err = g.guard(func() (err error) {
		until, err = g.Spool.AccountedUntil(ctx, cameraID)
		return err
	})
	return until, err
}

func (g guardedSpool) AccountedBefore(ctx context.Context, cameraID string, moment time.Time) (until time.Time, err error) {
	err = g.guard(func() (err error) {
		until, err = g.Spool.AccountedBefore(ctx, cameraID, moment)
		return err
	})
	return until, err
}

func (g guardedSpool) Alive() { _ = g.panics.Guard(usingSpool, g.Spool.Alive) }

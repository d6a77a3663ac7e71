package main

import (
	"context"
	"sync"
	"time"

	"recording-agent/capture"
	"recording-agent/capture/spool"
)

// buildAgainAfter is how long a camera waits that could not be built for a panic.
const buildAgainAfter = 30 * time.Second

// buildSafely makes an error of what building a camera panics over.
func (f *fleet) buildSafely(s settings, plan *capture.Plan, away spool.Cause) (c *capture.Camera, err error) {
	panicked := f.panics.Of(s.camera.ID).Guard("making the camera", func() { c, err = f.build(s, plan, away) })
	if panicked != nil {
		return nil, panicked
	}
	return c, err
}

// buildAgain has a camera built once more in a while. The berth is taken until then. The
// mutex is held.
func (f *fleet) buildAgain(ctx context.Context, b *berth, running *sync.WaitGroup) {
	ctx, stop := context.WithCancel(ctx)
	b.runs, b.stop, b.dropped = b.wanted.settings, stop, false
	running.Go(func() {
		pause(ctx, buildAgainAfter)
		stop()
		f.mu.Lock()
		defer f.mu.Unlock()
		b.stop, b.fault = nil, ""
		if b.dropped {
			b.away = capture.NotWanted
		}
		f.hint()
	})
}

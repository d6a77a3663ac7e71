package main

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/panics"
)

// TestPanicOfAPart: what is no camera may panic again and again, and the cameras do not
// end with it. It begins anew each time; the log has the stack once.
func TestPanicOfAPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := &agent{now: time.Now, fleet: newFleet(zerolog.New(&log), time.Now)}
		ctx, stop := context.WithCancel(t.Context())
		var runs atomic.Int64
		ended := make(chan error)
		go func() {
			ended <- a.part(ctx, "making room", func() error {
				if runs.Add(1) < 10 {
					panic("an index out of range")
				}
				<-ctx.Done()
				return nil
			})()
		}()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n := runs.Load(); n < 7 || n == 10 {
			t.Errorf("%d runs in three minutes: they are to be further and further apart", n)
		}
		trouble := a.ownPanics()
		if !strings.Contains(trouble.Cause, "panic while making room: an index out of range") || trouble.Remedy != panics.Remedy || trouble.Since.IsZero() {
			t.Errorf("%+v", trouble)
		}
		time.Sleep(10 * time.Minute)
		if n := runs.Load(); n != 10 {
			t.Errorf("%d runs in the end", n)
		}
		time.Sleep(panicRecent)
		if trouble := a.ownPanics(); !trouble.Since.IsZero() {
			t.Errorf("after an hour without any: %+v", trouble)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), `"stack"`); n != 1 {
			t.Errorf("the log has the stack %d times:\n%s", n, log.String())
		}
		if strings.Contains(log.String(), `"camera"`) {
			t.Errorf("no camera has panicked:\n%s", log.String())
		}
	})
}

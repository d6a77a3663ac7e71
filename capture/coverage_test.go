package capture

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Coverage is what was recorded of what was to be: an outage and damaged pictures are
// missing, the time between windows is not.
func TestCoverage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		session := 0
		o := b.options(func(ctx context.Context, r *Recorder) error {
			if session++; session > 1 {
				return p.play(ctx, r, 1<<30, nil)
			}
			if err := p.play(ctx, r, 500, nil); err != nil { // 20 s
				return err
			}
			sleep(ctx, 20*time.Second) // and as long nothing
			return errors.New("the camera hung up")
		})
		o.Plan = NewPlan(daily(t, "morning", 0, 100*time.Second))
		c := New(o)
		b.run(c)
		check := func(within time.Duration, scheduled, recorded time.Duration) {
			t.Helper()
			got, err := c.Coverage(t.Context(), b.spool, time.Now().Add(-within))
			if err != nil {
				t.Fatal(err)
			}
			if (got.Scheduled-scheduled).Abs() > time.Second || (got.Recorded-recorded).Abs() > 1500*time.Millisecond {
				t.Errorf("after %v, of the last %v: %v of %v recorded, want %v of %v", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), within, got.Recorded, got.Scheduled, recorded, scheduled)
			}
		}
		if empty, err := c.Coverage(t.Context(), b.spool, time.Now()); err != nil || empty.Share() != 1 {
			t.Errorf("before anything: %+v, %v", empty, err)
		}
		sleep(t.Context(), 15*time.Second)
		check(time.Hour, 15*time.Second, 15*time.Second) // what is being recorded counts
		sleep(t.Context(), 45*time.Second)
		check(time.Hour, 60*time.Second, 39*time.Second)
		check(30*time.Second, 30*time.Second, 19*time.Second)
		sleep(t.Context(), 60*time.Second)
		check(time.Hour, 100*time.Second, 79*time.Second) // the window has closed
		b.end()
		gaps, err := b.spool.LastGaps(t.Context(), testCamera, time.Now().Add(-time.Hour), 1)
		if err != nil || len(gaps) != 1 || gaps[0].Detail != "the camera hung up" {
			t.Errorf("last gaps %+v, %v", gaps, err)
		}
	})
}

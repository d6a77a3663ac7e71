package capture

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/spool"
)

// A camera that cannot be reached is tried for ever, with pauses of 1 s to 30 s,
// and mentioned at most once a minute.
func TestReconnectsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		var tries []time.Time
		b.run(New(b.options(func(context.Context, *Recorder) error {
			tries = append(tries, time.Now())
			return errors.New("no route to the camera")
		})))
		sleep(t.Context(), time.Hour)
		b.end()
		for i := 1; i < len(tries); i++ {
			if d := tries[i].Sub(tries[i-1]); d < 500*time.Millisecond || d > 30*time.Second {
				t.Errorf("pause %d is %v", i, d)
			}
		}
		if n := len(tries); n < 120 || n > 200 {
			t.Errorf("%d tries in an hour", n)
		}
		if n := strings.Count(b.log.String(), "no route"); n < 30 || n > 61 {
			t.Errorf("said %d times in an hour", n)
		}
		gaps := b.gaps()
		if len(gaps) != 1 || gaps[0].End.Sub(gaps[0].Start) != time.Hour {
			t.Errorf("gaps %+v, one of an hour was expected", gaps)
		}
	})
}

// A session that ends leaves its segment finished and a gap up to the next
// picture; a long session makes the next attempt come soon.
func TestSessionEndsAndNextBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		session := 0
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error {
			session++
			if session > 1 {
				return p.play(ctx, r, 1<<30, nil)
			}
			if err := p.play(ctx, r, 300, nil); err != nil {
				return err
			}
			return errors.New("the camera hung up")
		})))
		sleep(t.Context(), 20*time.Second)
		b.end()
		segs := b.segments(spool.Finished)
		if frames(segs) != p.count {
			t.Errorf("%d pictures in segments, %d were sent", frames(segs), p.count)
		}
		last := p.sent[299].Add(frameTime)
		for _, g := range b.gaps() {
			if g.Detail != "the camera hung up" {
				continue
			}
			// The last picture lasts as long as the parameter sets say: 1/30 s.
			if d := g.Start.Sub(last); d < -10*time.Millisecond || d > time.Millisecond {
				t.Errorf("the gap starts %v after the last picture's end", d)
			}
			if want := p.sent[300].UTC().Truncate(time.Microsecond); !g.End.Equal(want) || g.End.Sub(g.Start) > 3*time.Second {
				t.Errorf("the gap is %v to %v, footage began again at %v", g.Start, g.End, want)
			}
			return
		}
		t.Errorf("no gap between the sessions: %+v", b.gaps())
	})
}

// A panic in what reads one camera ends that session and nothing else.
func TestPanicTouchesOneCameraOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		healthy, sick := &script{}, &script{}
		o := b.options(func(ctx context.Context, r *Recorder) error { return healthy.play(ctx, r, 1<<30, nil) })
		other := b.options(func(ctx context.Context, r *Recorder) error {
			return sick.play(ctx, r, 1<<30, func(i int, _ *media.Sample) {
				if i == 40 {
					panic("index out of range in a parser")
				}
			})
		})
		other.ID = "yard"
		c := New(other)
		ctx, stop := context.WithCancel(t.Context())
		b.done.Go(func() { c.Run(ctx) })
		b.run(New(o))
		sleep(t.Context(), 15*time.Second)
		stop()
		b.end()
		mine := int64(0)
		for _, s := range b.segments(spool.Finished) {
			if s.CameraID == testCamera {
				mine += s.Frames
			}
		}
		if mine != healthy.count {
			t.Errorf("the healthy camera has %d of %d pictures", mine, healthy.count)
		}
		if c.Status().Reconnects < 2 || sick.count < 80 {
			t.Errorf("the sick camera was tried %d times and sent %d pictures", c.Status().Reconnects, sick.count)
		}
		if !strings.Contains(b.log.String(), "index out of range in a parser") {
			t.Error("the panic was not logged")
		}
	})
}

// The time between two runs of the agent is accounted for.
func TestGapBetweenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		stream := func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) }
		b.run(New(b.options(stream)))
		sleep(t.Context(), 12*time.Second)
		b.end()
		ended := time.Now()
		sleep(t.Context(), time.Minute)
		b.run(New(b.options(stream)))
		sleep(t.Context(), 12*time.Second)
		b.end()
		for _, g := range b.gaps() {
			if g.Cause != spool.AgentStopped {
				continue
			}
			if d := g.Start.Sub(ended); d < -time.Second || d > time.Second {
				t.Errorf("the gap starts %v after the end", d)
			}
			if d := g.End.Sub(g.Start); d < time.Minute-time.Second || d > time.Minute+2*time.Second {
				t.Errorf("the gap lasts %v, the agent was away for a minute", d)
			}
			return
		}
		t.Errorf("no gap: %+v", b.gaps())
	})
}

// A camera that takes long to fail is not tried more often than one that fails
// at once: only pictures make a new beginning.
func TestSlowFailureBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		tries := 0
		b.run(New(b.options(func(ctx context.Context, _ *Recorder) error {
			tries++
			sleep(ctx, 11*time.Second)
			return errors.New("no pictures")
		})))
		sleep(t.Context(), 10*time.Minute)
		b.end()
		if tries < 10 || tries > 22 {
			t.Errorf("%d attempts of 11 s in 10 minutes", tries)
		}
	})
}

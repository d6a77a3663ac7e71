package capture

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/spool"
)

// The host's clock is set while a camera is recorded: the segment is cut, the step is
// in the ledger, and segments do not overlap.
func TestHostsClockIsSet(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward an hour": time.Hour, "forward a second": time.Second, "back two seconds": -2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				defer b.close()
				p := &script{}
				var set atomic.Int64 // by how much the clock has been set
				off := func() time.Duration { return time.Duration(set.Load()) }
				o := b.options(func(ctx context.Context, r *Recorder) error {
					return p.play(ctx, r, 1<<30, func(_ int, s *media.Sample) { s.Wall = s.Wall.Add(off()) })
				})
				o.Now = func() time.Time { return time.Now().Add(off()) }
				c := New(o)
				said := time.Duration(0)
				c.recorder.step = func(time.Time, time.Time) time.Duration {
					step := off() - said
					said = off()
					return step
				}
				b.run(c)
				sleep(t.Context(), 15500*time.Millisecond)
				set.Store(int64(by))
				sleep(t.Context(), 15*time.Second)
				b.end()
				segs := b.segments(spool.Finished)
				if frames(segs) != p.count {
					t.Errorf("%d of %d pictures are on the disk", frames(segs), p.count)
				}
				for i, s := range segs {
					if i > 0 && s.Start.Before(segs[i-1].End) {
						t.Errorf("segment %d starts %v before the one before has ended", i, segs[i-1].End.Sub(s.Start))
					}
					if stretch := (s.End.Sub(s.Start) - s.Duration).Abs(); stretch > by.Abs()+time.Second {
						t.Errorf("segment %d lasts %v, its media %v", i, s.End.Sub(s.Start), s.Duration)
					}
				}
				var steps []spool.Gap
				for _, g := range b.gaps() {
					if g.Cause == spool.ClockStep {
						steps = append(steps, g)
					}
				}
				if len(steps) != 1 || steps[0].End.Sub(steps[0].Start) != max(0, by) || steps[0].Detail != "set by "+by.String() {
					t.Errorf("gaps %+v", b.gaps())
				}
			})
		})
	}
}

// A clock that is set back while the agent starts, before the recorder has looked at it
// a second time, does not hold the camera's time where it was.
func TestClockIsSetBackAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		var set atomic.Int64 // by how much the clock has been set
		off := func() time.Duration { return time.Duration(set.Load()) }
		p, began := &script{}, time.Now()
		o := b.options(func(ctx context.Context, r *Recorder) error {
			sleep(ctx, 20*time.Millisecond)
			return p.play(ctx, r, 1<<30, func(_ int, s *media.Sample) { s.Wall = s.Wall.Add(off()) })
		})
		o.Now = func() time.Time { return time.Now().Add(off()) }
		c := New(o)
		was := func(reading time.Time) time.Duration { // the clock ahead, when it was read
			if reading.Before(began) {
				return -25 * time.Minute
			}
			return 0
		}
		c.recorder.step = func(before, now time.Time) time.Duration { return was(now) - was(before) }
		b.run(c)
		sleep(t.Context(), 10*time.Millisecond)
		set.Store(int64(-25 * time.Minute))
		sleep(t.Context(), 12*time.Second)
		b.end()
		segs := b.segments(spool.Finished)
		if len(segs) == 0 || frames(segs) != p.count {
			t.Fatalf("%d segments with %d of %d pictures", len(segs), frames(segs), p.count)
		}
		for _, s := range segs {
			if s.Start.After(began) || (s.End.Sub(s.Start)-s.Duration).Abs() > time.Second {
				t.Errorf("the segment of %v lasts %v, its media %v; the clock was set back at %v", s.Start, s.End.Sub(s.Start), s.Duration, began)
			}
		}
		steps := 0
		for _, g := range b.gaps() {
			if g.Cause == spool.ClockStep {
				steps++
			}
		}
		if steps != 1 {
			t.Errorf("gaps %+v", b.gaps())
		}
	})
}

// A picture that was dated before the host's clock was set back does not take the
// recorder's time with it into the future.
func TestPictureOfTheTimeBeforeTheClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		var set atomic.Int64 // by how much the clock has been set
		off := func() time.Duration { return time.Duration(set.Load()) }
		p, dated, said := &script{}, time.Duration(0), time.Duration(0)
		o := b.options(func(ctx context.Context, r *Recorder) error {
			return p.play(ctx, r, 1<<30, func(_ int, s *media.Sample) { s.Wall, dated = s.Wall.Add(dated-frameTime), off() })
		})
		o.Now = func() time.Time { return time.Now().Add(off()) }
		c := New(o)
		c.recorder.step = func(time.Time, time.Time) (step time.Duration) {
			step, said = off()-said, off()
			return step
		}
		b.run(c)
		sleep(t.Context(), 15500*time.Millisecond)
		set.Store(int64(-time.Hour))
		sleep(t.Context(), 35*time.Second)
		b.end()
		for _, s := range b.segments(spool.Finished) {
			if (s.End.Sub(s.Start) - s.Duration).Abs() > time.Second {
				t.Errorf("the segment of %v lasts %v, its media %v", s.Start, s.End.Sub(s.Start), s.Duration)
			}
		}
		if gaps := b.gaps(); len(gaps) != 1 || gaps[0].Cause != spool.ClockStep {
			t.Errorf("gaps %+v", gaps)
		}
	})
}

// A camera's clock that runs at another speed cuts segments instead of making them
// longer than they were.
func TestCamerasClockRunsFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error {
			return p.play(ctx, r, 1<<30, func(_ int, s *media.Sample) { s.DTS, s.PTS = 2*s.DTS, 2*s.PTS })
		})))
		sleep(t.Context(), 9*time.Second)
		b.end()
		segs := b.segments(spool.Finished)
		if len(segs) < 6 || frames(segs) != p.count {
			t.Fatalf("%d segments with %d of %d pictures", len(segs), frames(segs), p.count)
		}
		for i, s := range segs[1:] {
			if s.Start.Before(segs[i].End) {
				t.Errorf("segment %d starts %v before the one before has ended", i+1, segs[i].End.Sub(s.Start))
			}
		}
	})
}

// A picture that waited for others in the session comes after the step, and is dated by
// the clock as it was before. What follows is dated by the new one.
func TestHostsClockIsSetBeforeHeldPicturesCome(t *testing.T) {
	for _, by := range []time.Duration{-25 * time.Second, -time.Second, time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				defer b.close()
				p := &script{}
				var set atomic.Int64 // by how much the clock has been set
				now, step := markedClock(&set)
				held := []time.Time{now(), now(), now()} // when the pictures came that wait
				o := b.options(func(ctx context.Context, r *Recorder) error {
					return p.play(ctx, r, 1<<30, func(_ int, s *media.Sample) {
						held = append(held[1:], now())
						s.Wall, s.DatedAt = held[0], held[0]
					})
				})
				o.Now = now
				c := New(o)
				c.recorder.step = step
				b.run(c)
				sleep(t.Context(), 15500*time.Millisecond)
				set.Store(int64(by))
				sleep(t.Context(), 15*time.Second)
				ended := o.Now()
				b.end()
				segs := b.segments(spool.Finished)
				if frames(segs) != p.count {
					t.Errorf("%d of %d pictures are on the disk", frames(segs), p.count)
				}
				latest := segs[0]
				for _, s := range segs {
					if s.ID > latest.ID { // ids rise with the time of their making
						latest = s
					}
				}
				if wrong := latest.End.Sub(ended).Abs(); wrong > 500*time.Millisecond {
					t.Errorf("the last segment, %v to %v, ends %v off", latest.Start, latest.End, wrong)
				}
				for _, g := range b.gaps() {
					if g.Cause != spool.ClockStep && g.Cause != spool.Connecting {
						t.Errorf("nothing is missing but %+v", g)
					}
				}
			})
		})
	}
}

// markedClock is a clock that can be set once, and what it is set by between two of its
// readings. The bubble's have no monotonic part, so those of the set clock are marked by
// their zone.
func markedClock(set *atomic.Int64) (now func() time.Time, step func(before, now time.Time) time.Duration) {
	zone := time.FixedZone("of the set clock", 0)
	ahead := func(reading time.Time) time.Duration {
		if reading.Location() == zone {
			return time.Duration(set.Load())
		}
		return 0
	}
	now = func() time.Time {
		if by := set.Load(); by != 0 {
			return time.Now().Add(time.Duration(by)).In(zone)
		}
		return time.Now()
	}
	return now, func(before, now time.Time) time.Duration { return ahead(now) - ahead(before) }
}

// The last picture before a camera stalls is kept back in the session while the clock is
// set, and dated by the set clock as of when it came: the time after it is not footage,
// for nothing of it has come.
func TestPictureKeptBackWhileTheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		const by = 1500 * time.Millisecond
		const last = 6 * keyEvery // the number of the picture that is kept back
		p := &script{}
		var set atomic.Int64
		now, step := markedClock(&set)
		var came time.Time // the picture that is kept back, by the set clock
		o := b.options(func(ctx context.Context, r *Recorder) error {
			defer func() { <-ctx.Done() }()
			return p.play(ctx, r, last+1, func(i int, s *media.Sample) {
				if i == last {
					came = now().Add(by)
					sleep(ctx, 100*time.Millisecond)
					set.Store(int64(by))
					sleep(ctx, 800*time.Millisecond)
					s.Wall, s.DatedAt = came, now().Add(-900*time.Millisecond)
				}
			})
		})
		o.Now = now
		c := New(o)
		c.recorder.step = step
		b.run(c)
		sleep(t.Context(), 10*time.Second)
		b.end()
		segs := b.segments(spool.Finished)
		if frames(segs) != last+1 {
			t.Fatalf("%d of %d pictures are on the disk", frames(segs), last+1)
		}
		held := segs[len(segs)-1]
		if wrong := held.Start.Sub(came).Abs(); wrong > frameTime {
			t.Errorf("the picture that was kept back came at %v, its segment starts at %v", came, held.Start)
		}
		for _, s := range segs {
			if more := s.End.Sub(s.Start) - s.Duration; more > frameTime {
				t.Errorf("the segment from %v to %v says that it has %v more footage than it has", s.Start, s.End, more)
			}
		}
	})
}

// A clock that is set forward does not make a key frame overdue: the segment is cut at
// the next one, not in front of a picture that cannot be decoded by itself.
func TestClockSetForwardWaitsForAKeyFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		var set atomic.Int64
		off := func() time.Duration { return time.Duration(set.Load()) }
		var keys []time.Time
		o := b.options(func(ctx context.Context, r *Recorder) error {
			return p.play(ctx, r, 1<<30, func(_ int, s *media.Sample) {
				s.Wall = s.Wall.Add(off())
				if s.Sync {
					keys = append(keys, s.Wall)
				}
			})
		})
		o.Now = func() time.Time { return time.Now().Add(off()) }
		c := New(o)
		said := time.Duration(0)
		c.recorder.step = func(time.Time, time.Time) time.Duration {
			step := off() - said
			said = off()
			return step
		}
		b.run(c)
		sleep(t.Context(), 15500*time.Millisecond)
		set.Store(int64(time.Hour))
		sleep(t.Context(), 10*time.Second)
		b.end()
		for _, s := range b.segments(spool.Finished) {
			nearest := time.Hour
			for _, k := range keys {
				nearest = min(nearest, s.Start.Sub(k).Abs())
			}
			if nearest > time.Millisecond {
				t.Errorf("the segment from %v begins %v away from a key frame", s.Start, nearest)
			}
		}
	})
}

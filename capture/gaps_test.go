package capture

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/schedule"
	"recording-agent/capture/spool"
)

// in records a camera with a plan, and wants each moment of it to be accounted for once.
func in(t *testing.T, plan *schedule.Set, length time.Duration, stream func(ctx context.Context, r *Recorder) error, look func(b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		o := b.options(stream)
		o.Plan = NewPlan(plan)
		b.run(New(o))
		sleep(t.Context(), length)
		b.end()
		(&life{t: t, plan: plan}).checkLedger(b.spool)
		look(b)
	})
}

// caused lists the gaps of a cause.
func (b *bench) caused(cause spool.Cause) (out []spool.Gap) {
	for _, g := range b.gaps() {
		if g.Cause == cause {
			out = append(out, g)
		}
	}
	return out
}

// Pictures that are sent in another order than they are shown in go back over a
// window's edge. None is lost for it.
func TestReorderedPicturesAtAWindowsOpening(t *testing.T) {
	opens := 60*time.Second + 300*time.Millisecond
	p := &script{}
	in(t, daily(t, "morning", opens, 90*time.Second), 100*time.Second, func(ctx context.Context, r *Recorder) error {
		return p.play(ctx, r, 1<<30, func(i int, s *media.Sample) {
			if i%3 == 1 { // sent P B B, shown B B P
				s.Wall, s.PTS = s.Wall.Add(2*frameTime), s.PTS+2*3600
			} else if i%keyEvery != 0 {
				s.Wall, s.PTS = s.Wall.Add(-frameTime), s.PTS-3600
			}
		})
	}, func(b *bench) {
		b.noGaps()
		if n := frames(b.segments(spool.Finished)); n < 29*25 {
			t.Errorf("%d pictures of 30 s are recorded", n)
		}
	})
}

// Sound that goes on while the pictures have stopped is no footage.
func TestSoundOutlivesPictures(t *testing.T) {
	in(t, nil, 30*time.Second, func(ctx context.Context, r *Recorder) error {
		if err := r.Start(append(testTracks(), media.Track{Codec: media.PCMU, ClockRate: 8000, ChannelCount: 1, SampleRate: 8000})); err != nil {
			return err
		}
		for i := range int64(200) {
			if !sleep(ctx, frameTime) {
				return ctx.Err()
			}
			if i < 50 {
				if err := r.Write(&media.Sample{DTS: i * 3600, PTS: i * 3600, Wall: time.Now(), Sync: i%keyEvery == 0, Units: [][]byte{{0x41, 1, 2}}}); err != nil {
					return err
				}
			}
			if err := r.Write(&media.Sample{Track: 1, DTS: i * 320, PTS: i * 320, Wall: time.Now(), Units: [][]byte{make([]byte, 320)}}); err != nil {
				return err
			}
		}
		return errors.New("no pictures")
	}, func(b *bench) {
		first := b.segments(spool.Finished)[0]
		if d := first.End.Sub(first.Start); d < 1900*time.Millisecond || d > 2100*time.Millisecond || first.Duration < 7*time.Second {
			t.Errorf("2 s of pictures and 8 s of sound end after %v, their media is %v", d, first.Duration)
		}
	})
}

// What is damaged when the disk becomes too slow is one gap.
func TestDamageThenSlowDisk(t *testing.T) {
	r, queued, write := still(t)
	for i := range int64(100) {
		write(i, i%keyEvery == 0)
	}
	r.Damaged("packets are missing")
	r.queue.jobs[0].at = r.now().Add(-time.Hour)
	write(110, false)
	r.queue.jobs = nil
	write(150, true)
	for _, g := range queued() {
		t.Errorf("%+v is noted once more", g)
	}
}

// still is a recorder whose disk takes nothing; queued are the gaps that wait for it.
func still(t *testing.T) (r *Recorder, queued func() []gap, write func(i int64, sync bool)) {
	begin := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	now := begin
	r = New(Options{ID: testCamera, Plan: NewPlan(nil), Buffers: NewBuffers(), Segmenting: Segmenting{Duration: time.Minute, Part: time.Second}, Now: func() time.Time { return now }}).recorder
	if err := r.Start(testTracks()); err != nil {
		t.Fatal(err)
	}
	return r, func() (out []gap) {
			for _, j := range r.queue.jobs {
				if j.gap != nil {
					out = append(out, *j.gap)
				}
			}
			return out
		}, func(i int64, sync bool) {
			now = begin.Add(time.Duration(i) * frameTime)
			if err := r.Write(&media.Sample{DTS: i * 3600, PTS: i * 3600, Wall: now, Sync: sync, Units: [][]byte{{0x41, 1, 2}}}); err != nil {
				t.Fatal(err)
			}
		}
}

// Pictures that stop before a window's end, or are damaged there, are missing to its end.
func TestStallAcrossAWindowsEnd(t *testing.T) {
	for cause, damaged := range map[spool.Cause]bool{spool.Stalled: false, spool.BadFootage: true} {
		p := &script{}
		in(t, daily(t, "morning", 30*time.Second, 60*time.Second), 90*time.Second, func(ctx context.Context, r *Recorder) error {
			if err := p.play(ctx, r, 40*25, nil); err != nil { // to 0:55
				return err
			}
			if damaged {
				r.Damaged("packets are missing")
			}
			<-ctx.Done()
			return nil
		}, func(b *bench) {
			gaps := b.caused(cause)
			if len(gaps) != 1 || clockOf(gaps[0].End) != time.Minute || (gaps[0].End.Sub(gaps[0].Start)-5*time.Second).Abs() > 2*frameTime {
				t.Errorf("gaps %+v, want one of 5 s to the window's end", b.gaps())
			}
		})
	}
}

// Of two windows a second apart both are missing, each for itself.
func TestWindowsCloseTogether(t *testing.T) {
	plan := set(t,
		schedule.Schedule{ID: "a", Kind: schedule.Daily, Start: 30 * time.Second, End: 40 * time.Second, Active: true},
		schedule.Schedule{ID: "b", Kind: schedule.Daily, Start: 41 * time.Second, End: 50 * time.Second, Active: true},
		schedule.Schedule{ID: "c", Kind: schedule.Daily, Start: 52 * time.Second, End: 53 * time.Second, Active: true})
	in(t, plan, 90*time.Second, func(context.Context, *Recorder) error { return errors.New("no route") }, func(b *bench) {
		if gaps := b.gaps(); len(gaps) != 3 || gaps[1].End.Sub(gaps[1].Start) != 9*time.Second {
			t.Errorf("gaps %+v", gaps)
		}
	})
}

// What the last run left open ends where that did: the time since is the agent's.
func TestGapThatAKillLeftOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		begin := time.Now()
		for _, err := range []error{
			b.spool.GapOpened(t.Context(), testCamera, begin, spool.Unreachable, "no route"),
			b.spool.GapBetween(t.Context(), "another", begin, begin.Add(20*time.Second), spool.Stalled, ""), // so long it ran
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		sleep(t.Context(), time.Minute)
		if _, err := b.spool.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := &script{}
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) })))
		sleep(t.Context(), 10*time.Second)
		b.end()
		(&life{t: t}).checkLedger(b.spool)
		gaps := b.gaps()
		if len(gaps) != 3 || gaps[0].Cause != spool.Unreachable || gaps[0].End.Sub(begin) != 20*time.Second ||
			gaps[1].Cause != spool.AgentStopped || gaps[1].End.Sub(begin) != time.Minute || gaps[2].Cause != spool.Connecting {
			t.Errorf("gaps %+v", gaps)
		}
	})
}

// Damage just before a window opens is missing from its opening on.
func TestDamageBeforeAWindowOpens(t *testing.T) {
	p := &script{}
	in(t, daily(t, "morning", 60*time.Second, 90*time.Second), 100*time.Second, func(ctx context.Context, r *Recorder) error {
		if err := p.play(ctx, r, 14*25+5, nil); err != nil { // to 0:59.2
			return err
		}
		r.Damaged("packets are missing")
		sleep(ctx, 3*time.Second)
		return p.play(ctx, r, 1<<30, nil)
	}, func(b *bench) {
		gaps := b.caused(spool.BadFootage)
		if len(gaps) != 1 || clockOf(gaps[0].Start) != time.Minute || gaps[0].End.Sub(gaps[0].Start) < 2*time.Second {
			t.Errorf("gaps %+v, want one from the window's opening on", b.gaps())
		}
	})
}

// A camera that sends few pictures leaves no hole where segments are cut.
func TestFewPictures(t *testing.T) {
	in(t, nil, 2*time.Minute, func(ctx context.Context, r *Recorder) error {
		if err := r.Start(testTracks()); err != nil {
			return err
		}
		for i := int64(0); sleep(ctx, 3*time.Second); i++ {
			if err := r.Write(&media.Sample{DTS: i * 270_000, PTS: i * 270_000, Wall: time.Now(), Sync: true, Units: [][]byte{{0x65, 1, 2}}}); err != nil {
				return err
			}
		}
		return ctx.Err()
	}, func(b *bench) {
		if gaps := b.gaps(); len(gaps) != 1 || gaps[0].Cause != spool.Connecting {
			t.Errorf("gaps %+v", gaps)
		}
		segs := b.segments(spool.Finished)
		if last := segs[len(segs)-1]; last.End.Sub(last.Start) < 2*time.Second {
			t.Errorf("the last segment ends %v after its start", last.End.Sub(last.Start))
		}
	})
}

// What a camera has held back comes at once when it is connected to. Sessions that end
// after it leave segments that do not overlap.
func TestBurstsDoNotOverlap(t *testing.T) {
	in(t, nil, 30*time.Second, func(ctx context.Context, r *Recorder) error {
		if err := r.Start(testTracks()); err != nil {
			return err
		}
		for i := range int64(125) {
			if err := r.Write(&media.Sample{DTS: i * 3600, PTS: i * 3600, Wall: time.Now(), Sync: i%keyEvery == 0, Units: [][]byte{{0x65, 1, 2}}}); err != nil {
				return err
			}
		}
		return errors.New("the camera hung up")
	}, func(b *bench) {
		segs := b.segments(spool.Finished)
		for i, s := range segs {
			if i > 0 && s.Start.Before(segs[i-1].End) || s.End.Before(s.Start) {
				t.Errorf("segment %d, %v to %v, overlaps the one before, to %v", i, s.Start, s.End, segs[i-1].End)
			}
		}
	})
}

// The host's clock is set while nothing comes: that is a row, and what was missing stays
// so, before and after.
func TestClockIsSetDuringAGap(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			defer b.close()
			var off atomic.Int64
			p := &script{}
			session := 0
			o := b.options(func(ctx context.Context, r *Recorder) error {
				if session++; time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) < 2*time.Minute {
					return errors.New("no route")
				}
				return p.play(ctx, r, 1<<30, func(_ int, s *media.Sample) { s.Wall = s.Wall.Add(time.Duration(off.Load())) })
			})
			o.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
			c := New(o)
			said := time.Duration(0)
			c.recorder.step = func(time.Time, time.Time) time.Duration {
				step := time.Duration(off.Load()) - said
				said += step
				return step
			}
			begin := time.Now()
			b.run(c)
			sleep(t.Context(), time.Minute+100*time.Millisecond)
			off.Store(int64(by))
			sleep(t.Context(), 2*time.Minute)
			b.end()
			sum := time.Duration(0)
			for _, g := range b.caused(spool.Unreachable) {
				sum += g.End.Sub(g.Start)
			}
			if sum < 2*time.Minute-time.Second || sum > 2*time.Minute+40*time.Second {
				t.Errorf("%v are missing, the camera was away for 2 minutes: %+v", sum, b.gaps())
			}
			steps := b.caused(spool.ClockStep)
			if len(steps) != 1 || steps[0].End.Sub(steps[0].Start) != max(0, by) || (steps[0].End.Sub(begin)-time.Minute-by).Abs() > 2*time.Second {
				t.Errorf("steps %+v", steps)
			}
		})
	}
}

// What a host's clock that is set has left out lies between the footage under the old
// time and that under the new one, however long a group of pictures lasts.
func TestClockIsSetWithLongGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		var off atomic.Int64
		p := &script{}
		o := b.options(func(ctx context.Context, r *Recorder) error {
			return p.play(ctx, r, 1<<30, func(i int, s *media.Sample) {
				s.Sync = i%250 == 0
				s.Wall = s.Wall.Add(time.Duration(off.Load()))
			})
		})
		o.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
		c := New(o)
		said := time.Duration(0)
		c.recorder.step = func(time.Time, time.Time) time.Duration {
			step := time.Duration(off.Load()) - said
			said += step
			return step
		}
		b.run(c)
		sleep(t.Context(), 12*time.Second)
		off.Store(int64(time.Minute))
		sleep(t.Context(), 20*time.Second)
		b.end()
		(&life{t: t}).checkLedger(b.spool)
		if steps := b.caused(spool.ClockStep); len(steps) != 1 || (steps[0].End.Sub(steps[0].Start)-time.Minute).Abs() > frameTime {
			t.Errorf("gaps %+v", b.gaps())
		}
	})
}

// What is held before a window opens counts as waiting, until it is written or given up.
func TestWhatIsHeldAheadCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		o := b.options(func(ctx context.Context, r *Recorder) error {
			return p.play(ctx, r, 1<<30, func(i int, s *media.Sample) { s.Sync = i == 0 })
		})
		o.Plan = NewPlan(daily(t, "morning", 20*time.Second, 30*time.Second))
		b.run(New(o))
		sleep(t.Context(), 19*time.Second)
		if n := o.Buffers.queued.Load(); n < 12*25*1000 {
			t.Errorf("%d bytes are counted, 14 s of pictures are held", n)
		}
		sleep(t.Context(), 20*time.Second)
		b.end()
		if n := o.Buffers.queued.Load(); n != 0 {
			t.Errorf("%d bytes are counted in the end", n)
		}
	})
}

// unfinished is a spool whose ledger cannot finish a segment for a while.
type unfinished struct {
	*spool.Spool
	until time.Time
}

func (u *unfinished) Finished(ctx context.Context, id string, start time.Time, r mp4.Result) error {
	if time.Now().Before(u.until) {
		return errors.New("the ledger is locked")
	}
	return u.Spool.Finished(ctx, id, start, r)
}

// A segment that could not be finished is by a later camera, when its own has ended.
func TestLateSegmentOutlivesItsCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		o := b.options(func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) })
		o.Spool = &unfinished{Spool: b.spool, until: time.Now().Add(20 * time.Second)}
		b.run(New(o))
		sleep(t.Context(), 15*time.Second)
		b.end()
		if n := len(b.segments(spool.Recording)); n != 2 {
			t.Errorf("%d segments are unfinished, want 2", n)
		}
		b.run(New(o))
		sleep(t.Context(), 45*time.Second)
		b.end()
		if n := len(b.segments(spool.Recording)); n != 0 || frames(b.segments(spool.Finished)) != p.count {
			t.Errorf("%d segments are unfinished, %d of %d pictures finished", n, frames(b.segments(spool.Finished)), p.count)
		}
	})
}

// Minutes that are recorded by hand are minutes, wherever the host's clock is set to.
func TestRecordByHandWhileTheClockIsSet(t *testing.T) {
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		plan := NewPlan(set(t))
		plan.Begin(begin, 10*time.Minute)
		plan.stepped(by)
		if _, open := plan.At(begin.Add(by + 9*time.Minute)); !open {
			t.Errorf("set by %v, it does not last", by)
		}
		if _, open := plan.At(begin.Add(by + 11*time.Minute)); open {
			t.Errorf("set by %v, it does not end", by)
		}
	}
}

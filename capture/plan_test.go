package capture

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/schedule"
	"recording-agent/capture/spool"
)

// daily is a plan of one window each day, in UTC; the bubble's time begins at
// midnight.
func daily(t *testing.T, id string, from, to time.Duration) *schedule.Set {
	t.Helper()
	return set(t, schedule.Schedule{ID: id, Kind: schedule.Daily, Start: from, End: to, Active: true})
}

func set(t *testing.T, schedules ...schedule.Schedule) *schedule.Set {
	t.Helper()
	s, err := schedule.NewSet(time.UTC, schedules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func clockOf(t time.Time) time.Duration { return t.Sub(t.Truncate(24 * time.Hour)) }

// planned runs a camera with a plan for a while, and returns when it connected.
func (b *bench) planned(p *script, plan *Plan, during func(c *Camera)) (connected []time.Duration) {
	o := b.options(func(ctx context.Context, r *Recorder) error {
		connected = append(connected, clockOf(time.Now()))
		return p.play(ctx, r, 1<<30, nil)
	})
	o.Plan = plan
	c := New(o)
	b.run(c)
	during(c)
	b.end()
	return connected
}

func (b *bench) noGaps() {
	b.t.Helper()
	for _, g := range b.gaps() {
		b.t.Errorf("gap %+v", g)
	}
}

// The first second of a window is recorded, its end is where it was to be, and
// nothing of the time around it.
func TestWindowIsRecordedWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		opens, closes := 60*time.Second+300*time.Millisecond, 100*time.Second+700*time.Millisecond
		connected := b.planned(p, NewPlan(daily(t, "morning", opens, closes)), func(c *Camera) {
			sleep(t.Context(), 30*time.Second)
			if s := c.Status(); s.State != OffSchedule {
				t.Errorf("state %q before the window", s.State)
			}
			sleep(t.Context(), 50*time.Second)
			if s := c.Status(); s.State != Live {
				t.Errorf("state %q in the window", s.State)
			}
			sleep(t.Context(), time.Minute)
			if s := c.Status(); s.State != OffSchedule {
				t.Errorf("state %q after the window", s.State)
			}
		})
		if len(connected) != 1 || connected[0] != opens-lead {
			t.Errorf("connected at %v", connected)
		}
		segs := b.segments(spool.Finished)
		first, last := segs[0], segs[len(segs)-1]
		if early := opens - clockOf(first.Start); early < 0 || early > keyEvery*frameTime {
			t.Errorf("recording begins %v before the window opens", early)
		}
		if late := clockOf(last.End) - closes; late < -frameTime || late > frameTime {
			t.Errorf("recording ends %v after the window closes", late)
		}
		for i, s := range segs {
			if s.ScheduleID != "morning" {
				t.Errorf("segment %d has schedule %q", i, s.ScheduleID)
			}
			if i > 0 && s.Start.Sub(segs[i-1].End).Abs() > time.Millisecond*10 {
				t.Errorf("segment %d starts %v after the one before has ended", i, s.Start.Sub(segs[i-1].End))
			}
		}
		b.noGaps()
	})
}

// A camera that cannot be reached is missing from its window, and not outside.
func TestGapsAreInsideWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		o := b.options(func(context.Context, *Recorder) error { return errors.New("no route to the camera") })
		o.Plan = NewPlan(daily(t, "noon", 12*time.Hour, 13*time.Hour))
		c := New(o)
		b.run(c)
		sleep(t.Context(), 59*time.Hour)
		b.end()
		gaps := b.gaps()
		if len(gaps) != 2 {
			t.Fatalf("gaps %+v, want one each day", gaps)
		}
		for _, g := range gaps {
			if clockOf(g.Start) != 12*time.Hour || clockOf(g.End) != 13*time.Hour || g.Cause != spool.Unreachable {
				t.Errorf("gap %+v", g)
			}
		}
		if tries := c.Status().Reconnects; tries < 240 || tries > 600 {
			t.Errorf("tried %d times in two windows of an hour", tries)
		}
	})
}

// While the agent was away, only windows were missed.
func TestGapsOfTheLastRunAreInsideWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		plan := NewPlan(daily(t, "noon", 12*time.Hour, 13*time.Hour))
		p := &script{}
		sleep(t.Context(), 11*time.Hour+59*time.Minute)
		b.planned(p, plan, func(*Camera) { sleep(t.Context(), 31*time.Minute) }) // to 12:30
		sleep(t.Context(), 48*time.Hour)
		b.planned(p, plan, func(*Camera) { sleep(t.Context(), time.Minute) })
		day := 24 * time.Hour
		begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		want := [][2]time.Duration{{12*time.Hour + 30*time.Minute, 13 * time.Hour}, {day + 12*time.Hour, day + 13*time.Hour}, {2*day + 12*time.Hour, 2*day + 12*time.Hour + 30*time.Minute}}
		gaps := slices.DeleteFunc(b.gaps(), func(g spool.Gap) bool { return g.Cause == spool.Connecting })
		if len(gaps) != len(want) {
			t.Fatalf("gaps %+v", gaps)
		}
		for i, g := range gaps {
			if (g.Start.Sub(begin)-want[i][0]).Abs() > time.Second || (g.End.Sub(begin)-want[i][1]).Abs() > 2*time.Second || g.Cause != spool.AgentStopped {
				t.Errorf("gap %d %+v, want %v", i, g, want[i])
			}
		}
	})
}

// A change of the plan takes effect at once, in either direction.
func TestPlanChangesWhileRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p, plan := &script{}, NewPlan(set(t))
		connected := b.planned(p, plan, func(c *Camera) {
			sleep(t.Context(), 20*time.Second)
			plan.Set(daily(t, "all-day", 0, 0)) // in the middle of its window
			sleep(t.Context(), 33*time.Second)
			plan.Set(set(t))
			sleep(t.Context(), 20*time.Second)
			if s := c.Status(); s.State != OffSchedule {
				t.Errorf("state %q after the schedule is gone", s.State)
			}
		})
		segs := b.segments(spool.Finished)
		if len(connected) != 1 || connected[0] != 20*time.Second || len(segs) == 0 {
			t.Fatalf("connected at %v, segments %+v", connected, segs)
		}
		if at := clockOf(segs[0].Start); at > 21*time.Second {
			t.Errorf("recording begins at %v", at)
		}
		if at := clockOf(segs[len(segs)-1].End); at < 52*time.Second || at > 54*time.Second {
			t.Errorf("recording ends at %v", at)
		}
		for _, g := range b.gaps() {
			if g.End.IsZero() || g.End.Sub(g.Start) > time.Minute {
				t.Errorf("gap %+v", g)
			}
		}
	})
}

// Where one schedule follows another, the segment is cut and the footage joins.
func TestScheduleFollowsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		edge := 55 * time.Second
		plan := NewPlan(set(t,
			schedule.Schedule{ID: "a", Kind: schedule.Daily, Start: 20 * time.Second, End: edge, Active: true},
			schedule.Schedule{ID: "b", Kind: schedule.Daily, Start: edge, End: 80 * time.Second, Active: true}))
		b.planned(p, plan, func(*Camera) { sleep(t.Context(), 100*time.Second) })
		segs := b.segments(spool.Finished)
		for i, s := range segs {
			want := "a"
			if clockOf(s.Start) >= edge {
				want = "b"
			}
			if s.ScheduleID != want {
				t.Errorf("the segment from %v has schedule %q", clockOf(s.Start), s.ScheduleID)
			}
			if i > 0 && s.Start.Sub(segs[i-1].End).Abs() > 10*time.Millisecond {
				t.Errorf("%v between segments", s.Start.Sub(segs[i-1].End))
			}
			if s.ScheduleID == "a" && clockOf(s.End) > edge+keyEvery*frameTime {
				t.Errorf("the first schedule's footage ends at %v", clockOf(s.End))
			}
		}
		b.noGaps()
	})
}

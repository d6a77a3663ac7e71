package capture

import (
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/schedule"
	"recording-agent/capture/spool"
)

func TestRecordByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p, plan := &script{}, NewPlan(daily(t, "later", 2*time.Hour, 3*time.Hour))
		b.planned(p, plan, func(c *Camera) {
			sleep(t.Context(), 10*time.Second)
			if !plan.Begin(time.Now(), 20*time.Second) || plan.Begin(time.Now(), 0) {
				t.Error("recording by hand begins once")
			}
			sleep(t.Context(), 60*time.Second)
			if plan.Stop(time.Now()) {
				t.Error("it should have ended by itself")
			}
			if !plan.Begin(time.Now(), 0) {
				t.Error("it does not begin again")
			}
			sleep(t.Context(), 30*time.Second)
			if c.Status().State != Live || !plan.Stop(time.Now()) {
				t.Error("it did not last until it was ended")
			}
			sleep(t.Context(), 10*time.Second)
		})
		sum := time.Duration(0)
		for _, s := range b.segments(spool.Finished) {
			sum += s.Duration
		}
		if sum < 48*time.Second || sum > 51*time.Second {
			t.Errorf("%v recorded, want 20 and 30 s", sum)
		}
		if NewPlan(nil).Begin(time.Now(), 0) {
			t.Error("a camera that is recorded at all times is recorded by hand as well")
		}
	})
}

// A window that is stopped by hand stays so to its end; the next one is recorded.
func TestStopOfAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		plan := NewPlan(set(t,
			schedule.Schedule{ID: "a", Kind: schedule.Daily, Start: time.Minute, End: 10 * time.Minute, Active: true},
			schedule.Schedule{ID: "b", Kind: schedule.Daily, Start: 10 * time.Minute, End: 11 * time.Minute, Active: true}))
		connected := b.planned(p, plan, func(c *Camera) {
			sleep(t.Context(), 30*time.Second)
			if plan.Stop(time.Now()) {
				t.Error("stopped before anything is recorded")
			}
			sleep(t.Context(), 60*time.Second) // to 1:30
			if !plan.Stop(time.Now()) || plan.Stop(time.Now()) {
				t.Error("a window is stopped once")
			}
			sleep(t.Context(), 10*time.Second)
			if s := c.Status(); s.State != OffSchedule {
				t.Errorf("state %q after the stop", s.State)
			}
			sleep(t.Context(), time.Minute) // to 2:40
			if !plan.Begin(time.Now(), 20*time.Second) {
				t.Error("a window that was stopped cannot be recorded by hand")
			}
			sleep(t.Context(), time.Minute)
			if s := c.Status(); s.State != OffSchedule {
				t.Errorf("state %q after what was recorded by hand", s.State)
			}
			sleep(t.Context(), 8*time.Minute)
		})
		want := [][2]time.Duration{{60 * time.Second, 90 * time.Second}, {160 * time.Second, 180 * time.Second}, {10 * time.Minute, 11 * time.Minute}}
		var got [][2]time.Duration
		for _, s := range b.segments(spool.Finished) {
			start, end := clockOf(s.Start), clockOf(s.End)
			if n := len(got); n > 0 && start-got[n-1][1] < time.Second {
				got[n-1][1] = end
			} else {
				got = append(got, [2]time.Duration{start, end})
			}
			schedule := ""
			switch {
			case start < 95*time.Second:
				schedule = "a"
			case start > 5*time.Minute:
				schedule = "b"
			}
			if s.ScheduleID != schedule {
				t.Errorf("the segment from %v has schedule %q", start, s.ScheduleID)
			}
		}
		if len(got) != len(want) || len(connected) != len(want) {
			t.Fatalf("recorded %v, want %v; connected at %v", got, want, connected)
		}
		for i := range want {
			if (got[i][0]-want[i][0]).Abs() > 1200*time.Millisecond || (got[i][1]-want[i][1]).Abs() > 200*time.Millisecond {
				t.Errorf("recorded %v, want %v", got[i], want[i])
			}
		}
		for _, g := range b.gaps() {
			if g.End.IsZero() || g.End.Sub(g.Start) > 2*time.Second {
				t.Errorf("gap %+v", g)
			}
		}
	})
}

// A window without an end is stopped for a day, and what was stopped is not missing.
func TestStopOfAnEndlessWindow(t *testing.T) {
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	plan := NewPlan(set(t, schedule.Always()))
	if !plan.Stop(begin) {
		t.Fatal("it is not stopped")
	}
	end := begin.Add(24 * time.Hour)
	if w, open := plan.At(begin.Add(-time.Second)); !open || !w.End.Equal(begin) {
		t.Errorf("before: %v, %v", w, open)
	}
	if edge, found := plan.Next(begin.Add(time.Hour)); !found || !edge.Equal(end) {
		t.Errorf("the next edge is %v, %v", edge, found)
	}
	if w, open := plan.At(end); !open || !w.Start.Equal(end) {
		t.Errorf("after: %v, %v", w, open)
	}
	sum := time.Duration(0)
	for _, w := range plan.Windows(begin.Add(-time.Hour), end.Add(time.Hour)) {
		sum += w.End.Sub(w.Start)
	}
	if sum != 2*time.Hour {
		t.Errorf("%v are to be recorded", sum)
	}
	plan.Forget()
	if _, open := plan.At(begin); !open {
		t.Error("it is still stopped")
	}
	if NewPlan(nil).Stop(begin) {
		t.Error("a camera that is recorded at all times is stopped")
	}
}

// Where the clock jumps over the end of what was stopped, nothing is left of that.
func TestClockJumpsOverAStop(t *testing.T) {
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	plan := NewPlan(set(t, schedule.Always()))
	if !plan.Stop(begin) {
		t.Fatal("it is not stopped")
	}
	plan.stepped(48 * time.Hour)
	if w := plan.Windows(begin, begin.Add(96*time.Hour)); len(w) != 1 || w[0].End.Sub(w[0].Start) != 96*time.Hour {
		t.Errorf("windows %v", w)
	}
}

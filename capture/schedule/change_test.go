package schedule

import (
	"strings"
	"testing"
	"time"
)

// A camera as its loop sees it: the set, and what is recorded.
type camera struct {
	t        *testing.T
	set      *Set
	recorded Window
}

func newCamera(t *testing.T, lines ...string) *camera {
	return &camera{t: t, set: setOf(t, "Europe/Vienna", lines...)}
}

// change gives it other schedules at a time of 2026-11-23.
func (c *camera) change(clock string, lines ...string) {
	c.t.Helper()
	next, err := c.set.Update(read(c.t, lines...), c.at(clock))
	if err != nil {
		c.t.Fatal(err)
	}
	c.set = next
}

func (c *camera) at(clock string) time.Time { return c.set.at(c.t, "2026-11-23 "+clock) }

// wants is what is to be recorded at a time, like "A until 12:00", or nothing.
func (c *camera) wants(clock, want string) {
	c.t.Helper()
	w, open := c.set.Follow(c.recorded, c.at(clock))
	c.recorded = w
	got := ""
	if open {
		got = w.ScheduleID + " until " + w.End.Format("15:04")
	}
	if got != want {
		c.t.Errorf("at %s it wants %q, should be %q", clock, got, want)
	}
}

// The server makes a once schedule inactive soon after it has begun.
func TestOnceThatVanishesIsRecordedToItsEnd(t *testing.T) {
	c := newCamera(t, "A once 08:00-12:00 from 2026-11-23")
	c.wants("08:00", "A until 12:00")
	c.change("08:00:30")
	c.wants("08:00:30", "A until 12:00")
	c.change("11:59") // and it stays away
	c.wants("11:59", "A until 12:00")
	c.wants("12:00", "")
	c.change("12:00:30")
	if left := c.set.Schedules(); len(left) != 0 {
		t.Errorf("kept after its end: %+v", left)
	}
}

func TestOnceThatIsInactiveIsRecordedToItsEnd(t *testing.T) {
	c := newCamera(t, "A once 08:00-12:00 from 2026-11-23")
	inactive := read(t, "A once 08:00-12:00 from 2026-11-23")
	inactive[0].Active = false
	next, err := c.set.Update(inactive, c.at("08:00"))
	if err != nil {
		t.Fatal(err)
	}
	c.set = next
	c.wants("08:01", "A until 12:00")
}

func TestOnceThatVanishesBeforeItBeginsIsNot(t *testing.T) {
	c := newCamera(t, "A once 08:00-12:00 from 2026-11-23")
	c.change("07:59:59")
	c.wants("08:00", "")
}

func TestOnceThatIsThereAgainIsAsItSaysNow(t *testing.T) {
	c := newCamera(t, "A once 08:00-12:00 from 2026-11-23")
	c.change("08:01")
	c.change("08:02", "A once 08:00-10:00 from 2026-11-23")
	c.wants("08:02", "A until 10:00")
	c.change("08:03", "A once 09:00-10:00 from 2026-11-23")
	c.wants("08:03", "")
}

// What was kept is written and read again with the rest: a restart in its middle.
func TestOnceSurvivesARestart(t *testing.T) {
	c := newCamera(t, "A once 08:00-12:00 from 2026-11-23")
	c.change("08:01")
	text, err := c.set.Schedules()[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if c.set, err = NewSet(c.set.zone, []Schedule{s}); err != nil {
		t.Fatal(err)
	}
	c.change("09:00")
	c.wants("09:00", "A until 12:00")
}

func TestOthersThatVanishEndAtOnce(t *testing.T) {
	for _, line := range []string{"A daily 08:00-12:00", "A weekly 08:00-12:00 monday", "A continuous 08:00-12:00"} {
		c := newCamera(t, line)
		c.wants("08:00", "A until 12:00")
		c.change("09:00")
		c.wants("09:00", "")
	}
}

func TestChangesWhileRecording(t *testing.T) {
	t.Run("the end moves", func(t *testing.T) {
		c := newCamera(t, "A daily 08:00-12:00")
		c.wants("08:00", "A until 12:00")
		c.change("09:00", "A daily 08:00-14:00")
		c.wants("09:00", "A until 14:00")
		c.change("13:00", "A daily 08:00-12:00")
		c.wants("13:00", "")
	})
	t.Run("one is new, in its own middle", func(t *testing.T) {
		c := newCamera(t)
		c.wants("09:00", "")
		c.change("09:00", "A daily 08:00-12:00")
		c.wants("09:00", "A until 12:00")
	})
	t.Run("one is new that should have opened sooner", func(t *testing.T) {
		c := newCamera(t, "A daily 08:00-12:00")
		c.wants("08:00", "A until 12:00")
		c.change("09:00", "A daily 08:00-12:00", "B daily 07:00-18:00")
		c.wants("09:00", "A until 18:00")
		c.change("13:00", "A daily 08:00-12:00", "B daily 07:00-17:00") // A is over, and still gives the id
		c.wants("13:00", "A until 17:00")
	})
	t.Run("the one that gave the id vanishes, another goes on", func(t *testing.T) {
		c := newCamera(t, "A daily 08:00-12:00", "B daily 09:00-18:00")
		c.wants("10:00", "A until 18:00")
		c.change("10:30", "B daily 09:00-18:00")
		c.wants("10:30", "B until 18:00")
	})
	t.Run("one that did not give the id vanishes", func(t *testing.T) {
		c := newCamera(t, "A daily 08:00-12:00", "B daily 09:00-18:00")
		c.wants("10:00", "A until 18:00")
		c.change("10:30", "A daily 08:00-12:00")
		c.wants("10:30", "A until 12:00")
	})
	t.Run("a once that did not give the id vanishes", func(t *testing.T) {
		c := newCamera(t, "A daily 08:00-12:00", "B once 09:00-18:00 from 2026-11-23")
		c.wants("10:00", "A until 18:00")
		c.change("10:30", "A daily 08:00-12:00")
		c.wants("10:30", "A until 18:00")
		c.change("10:31")
		c.wants("10:31", "B until 18:00")
	})
	t.Run("a once that is over gives the id to the end of the window", func(t *testing.T) {
		c := newCamera(t, "A once 08:00-12:00 from 2026-11-23", "B daily 09:00-18:00")
		c.wants("10:00", "A until 18:00")
		c.change("10:30", "B daily 09:00-18:00")
		c.change("13:00", "B daily 09:00-18:00")
		c.wants("13:00", "A until 18:00")
		c.change("18:00", "B daily 09:00-18:00")
		if left := c.set.Schedules(); len(left) != 1 {
			t.Errorf("kept: %+v", left)
		}
	})
	t.Run("another window follows without a pause", func(t *testing.T) {
		c := newCamera(t, "A daily 08:00-12:00", "B daily 12:00-18:00")
		c.wants("08:00", "A until 12:00")
		c.wants("12:00", "B until 18:00")
	})
	t.Run("without ids", func(t *testing.T) {
		s, err := NewSet(time.UTC, []Schedule{Always()})
		if err != nil {
			t.Fatal(err)
		}
		w, open := s.Follow(Window{}, s.at(t, "2026-11-23 08:00"))
		again, still := s.Follow(w, s.at(t, "2026-11-23 09:00"))
		if !open || !still || w != again || w.ScheduleID != "" {
			t.Errorf("%v %s, then %v %s", open, show(w), still, show(again))
		}
	})
}

// What is kept is bounded, however often other schedules come and go.
func TestWhatIsKeptIsBounded(t *testing.T) {
	many := func(name string) (out []Schedule) {
		for i := range MaxSchedules {
			s := read(t, "A once 08:00-12:00 from 2026-11-23")[0]
			s.ID = name + strings.Repeat("x", i%40) + strings.Repeat("y", i/40)
			out = append(out, s)
		}
		return out
	}
	c := newCamera(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		next, err := c.set.Update(many(name), c.at("08:30"))
		if err != nil {
			t.Fatal(err)
		}
		c.set = next
	}
	if n := len(c.set.Schedules()); n != MaxSchedules {
		t.Errorf("%d schedules", n)
	}
	if _, err := c.set.Update(make([]Schedule, MaxSchedules+1), c.at("08:30")); err == nil {
		t.Error("too many were taken")
	}
}

package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of all hosts are the same here
)

// read makes schedules of lines like "A weekly 22:00-06:00 monday,friday from
// 2026-11-02 until 2026-11-30".
func read(t testing.TB, lines ...string) (out []Schedule) {
	t.Helper()
	for _, line := range lines {
		words := strings.Fields(line)
		text := Text{ID: words[0], Kind: words[1]}
		text.Start, text.End, _ = strings.Cut(words[2], "-")
		for i := 3; i < len(words); i++ {
			switch words[i] {
			case "from":
				i++
				text.StartDate = words[i]
			case "until":
				i++
				text.EndDate = words[i]
			default:
				text.Days = strings.Split(words[i], ",")
			}
		}
		s, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, s)
	}
	return out
}

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func setOf(t testing.TB, zone string, lines ...string) *Set {
	t.Helper()
	s, err := NewSet(zoneOf(t, zone), read(t, lines...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// at is a moment on the clock of a set.
func (s *Set) at(t testing.TB, reading string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02 15:04:05 -07:00"} {
		if at, err := time.ParseInLocation(layout, reading, s.zone); err == nil {
			return at
		}
	}
	t.Fatalf("no time: %s", reading)
	return time.Time{}
}

func show(w Window) string {
	const layout = "01-02 15:04:05-0700"
	text := strings.NewReplacer(":00-", "-", ":00+", "+", "00 to", " to").Replace(w.Start.Format(layout) + " to " + strings.TrimSuffix(w.End.Format(layout), "00"))
	return strings.TrimSpace(text + " " + w.ScheduleID)
}

func (s *Set) shown(t testing.TB, from, to string) (out []string) {
	t.Helper()
	for w := range s.Windows(s.at(t, from), s.at(t, to)) {
		out = append(out, show(w))
	}
	return out
}

// Each rule by example: what schedules want of a stretch of time. 2026-11-23 is a
// Monday.
func TestWindows(t *testing.T) {
	for name, c := range map[string]struct {
		schedules []string
		from, to  string
		want      []string
	}{
		"daily": {[]string{"A daily 08:00-12:30"}, "2026-11-23", "2026-11-25",
			[]string{"11-23 08:00+00 to 11-23 12:30+00 A", "11-24 08:00+00 to 11-24 12:30+00 A"}},
		"continuous is every day, inside its window": {[]string{"A continuous 08:00-12:30"}, "2026-11-23", "2026-11-25",
			[]string{"11-23 08:00+00 to 11-23 12:30+00 A", "11-24 08:00+00 to 11-24 12:30+00 A"}},
		"once": {[]string{"A once 08:00-12:30 from 2026-11-24"}, "2026-11-01", "2027-11-01",
			[]string{"11-24 08:00+00 to 11-24 12:30+00 A"}},
		"once without a date is never":    {[]string{"A once 08:00-12:30"}, "2026-11-01", "2027-11-01", nil},
		"once past its end date is never": {[]string{"A once 08:00-12:30 from 2026-11-24 until 2026-11-23"}, "2026-11-01", "2027-11-01", nil},
		"once within its end date": {[]string{"A once 08:00-12:30 from 2026-11-24 until 2026-11-24"}, "2026-11-01", "2027-11-01",
			[]string{"11-24 08:00+00 to 11-24 12:30+00 A"}},
		"once beyond midnight": {[]string{"A once 22:00-06:00 from 2026-11-24"}, "2026-11-01", "2027-11-01",
			[]string{"11-24 22:00+00 to 11-25 06:00+00 A"}},
		"weekly": {[]string{"A weekly 08:00-12:30 tuesday,sunday"}, "2026-11-23", "2026-12-02",
			[]string{"11-24 08:00+00 to 11-24 12:30+00 A", "11-29 08:00+00 to 11-29 12:30+00 A", "12-01 08:00+00 to 12-01 12:30+00 A"}},
		"weekly without days is never": {[]string{"A weekly 08:00-12:30"}, "2026-11-01", "2027-11-01", nil},
		"a window belongs to the day that it starts on": {[]string{"A weekly 22:00-06:00 sunday"}, "2026-11-22", "2026-11-29",
			[]string{"11-22 22:00+00 to 11-23 06:00+00 A"}},
		"dates speak of the day that it starts on": {[]string{"A daily 22:00-06:00 from 2026-11-23 until 2026-11-24"}, "2026-11-20", "2026-11-30",
			[]string{"11-23 22:00+00 to 11-24 06:00+00 A", "11-24 22:00+00 to 11-25 06:00+00 A"}},
		"dates bound weekly": {[]string{"A weekly 08:00-09:00 monday from 2026-11-24 until 2026-12-07"}, "2026-11-20", "2026-12-30",
			[]string{"11-30 08:00+00 to 11-30 09:00+00 A", "12-07 08:00+00 to 12-07 09:00+00 A"}},
		"dates bound continuous": {[]string{"A continuous 00:00-24:00 from 2026-11-24 until 2026-11-25"}, "2026-11-20", "2026-12-30",
			[]string{"11-24 00:00+00 to 11-26 00:00+00 A"}},
		"what is cut off": {[]string{"A daily 22:00-06:00"}, "2026-11-23 01:00", "2026-11-23 23:00",
			[]string{"11-23 01:00+00 to 11-23 06:00+00 A", "11-23 22:00+00 to 11-23 23:00+00 A"}},
		"equal times are 24 hours": {[]string{"A once 08:00-08:00 from 2026-11-24"}, "2026-11-01", "2026-12-01",
			[]string{"11-24 08:00+00 to 11-25 08:00+00 A"}},
		"equal times at the end of a day as well": {[]string{"A once 23:59:59-23:59:59 from 2026-11-24"}, "2026-11-01", "2026-12-01",
			[]string{"11-24 23:59:59+00 to 11-25 23:59:59+00 A"}},
		"midnight to midnight": {[]string{"A once 00:00-00:00 from 2026-11-24"}, "2026-11-01", "2026-12-01",
			[]string{"11-24 00:00+00 to 11-25 00:00+00 A"}},
		"24 hours a day are one window": {[]string{"A daily 08:00-08:00"}, "2026-11-23", "2026-11-26",
			[]string{"11-23 00:00+00 to 11-26 00:00+00 A"}},
		"the last second is midnight": {[]string{"A continuous 00:00-23:59:59"}, "2026-11-23", "2026-11-26",
			[]string{"11-23 00:00+00 to 11-26 00:00+00 A"}},
		"a fraction in the last second is midnight": {[]string{"A daily 22:00-23:59:59.999999"}, "2026-11-23", "2026-11-24 12:00",
			[]string{"11-23 22:00+00 to 11-24 00:00+00 A"}},
		"the second before the last is not": {[]string{"A daily 22:00-23:59:58.999999"}, "2026-11-23", "2026-11-24 12:00",
			[]string{"11-23 22:00+00 to 11-23 23:59:58+00 A"}},
		"the last second of the next day is midnight too": {[]string{"A once 23:59:59.5-23:59:59.2 from 2026-11-24"}, "2026-11-01", "2026-12-01",
			[]string{"11-24 23:59:59+00 to 11-26 00:00+00 A"}},
		"overlapping schedules are one window, of the first": {[]string{"A daily 10:00-18:00", "B daily 08:00-12:00"}, "2026-11-23", "2026-11-24",
			[]string{"11-23 08:00+00 to 11-23 18:00+00 B"}},
		"one within the other": {[]string{"A daily 10:00-11:00", "B daily 08:00-12:00"}, "2026-11-23", "2026-11-24",
			[]string{"11-23 08:00+00 to 11-23 12:00+00 B"}},
		"of two that open together the smaller id": {[]string{"B daily 08:00-18:00", "A daily 08:00-12:00"}, "2026-11-23", "2026-11-24",
			[]string{"11-23 08:00+00 to 11-23 18:00+00 A"}},
		"one after the other are two windows": {[]string{"A daily 08:00-12:00", "B daily 12:00-18:00"}, "2026-11-23", "2026-11-24",
			[]string{"11-23 08:00+00 to 11-23 12:00+00 A", "11-23 12:00+00 to 11-23 18:00+00 B"}},
		"a third bridges them": {[]string{"A daily 08:00-12:00", "B daily 12:00-18:00", "C daily 11:00-13:00"}, "2026-11-23", "2026-11-24",
			[]string{"11-23 08:00+00 to 11-23 18:00+00 A"}},
		"an overlap with yesterday's": {[]string{"A daily 22:00-06:00", "B weekly 05:00-07:00 tue"}, "2026-11-23 12:00", "2026-11-25 12:00",
			[]string{"11-23 22:00+00 to 11-24 07:00+00 A", "11-24 22:00+00 to 11-25 06:00+00 A"}},
		"no schedules": {nil, "2026-11-23", "2026-11-24", nil},
	} {
		if got := setOf(t, "UTC", c.schedules...).shown(t, c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwanted\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestInactiveIsNever(t *testing.T) {
	a := Always()
	a.Active = false
	s, err := NewSet(time.UTC, []Schedule{a})
	if err != nil {
		t.Fatal(err)
	}
	if _, found := s.Next(s.at(t, "2026-11-23")); found || len(s.Schedules()) != 0 {
		t.Error("an inactive schedule counts")
	}
}

func TestNever(t *testing.T) {
	for line, want := range map[string]string{
		"A once 08:00-09:00":                                            "once without a start date",
		"A once 08:00-09:00 from 2026-11-23":                            "",
		"A weekly 08:00-09:00":                                          "weekly without a day of the week",
		"A weekly 08:00-09:00 mon":                                      "",
		"A weekly 08:00-09:00 from 2026-11-23":                          "weekly without a day of the week",
		"A weekly 08:00-09:00 wed from 2026-11-23 until 2026-11-24":     "none of its days of the week is between its start date and its end date",
		"A weekly 08:00-09:00 wed,tue from 2026-11-23 until 2026-11-24": "",
		"A daily 08:00-09:00 from 2026-11-24 until 2026-11-23":          "its end date is before its start date",
		"A daily 08:00-08:00 until 2026-11-23":                          "",
	} {
		if got := read(t, line)[0].Never(); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestAlways(t *testing.T) {
	s, err := NewSet(nil, []Schedule{Always()})
	if err != nil {
		t.Fatal(err)
	}
	if s.zone != time.Local {
		t.Errorf("the zone is %v, not the host's", s.zone)
	}
	from := s.at(t, "2026-01-01")
	to := from.AddDate(3, 0, 0)
	if got := s.Scheduled(from, to); got != to.Sub(from) {
		t.Errorf("%v of %v", got, to.Sub(from))
	}
	edges := 0
	for w := range s.Windows(from, to) {
		if w.End.Sub(w.Start) > 57*24*time.Hour {
			t.Errorf("a window is too long: %s", show(w))
		}
		edges++
	}
	if edges < 39 || edges > 41 {
		t.Errorf("%d windows in 3 years", edges)
	}
}

func TestQuestionsAboutOneMoment(t *testing.T) {
	s := setOf(t, "Europe/Vienna", "A daily 08:00-12:00", "B weekly 12:00-13:00 mon", "C once 10:00-11:00 from 2028-02-29")
	for _, c := range []struct{ at, open, next, connect string }{
		{"2026-11-23 07:00", "", "11-23 08:00", "11-23 07:59:50"},
		{"2026-11-23 07:59:55", "", "11-23 08:00", "11-23 07:59:55"},
		{"2026-11-23 08:00", "A", "11-23 12:00", "11-23 08:00"},
		{"2026-11-23 11:59:59", "A", "11-23 12:00", "11-23 11:59:59"},
		{"2026-11-23 12:00", "B", "11-23 13:00", "11-23 12:00"},
		{"2026-11-23 13:00", "", "11-24 08:00", "11-24 07:59:50"},
	} {
		at := s.at(t, c.at)
		w, open := s.At(at)
		next, found := s.Next(at)
		connect, there := s.ConnectAt(at, 10*time.Second)
		short := func(t time.Time) string { return strings.TrimSuffix(t.Format("01-02 15:04:05"), ":00") }
		if open != (c.open != "") || w.ScheduleID != c.open || !found || short(next) != c.next || !there || short(connect) != c.connect {
			t.Errorf("%s: %v %s, next %v, connect %v; wanted %+v", c.at, open, show(w), next, connect, c)
		}
	}
	if w, _ := s.Upcoming(s.at(t, "2026-11-23 09:00")); show(w) != "11-23 12:00+01 to 11-23 13:00+01 B" {
		t.Errorf("upcoming: %s", show(w))
	}
	if at, _ := s.ConnectAt(s.at(t, "2026-11-23 07:00"), -time.Hour); !at.Equal(s.at(t, "2026-11-23 08:00")) {
		t.Errorf("a negative lead: %v", at)
	}
}

// A year ahead is searched, and not for ever.
func TestLookAhead(t *testing.T) {
	s := setOf(t, "UTC", "A once 10:00-11:00 from 2028-02-29")
	if edge, found := s.Next(s.at(t, "2027-03-02")); !found || !edge.Equal(s.at(t, "2028-02-29 10:00")) {
		t.Errorf("within a year: %v %v", edge, found)
	}
	if edge, found := s.Next(s.at(t, "2026-11-23")); found {
		t.Errorf("in two years: %v", edge)
	}
	if at, found := s.ConnectAt(s.at(t, "2028-02-29 11:00"), time.Hour); found {
		t.Errorf("when it is over: connect at %v", at)
	}
}

// A chain of overlaps without an end has the same id all the time, whoever asks.
func TestEndlessOverlap(t *testing.T) {
	s := setOf(t, "Europe/Vienna", "A daily 08:00-20:00", "B daily 19:00-09:00")
	var last Window
	for w := range s.Windows(s.at(t, "2026-01-01"), s.at(t, "2029-01-01")) {
		if w.ScheduleID != "B" || !last.End.IsZero() && !w.Start.Equal(last.End) {
			t.Fatalf("%s after %s", show(w), show(last))
		}
		last = w
	}
	// Where it has a beginning that is known, that counts: for four weeks at least.
	s = setOf(t, "Europe/Vienna", "A daily 08:00-20:00 from 2026-11-23", "B daily 19:00-09:00 from 2026-11-23")
	for day := range 28 {
		if w, _ := s.At(s.at(t, "2026-11-23 21:00").AddDate(0, 0, day)); w.ScheduleID != "A" {
			t.Fatalf("day %d: %s", day, show(w))
		}
	}
}

func TestWhatNobodyHasParsedIsChecked(t *testing.T) {
	good := Schedule{ID: "a", Kind: Daily, Start: 8 * time.Hour, End: 9 * time.Hour, Active: true}
	for want, spoil := range map[string]func(*Schedule){
		"id: ":         func(s *Schedule) { s.ID = "a/b" },
		"kind: ":       func(s *Schedule) { s.Kind = "hourly" },
		"start: ":      func(s *Schedule) { s.Start = 24 * time.Hour },
		"end: ":        func(s *Schedule) { s.End = -1 },
		"start_date: ": func(s *Schedule) { s.StartDate = Date{2026, 2, 29} },
		"end_date: ":   func(s *Schedule) { s.EndDate = Date{1 << 30, 13, -1} },
	} {
		s := good
		spoil(&s)
		if _, err := NewSet(time.UTC, []Schedule{good, s}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if _, err := NewSet(time.UTC, make([]Schedule, MaxSchedules+1)); err == nil || !strings.Contains(err.Error(), "1001 schedules") {
		t.Errorf("too many: %v", err)
	}
}

func BenchmarkNext(b *testing.B) {
	s := setOf(b, "Europe/Vienna", "A daily 08:00-12:00", "B weekly 12:00-13:00 mon", "C daily 22:00-05:00")
	at := s.at(b, "2026-11-23 07:00")
	for b.Loop() {
		s.Next(at)
	}
}

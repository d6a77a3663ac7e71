// Package schedule says when a camera is to be recorded. Schedules enter, as the
// central server or a configuration writes them, and the zone whose clock on the
// wall they mean; windows leave: stretches of real time, each with the id of the
// schedule that its footage belongs to.
//
// It promises:
//
//   - A moment is inside a schedule's window when the reading of the local clock
//     is. When the clock is set back, the hour that happens twice is inside twice;
//     when it is set forward, a window whose edge is skipped begins or ends with
//     the skip.
//   - Schedules that overlap make one window, their union, and the one that opened
//     first gives it its id; of those that open together, the one with the
//     smallest id. Where all schedules of a window end in the moment in which
//     another begins, another window begins, with that one's id.
//   - Windows never overlap, and no window is longer than eight weeks: what has no
//     end is given in windows that follow each other without a pause.
//   - Nothing here has a clock, waits or fails: the time is an argument.
package schedule

import (
	"fmt"
	"time"
)

// Kind is on which days a schedule has a window.
type Kind string

// The kinds, as the central server names them.
const (
	Once       Kind = "once"       // on StartDate; without one never
	Daily      Kind = "daily"      // every day
	Weekly     Kind = "weekly"     // on Days
	Continuous Kind = "continuous" // every day as well
)

// Schedule is one rule. A window belongs to the day that it starts on: Days and
// dates speak of that day, also when it ends on the next one. Schedules can be
// compared with ==.
type Schedule struct {
	ID   string // at the central server; empty: it does not know this one
	Name string // for people; it may be empty
	Kind Kind

	// Start and End are readings of the clock, as what has passed since midnight:
	// Start below 24 h, End up to that. An End before Start is on the next day, and
	// the same End is 24 hours later. From 23:59:59 on an End means midnight, so
	// that the night has no gap of a second.
	Start, End time.Duration

	StartDate, EndDate Date // the first and the last day; zero: no bound
	Days               Days // of Weekly
	Active             bool // false: it records nothing
}

// Always is the schedule of a camera that is recorded at all times.
func Always() Schedule { return Schedule{Kind: Continuous, Active: true} }

// Never says why a schedule can have no window on any day, whether it is active
// or not; it is empty for one that can.
func (s Schedule) Never() string {
	switch {
	case s.Kind == Once && s.StartDate.IsZero():
		return "once without a start date"
	case !s.StartDate.IsZero() && !s.EndDate.IsZero() && s.EndDate.day() < s.StartDate.day():
		return "its end date is before its start date"
	case s.Kind == Weekly && s.Days == 0:
		return "weekly without a day of the week"
	case s.Kind == Weekly && !s.StartDate.IsZero():
		for range s.days(s.StartDate.day(), s.StartDate.day()+6) {
			return ""
		}
		return "none of its days of the week is between its start date and its end date"
	}
	return ""
}

// days yields the days from first to last, both included, on which s has a window.
func (s *Schedule) days(first, last int) func(yield func(day int) bool) {
	if !s.StartDate.IsZero() {
		first = max(first, s.StartDate.day())
		if s.Kind == Once {
			last = min(last, s.StartDate.day())
		}
	} else if s.Kind == Once {
		last = first - 1
	}
	if !s.EndDate.IsZero() {
		last = min(last, s.EndDate.day())
	}
	return func(yield func(int) bool) {
		for d := first; d <= last; d++ {
			if (s.Kind != Weekly || s.Days.Has(weekday(d))) && !yield(d) {
				return
			}
		}
	}
}

const (
	wholeDay = 24 * time.Hour
	// lastSecond is from where on an end means midnight.
	lastSecond = wholeDay - time.Second
)

// window returns the readings of the clock at which the window of a day opens
// and closes.
func (s *Schedule) window(day int) (opens, closes time.Time) {
	end := s.End
	if end >= lastSecond {
		end = wholeDay
	}
	switch {
	case s.End == s.Start:
		end = s.Start + wholeDay
	case s.End < s.Start:
		end += wholeDay
	}
	return midnight(day).Add(s.Start), midnight(day).Add(end)
}

// check returns what is wrong with a schedule that nobody has parsed.
func (s *Schedule) check() (errs Errors) {
	if !plainID(s.ID) {
		errs.add("id", fmt.Sprintf("%s is not a plain id", quote(s.ID)), howID)
	}
	switch s.Kind {
	case Once, Daily, Weekly, Continuous:
	default:
		errs.add("kind", fmt.Sprintf("%s is not known", quote(string(s.Kind))), howKind)
	}
	if s.Start < 0 || s.Start >= wholeDay {
		errs.add("start", fmt.Sprintf("%v is no time of day", s.Start), howClock)
	}
	if s.End < 0 || s.End > wholeDay {
		errs.add("end", fmt.Sprintf("%v is no time of day", s.End), howClock)
	}
	if !s.StartDate.valid() {
		errs.add("start_date", fmt.Sprintf("%v is no date", s.StartDate), howDate)
	}
	if !s.EndDate.valid() {
		errs.add("end_date", fmt.Sprintf("%v is no date", s.EndDate), howDate)
	}
	return errs
}

// Days are days of the week.
type Days uint8

// On returns the set of the days given.
func On(days ...time.Weekday) (set Days) {
	for _, d := range days {
		set |= 1 << (uint(d) % 7)
	}
	return set
}

// Has says whether a day is among them.
func (d Days) Has(day time.Weekday) bool { return d&On(day) != 0 }

// Date is a day of the calendar. The zero Date is none.
type Date struct {
	Year  int // 1 to 9999
	Month time.Month
	Day   int
}

// IsZero says whether there is no date.
func (d Date) IsZero() bool { return d == Date{} }

// String is like 2006-01-02, and empty for no date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

func (d Date) valid() bool {
	return d.IsZero() || d.Year >= 1 && d.Year <= 9999 && dateOf(midnight(d.day())) == d
}

// day counts the days since 1970-01-01, on the calendar.
func (d Date) day() int { return dayOf(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)) }

// The reading of a clock on the wall is kept as a time in UTC with that reading.

func dateOf(reading time.Time) Date {
	y, m, d := reading.Date()
	return Date{y, m, d}
}

func dayOf(reading time.Time) int { return int(floorDiv(reading.Unix(), 24*60*60)) }

func midnight(day int) time.Time { return time.Unix(int64(day)*24*60*60, 0).UTC() }

func weekday(day int) time.Weekday {
	const thursday = 4 // 1970-01-01
	return time.Weekday((day%7 + 7 + thursday) % 7)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

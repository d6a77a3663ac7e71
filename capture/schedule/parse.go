package schedule

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Text is a schedule as somebody has written it.
type Text struct {
	ID        string // a plain id of up to 64 characters, or empty
	Name      string
	Kind      string
	Start     string // HH:MM, HH:MM:SS, with a fraction of a second or without
	End       string // the same, and 24:00
	StartDate string // YYYY-MM-DD, or empty
	EndDate   string
	Days      []string // days of the week, whole or the first three letters, in any case
}

const (
	howID    = "write up to 64 of A-Z a-z 0-9 . _ -"
	howKind  = "write one of once, daily, weekly, continuous"
	howClock = `write a time of day like "08:00" or "08:00:30"`
	howDate  = `write a date like "2026-11-23"`
	howDay   = "write monday, tuesday, wednesday, thursday, friday, saturday or sunday"
)

// maxDays and maxName bound what is taken of a list of days and of a name.
const (
	maxDays = 100
	maxName = 200
)

// Parse reads an active schedule. Its error is of type Errors, with everything
// that is wrong. One that can never record is no error: see Schedule.Never.
func Parse(t Text) (Schedule, error) {
	s := Schedule{ID: t.ID, Name: plainName(t.Name), Kind: Kind(t.Kind), Active: true}
	var errs Errors
	s.Start = errs.clock("start", t.Start)
	if s.Start >= wholeDay {
		errs.add("start", quote(t.Start)+" is the end of a day", `write "00:00"`)
		s.Start = 0
	}
	s.End = errs.clock("end", t.End)
	s.StartDate, s.EndDate = errs.date("start_date", t.StartDate), errs.date("end_date", t.EndDate)
	s.Days = errs.days("days", t.Days)
	if errs = append(s.check(), errs...); errs != nil {
		return Schedule{}, errs
	}
	return s, nil
}

func (e *Errors) clock(field, text string) time.Duration {
	if text == "24:00" || text == "24:00:00" {
		return wholeDay
	}
	for _, layout := range []string{"15:04", "15:04:05"} { // the latter takes a fraction as well
		if t, err := time.Parse(layout, text); err == nil && len(text) <= len("15:04:05.999999999") {
			return t.Sub(t.Truncate(wholeDay))
		}
	}
	e.add(field, quote(text)+" is no time of day", howClock)
	return 0
}

func (e *Errors) date(field, text string) Date {
	if text == "" {
		return Date{}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1 {
		e.add(field, quote(text)+" is no date", howDate)
		return Date{}
	}
	return dateOf(t)
}

func (e *Errors) days(field string, texts []string) (days Days) {
	if len(texts) > maxDays {
		e.add(field, fmt.Sprintf("holds %d days", len(texts)), "write each day once")
		return 0
	}
	for _, text := range texts {
		day, ok := dayOfWeek(text)
		if !ok {
			e.add(field, quote(text)+" is no day of the week", howDay)
			continue
		}
		days |= On(day)
	}
	return days
}

func dayOfWeek(text string) (time.Weekday, bool) {
	text = strings.TrimSpace(text)
	for day := time.Sunday; day <= time.Saturday; day++ {
		if name := day.String(); strings.EqualFold(text, name) || strings.EqualFold(text, name[:3]) {
			return day, true
		}
	}
	return 0, false
}

// plainID says whether an id may stand in a query, a file or a log.
func plainID(id string) bool {
	return len(id) <= 64 && strings.IndexFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("._-", r)
	}) < 0
}

// plainName makes a line of a name. A name is no reason to record nothing.
func plainName(name string) string {
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, name)
	return strings.TrimSpace(cut(strings.TrimSpace(line), maxName))
}

// quote repeats a text from outside in an error, or the beginning of it.
func quote(text string) string {
	if short := cut(text, 40); short != text {
		return fmt.Sprintf("%q…", short)
	}
	return fmt.Sprintf("%q", text)
}

// cut returns the first n characters.
func cut(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// Error is one thing that is wrong with a schedule.
type Error struct {
	Field   string // id, kind, start, end, start_date, end_date, days, or as central names it
	Wrong   string
	Instead string // what to write
}

func (e Error) Error() string { return e.Field + ": " + e.Wrong + "; " + e.Instead }

// Errors are all that is wrong with a schedule; there is at least one.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

func (e *Errors) add(field, wrong, instead string) {
	*e = append(*e, Error{Field: field, Wrong: wrong, Instead: instead})
}

package inbox

import (
	"regexp"
	"strconv"
	"time"
)

// calendar is a date and a time of day, in any of the ways in which recorders
// write them into names: 20060102T150405, 2006-01-02_15-04-05, 2006-01-02T15:04:05.
var calendar = regexp.MustCompile(`(\d{4})([-_.]?)(\d{2})([-_.]?)(\d{2})(?:[-_. ]{0,2}|T)(\d{2})([-:_.]?)(\d{2})([-:_.]?)(\d{2})`)

// fraction follows a time: .5 or, as MediaMTX writes microseconds, -500000.
var fraction = regexp.MustCompile(`^(?:[.,](\d{1,9})|[-_](\d{6}))(?:\D|$)`)

// offset is a zone. Quarters of an hour only, since -0001 is rather a number.
var offset = regexp.MustCompile(`^(?:(Z)|([+-])(\d{2}):?(00|15|30|45))(?:\D|$)`)

// hours is a zone of whole hours; -05 may be a number as well, but where the time
// is written with colons.
var hours = regexp.MustCompile(`^([+-])(\d{2})(?:\D|$)`)

// epoch is Unix time, in seconds with or without a fraction, or in milliseconds.
var epoch = regexp.MustCompile(`^(?:(\d{10})(?:[.,_-](\d{1,9}))?|(\d{10})(\d{3}))$`)

// timeOf finds the time that a name, without its extension, says a recording
// begins at. Where it does not say which, it is that of a zone.
func timeOf(name string, zone *time.Location) (time.Time, bool) {
	if m := epoch.FindStringSubmatch(name); m != nil {
		seconds, _ := strconv.ParseInt(m[1]+m[3], 10, 64) // ten digits
		return time.Unix(seconds, nanoseconds(m[2]+m[4])), true
	}
	for from := 0; ; {
		at := calendar.FindStringSubmatchIndex(name[from:])
		if at == nil {
			return time.Time{}, false
		}
		for i := range at {
			at[i] += from
		}
		if t, ok := calendarTime(name, at, zone); ok {
			return t, true
		}
		from = at[0] + 1
	}
}

// calendarTime reads one match of calendar; at has the bounds of its groups.
func calendarTime(name string, at []int, zone *time.Location) (time.Time, bool) {
	group := func(n int) string { return name[at[2*n]:at[2*n+1]] }
	number := func(n int) int { v, _ := strconv.Atoi(group(n)); return v } // digits
	digit := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= '0' && name[i] <= '9' }
	if digit(at[0]-1) || digit(at[1]) || group(2) != group(4) || group(7) != group(9) {
		return time.Time{}, false
	}
	year, month, day, hour, minute, second := number(1), number(3), number(5), number(6), number(8), number(10)
	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 ||
		day > time.Date(year, time.Month(month+1), 0, 0, 0, 0, 0, time.UTC).Day() {
		return time.Time{}, false
	}
	nanos, zone := behind(name[at[1]:], group(7), zone)
	return time.Date(year, time.Month(month), day, hour, minute, second, int(nanos), zone), true
}

// behind reads what may follow a time of day whose parts are joined by a sign.
func behind(rest, sign string, zone *time.Location) (nanos int64, _ *time.Location) {
	if m := fraction.FindStringSubmatch(rest); m != nil {
		nanos = nanoseconds(m[1] + m[2])
		rest = rest[1+len(m[1]+m[2]):]
	}
	if m := offset.FindStringSubmatch(rest); m != nil {
		if m[1] == "Z" {
			return nanos, time.UTC
		}
		return nanos, fixed(m[2], m[3], m[4], zone)
	}
	if m := hours.FindStringSubmatch(rest); m != nil && (m[1] == "+" || sign == ":") {
		return nanos, fixed(m[1], m[2], "00", zone)
	}
	return nanos, zone
}

// fixed is a zone by its offset; one that no place on Earth has is none.
func fixed(sign, hours, minutes string, otherwise *time.Location) *time.Location {
	h, _ := strconv.Atoi(hours)
	m, _ := strconv.Atoi(minutes)
	if h > 14 {
		return otherwise
	}
	seconds := h*3600 + m*60
	if sign == "-" {
		seconds = -seconds
	}
	return time.FixedZone("", seconds)
}

// nanoseconds reads the digits behind a decimal point, at most nine.
func nanoseconds(digits string) int64 {
	n, _ := strconv.ParseInt((digits + "000000000")[:9], 10, 64)
	return n
}

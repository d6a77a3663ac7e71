package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// wants is the same rule, told in another way: it asks for the reading of the
// clock at one moment, and for nothing else.
func (s Schedule) wants(local time.Time) bool {
	y, m, d := local.Date()
	today, yesterday := time.Date(y, m, d, 0, 0, 0, 0, time.UTC), time.Date(y, m, d-1, 0, 0, 0, 0, time.UTC)
	clock := time.Date(1, 1, 1, local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), time.UTC).Sub(time.Time{})
	began, over := clock >= s.Start, clock >= s.End && s.End < 23*time.Hour+59*time.Minute+59*time.Second
	switch {
	case s.Start == s.End:
		return began && s.on(today) || !began && s.on(yesterday)
	case s.Start < s.End:
		return began && !over && s.on(today)
	default:
		return began && s.on(today) || !over && s.on(yesterday)
	}
}

func (s Schedule) on(day time.Time) bool {
	date := day.Format(time.DateOnly)
	switch {
	case !s.StartDate.IsZero() && date < s.StartDate.String(), !s.EndDate.IsZero() && date > s.EndDate.String():
		return false
	case s.Kind == Once:
		return date == s.StartDate.String()
	case s.Kind == Weekly:
		return s.Days.Has(day.Weekday())
	}
	return true
}

// wanting are the schedules that want a moment, as bits.
func (s *Set) wanting(t time.Time) (bits uint64) {
	for i, c := range s.schedules {
		if c.wants(t.In(s.zone)) {
			bits |= 1 << i
		}
	}
	return bits
}

func (s *Set) smallestID(bits uint64) string {
	var ids []string
	for i, c := range s.schedules {
		if bits&(1<<i) != 0 {
			ids = append(ids, c.ID)
		}
	}
	return slices.Min(ids)
}

var zoneNames = []string{
	"UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo",
	"Pacific/Apia", "Asia/Kathmandu", "Europe/Dublin", "Africa/Casablanca", "Asia/Tehran", "Pacific/Kwajalein", "Antarctica/Troll",
	"America/St_Johns", "Asia/Gaza", "America/Asuncion", "Atlantic/Azores", "Asia/Pyongyang", "Europe/Amsterdam", "Asia/Kolkata",
	"Pacific/Chatham", "America/Havana", "America/Scoresbysund", "Africa/Monrovia",
}

// fuzzed makes schedules of bytes, ten for each. about is the day that their
// dates are close to.
func fuzzed(data []byte, about Date) (out []Schedule) {
	kinds := []Kind{Daily, Once, Weekly, Continuous}
	for ; len(data) >= 10 && len(out) < 6; data = data[10:] {
		s := Schedule{ID: string('A' + rune(data[0]%8)), Kind: kinds[data[1]%4], Days: Days(data[2] & 0x7f), Active: data[1] < 240}
		s.Start = time.Duration(int(data[3])<<8|int(data[4])) % (24 * 60) * time.Minute
		s.End = time.Duration(int(data[5])<<8|int(data[6])) % (24*60 + 1) * time.Minute
		switch data[7] % 8 { // what the rules speak of, and what is not on the minute
		case 1:
			s.End = s.Start
		case 2:
			s.End = 24*time.Hour - time.Second
		case 3:
			s.Start += 17 * time.Second
			s.End = min(s.End+1234567*time.Microsecond, 24*time.Hour)
		case 4:
			s.Start = 0
		}
		date := func(b byte) Date {
			if b%4 == 0 {
				return Date{}
			}
			return dateOf(midnight(about.day() + int(b)%40 - 10))
		}
		s.StartDate, s.EndDate = date(data[8]), date(data[9])
		out = append(out, s)
	}
	return out
}

// What the windows cover is what a look at the clock says for each minute and at
// each edge; they have the ids that the rule says; and all questions agree.
func FuzzSet(f *testing.F) {
	zones := make([]*time.Location, len(zoneNames))
	for i, name := range zoneNames {
		zones[i] = zoneOf(f, name)
		f.Add(uint8(i), int64(1792900000+i*1000003), true, []byte("\x00\x00\x00\x00\x78\x00\xb4\x00\x00\x00\x01\x00\x7f\x05\x00\x01\x00\x00\x00\x00"))
		f.Add(uint8(i), int64(1000000000+i*40000003), true, []byte("\x00\x03\x00\x00\x00\x00\x00\x01\x00\x00\x01\x02\x55\x05\x64\x01\x00\x03\x00\x05\x02\x01\x00\x05\x64\x01\x00\x03\x05\x00"))
	}
	f.Fuzz(func(t *testing.T, zone uint8, seconds int64, atChange bool, data []byte) {
		z := zones[int(zone)%len(zones)]
		const year = 365 * 24 * 60 * 60
		middle := time.Unix(seconds%(130*year), 0).Truncate(time.Minute)
		if _, change := middle.In(z).ZoneBounds(); atChange && !change.IsZero() {
			middle = change
		}
		s, err := NewSet(z, fuzzed(data, dateOf(middle.In(z))))
		if err != nil {
			t.Fatal(err)
		}
		from, to := middle.Add(-28*time.Hour).Truncate(time.Minute), middle.Add(30*time.Hour).Truncate(time.Minute)
		windows := slices.Collect(s.Windows(from, to))
		checkOrder(t, windows, from, to)
		checkEachMinute(t, s, windows, from, to)
		checkEdges(t, s, windows, from, to)
		checkQuestions(t, s, from, to)
		checkLong(t, s, middle)
		checkAllVanish(t, s, middle)
	})
}

func checkOrder(t *testing.T, windows []Window, from, to time.Time) {
	t.Helper()
	last := from
	for _, w := range windows {
		if w.Start.Before(last) || !w.End.After(w.Start) || w.End.After(to) {
			t.Fatalf("%s after %v, between %v and %v", show(w), last, from, to)
		}
		last = w.End
	}
}

// holder finds the window of a moment.
func holder(windows []Window, t time.Time) (Window, bool) {
	i, _ := slices.BinarySearchFunc(windows, t, func(w Window, t time.Time) int {
		if w.End.After(t) {
			return 1
		}
		return -1
	})
	if i < len(windows) && windows[i].Holds(t) {
		return windows[i], true
	}
	return Window{}, false
}

func checkEachMinute(t *testing.T, s *Set, windows []Window, from, to time.Time) {
	t.Helper()
	var total, minutes time.Duration
	last, id, idKnown := ^uint64(0), "", false
	onMinutes := s.onMinutes(from, to)
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		now := s.wanting(at)
		w, open := holder(windows, at)
		if open != (now != 0) {
			t.Fatalf("%v: open is %v, the clock says schedules %b of %+v", at.In(s.zone), open, now, s.schedules)
		}
		if open {
			minutes += time.Minute
		}
		if now&last == 0 && now != 0 {
			id, idKnown = s.smallestID(now), true
		}
		if onMinutes && idKnown && open && w.ScheduleID != id {
			t.Fatalf("%v: %s, should be %s of %+v", at.In(s.zone), show(w), id, s.schedules)
		}
		last = now
	}
	for _, w := range windows {
		total += w.End.Sub(w.Start)
	}
	if got := s.Scheduled(from, to); got != total || onMinutes && got != minutes {
		t.Fatalf("%v scheduled, %v in windows, %v in minutes", got, total, minutes)
	}
}

// onMinutes says whether all edges are on a minute of UTC.
func (s *Set) onMinutes(from, to time.Time) bool {
	for _, o := range s.offsets(from, to) {
		if o.ahead%time.Minute != 0 || !o.from.Equal(o.from.Truncate(time.Minute)) {
			return false
		}
	}
	for _, c := range s.schedules {
		if c.Start%time.Minute != 0 || c.End%time.Minute != 0 && c.End < lastSecond {
			return false
		}
	}
	return true
}

func checkEdges(t *testing.T, s *Set, windows []Window, from, to time.Time) {
	t.Helper()
	for _, w := range windows {
		for _, edge := range []time.Time{w.Start, w.End} {
			before, after := s.wanting(edge.Add(-1)), s.wanting(edge)
			cut := edge.Equal(from) || edge.Equal(to) || edge.Equal(s.period(s.periodOf(edge)))
			if !cut && (before&after != 0 || edge.Equal(w.Start) && after == 0 || edge.Equal(w.End) && before == 0) {
				t.Fatalf("%s: at %v schedules %b, then %b of %+v", show(w), edge.In(s.zone), before, after, s.schedules)
			}
		}
	}
	// And where they should be.
	y, m, d := from.In(s.zone).Date()
	for day := range 5 {
		for _, c := range s.schedules {
			for _, clock := range []time.Duration{c.Start, c.End} {
				edge := time.Date(y, m, d+day, 0, 0, int(clock/time.Second), int(clock%time.Second), s.zone)
				for _, at := range []time.Time{edge.Add(-1), edge, edge.Add(1), edge.Add(-time.Hour), edge.Add(time.Hour)} {
					if _, open := holder(windows, at); !at.Before(from) && at.Before(to) && open != (s.wanting(at) != 0) {
						t.Fatalf("%v: open is %v, the clock says %b of %+v", at.In(s.zone), open, s.wanting(at), s.schedules)
					}
				}
			}
		}
	}
}

// checkQuestions follows Next through the time.
func checkQuestions(t *testing.T, s *Set, from, to time.Time) {
	t.Helper()
	at := from
	for range 20 {
		now, open := s.At(at)
		next, found := s.Next(at)
		if open && (!now.Holds(at) || !next.Equal(now.End)) || !found && open {
			t.Fatalf("%v: open %v %s, next %v %v", at, open, show(now), found, next)
		}
		if !found {
			if n := s.Scheduled(at, at.AddDate(0, 0, 363)); n != 0 {
				t.Fatalf("nothing is next of %v, but %v are scheduled within a year", at, n)
			}
			return
		}
		if !next.After(at) {
			t.Fatalf("next of %v is %v", at, next)
		}
		for _, still := range []time.Time{next.Add(-1), at.Add(next.Sub(at) / 2)} {
			if w, o := s.At(still); w != now || o != open {
				t.Fatalf("%v: %s, but %s at %v, before the next edge", at, show(now), show(w), still)
			}
		}
		then, o := s.At(next)
		if o == open && then == now || !open && !then.Start.Equal(next) {
			t.Fatalf("%v: nothing happens, still %s", next, show(then))
		}
		want := later(next.Add(-time.Minute), at)
		if open {
			want = at
		}
		if connect, there := s.ConnectAt(at, time.Minute); !there || !connect.Equal(want) {
			t.Fatalf("%v: connect at %v, the next edge is %v", at, connect, next)
		}
		if w, o := s.Follow(now, next.Add(-1)); w != now || o != open {
			t.Fatalf("without a change %s is followed by %s", show(now), show(w))
		}
		if !next.Before(to) {
			return
		}
		at = next
	}
}

// checkLong compares what is said of half a year with what is said of moments.
func checkLong(t *testing.T, s *Set, middle time.Time) {
	t.Helper()
	const day = 24 * time.Hour
	from := middle.Add(-90 * day)
	windows := slices.Collect(s.Windows(from, middle.Add(90*day)))
	checkOrder(t, windows, from, middle.Add(90*day))
	for i := range 12 {
		at := from.Add(20*day + time.Duration(i)*(11*day+7*time.Hour+13*time.Minute))
		want, open := holder(windows, at)
		got, o := s.At(at)
		if open && want.Start.Equal(from) {
			got.Start = want.Start // cut off
		}
		if o != open || got != want && !want.End.Equal(middle.Add(90*day)) {
			t.Fatalf("%v: at %s, among windows %s, of %+v", at.In(s.zone), show(got), show(want), s.schedules)
		}
	}
}

// checkAllVanish takes all schedules away: what is left are once schedules that
// are open, or were a part of the window that is.
func checkAllVanish(t *testing.T, s *Set, now time.Time) {
	t.Helper()
	next, err := s.Update(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	recorded, open := s.At(now)
	for _, c := range s.schedules {
		kept := slices.Contains(next.schedules, c)
		if kept && (c.Kind != Once || !open) || !kept && c.Kind == Once && c.wants(now.In(s.zone)) {
			t.Fatalf("%v: kept is %v: %+v", now.In(s.zone), kept, c)
		}
	}
	w, open := next.Follow(recorded, now)
	if open != (next.wanting(now) != 0) {
		t.Fatalf("%v: open is %v, kept are %+v", now.In(s.zone), open, next.schedules)
	}
	if gives := func(c Schedule) bool { return c.ID == recorded.ScheduleID && c.wants(now.In(s.zone)) }; open && slices.ContainsFunc(next.schedules, gives) && w.ScheduleID != recorded.ScheduleID {
		t.Fatalf("%v: %s became %s", now.In(s.zone), show(recorded), show(w))
	}
}

// Whatever the time and the schedules are, there is an answer.
func FuzzAnyTime(f *testing.F) {
	zones := make([]*time.Location, len(zoneNames))
	for i, name := range zoneNames {
		zones[i] = zoneOf(f, name)
	}
	f.Add(uint8(1), int64(1)<<62, int64(-1), int64(5), "weekly", uint8(255), 9999, 12, 31, 1, 1, 1)
	f.Add(uint8(2), int64(-1)<<63, int64(1)<<62, int64(-1)<<63, "once", uint8(0), 1, 1, 1, 0, 0, 0)
	f.Add(uint8(3), int64(6942844800-1), int64(0), int64(0), "daily", uint8(0), 2189, 12, 31, 0, 0, 0)
	f.Add(uint8(4), int64(-2208988800), int64(0), int64(0), "daily", uint8(0), 1900, 1, 1, 1900, 1, 1)
	f.Fuzz(func(t *testing.T, zone uint8, seconds, start, end int64, kind string, days uint8, y1, m1, d1, y2, m2, d2 int) {
		s := Schedule{Kind: Kind(kind), Start: time.Duration(start), End: time.Duration(end), Days: Days(days), Active: true,
			StartDate: Date{y1, time.Month(m1), d1}, EndDate: Date{y2, time.Month(m2), d2}}
		if _, err := NewSet(time.UTC, []Schedule{s}); err != nil {
			s.Start, s.End, s.Kind = time.Duration(uint64(start)%uint64(wholeDay)), time.Duration(uint64(end)%uint64(wholeDay)), Daily
			s.StartDate, s.EndDate = Date{}, Date{}
		}
		set, err := NewSet(zones[int(zone)%len(zones)], []Schedule{s})
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(seconds, start)
		w, open := set.At(at)
		always := s.Kind == Continuous && s.Start == s.End && s.StartDate.IsZero() && s.EndDate.IsZero()
		if open && !(known(at) && w.Holds(at)) || always && open != known(at) {
			t.Fatalf("%v: %v %+v", at, open, w)
		}
		if next, found := set.Next(at); found && !next.After(at) {
			t.Fatalf("next of %v is %v", at, next)
		}
		if never := s.Never(); never != "" && open {
			t.Fatalf("%s, but open at %v: %+v", never, at, s)
		}
		set.ConnectAt(at, time.Duration(end))
		if n := set.Scheduled(at, at.Add(100*wholeDay)); n < 0 || n > 100*wholeDay {
			t.Fatalf("%v in 100 days", n)
		}
		updated, err := set.Update([]Schedule{s}, at)
		if err != nil {
			t.Fatal(err)
		}
		if again, o := updated.Follow(w, at); again != w || o != open {
			t.Fatalf("an update without a change: %+v, then %+v", w, again)
		}
		if fmt.Sprint(updated.Schedules()) != fmt.Sprint(set.Schedules()) {
			t.Fatalf("an update without a change: %+v", updated.Schedules())
		}
	})
}

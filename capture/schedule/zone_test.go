package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Windows are readings of the clock: what happens when it is set.
func TestClockIsSet(t *testing.T) {
	for name, c := range map[string]struct {
		zone     string
		schedule string
		from, to string
		want     []string
		total    time.Duration
	}{
		"the hour that happens twice is recorded twice": {"Europe/Vienna", "A daily 02:00-03:00", "2026-10-25", "2026-10-26",
			[]string{"10-25 02:00+02 to 10-25 03:00+01 A"}, 2 * time.Hour},
		"a window inside of it has two stretches": {"Europe/Vienna", "A daily 02:30-02:45", "2026-10-25", "2026-10-26",
			[]string{"10-25 02:30+02 to 10-25 02:45+02 A", "10-25 02:30+01 to 10-25 02:45+01 A"}, 30 * time.Minute},
		"a window that ends in it goes on in the second": {"Europe/Vienna", "A daily 01:00-02:30", "2026-10-25", "2026-10-26",
			[]string{"10-25 01:00+02 to 10-25 02:30+02 A", "10-25 02:00+01 to 10-25 02:30+01 A"}, 2 * time.Hour},
		"a window that begins in it begins twice": {"Europe/Vienna", "A daily 02:30-04:00", "2026-10-25", "2026-10-26",
			[]string{"10-25 02:30+02 to 10-25 02:00+01 A", "10-25 02:30+01 to 10-25 04:00+01 A"}, 2 * time.Hour},
		"the night is an hour longer": {"Europe/Vienna", "A once 22:00-06:00 from 2026-10-24", "2026-10-01", "2026-11-01",
			[]string{"10-24 22:00+02 to 10-25 06:00+01 A"}, 9 * time.Hour},
		"the night is an hour shorter": {"Europe/Vienna", "A once 22:00-06:00 from 2026-03-28", "2026-03-01", "2026-04-01",
			[]string{"03-28 22:00+01 to 03-29 06:00+02 A"}, 7 * time.Hour},
		"equal times are a day on the clock": {"Europe/Vienna", "A once 12:00-12:00 from 2026-10-24", "2026-10-01", "2026-11-01",
			[]string{"10-24 12:00+02 to 10-25 12:00+01 A"}, 25 * time.Hour},
		"the hour that is missing is not recorded": {"Europe/Vienna", "A daily 02:15-02:45", "2026-03-28", "2026-03-31",
			[]string{"03-28 02:15+01 to 03-28 02:45+01 A", "03-30 02:15+02 to 03-30 02:45+02 A"}, time.Hour},
		"a beginning that is missing comes after it": {"Europe/Vienna", "A daily 02:30-04:00", "2026-03-29", "2026-03-30",
			[]string{"03-29 03:00+02 to 03-29 04:00+02 A"}, time.Hour},
		"an end that is missing comes before it": {"Europe/Vienna", "A daily 01:00-02:30", "2026-03-29", "2026-03-30",
			[]string{"03-29 01:00+01 to 03-29 03:00+02 A"}, time.Hour},
		"half an hour": {"Australia/Lord_Howe", "A daily 01:40-01:50", "2026-04-05", "2026-04-06",
			[]string{"04-05 01:40+11 to 04-05 01:50+11 A", "04-05 01:40+1030 to 04-05 01:50+1030 A"}, 20 * time.Minute},
		"half an hour is missing": {"Australia/Lord_Howe", "A daily 02:00-03:00", "2026-10-04", "2026-10-05",
			[]string{"10-04 02:30+11 to 10-04 03:00+11 A"}, 30 * time.Minute},
		"midnight is missing": {"America/Sao_Paulo", "A once 00:00-02:00 from 2018-11-04", "2018-11-01", "2018-11-10",
			[]string{"11-04 01:00-02 to 11-04 02:00-02 A"}, time.Hour},
		"midnight is missing, all day": {"Asia/Beirut", "A daily 00:00-23:59:59", "2022-03-26", "2022-03-28",
			[]string{"03-26 00:00+02 to 03-28 00:00+03 A"}, 47 * time.Hour},
		"the hour before midnight happens twice": {"America/Sao_Paulo", "A once 23:00-23:59:59 from 2018-02-17", "2018-02-01", "2018-03-01",
			[]string{"02-17 23:00-02 to 02-18 00:00-03 A"}, 2 * time.Hour},
		"midnight happens twice": {"Africa/Cairo", "A once 23:30-00:30 from 2024-10-31", "2024-10-01", "2024-11-30",
			[]string{"10-31 23:30+03 to 10-31 23:00+02 A", "10-31 23:30+02 to 11-01 00:30+02 A"}, 90 * time.Minute},
		"a day is missing": {"Pacific/Apia", "A daily 22:00-02:00", "2011-12-29 12:00", "2011-12-31 12:00",
			[]string{"12-29 22:00-10 to 12-31 02:00+14 A"}, 4 * time.Hour},
		"the day of a once is missing": {"Pacific/Apia", "A once 08:00-12:00 from 2011-12-30", "2011-12-01", "2012-02-01", nil, 0},
		"a night of the missing day":   {"Pacific/Apia", "A once 22:00-02:00 from 2011-12-30", "2011-12-01", "2012-02-01", []string{"12-31 00:00+14 to 12-31 02:00+14 A"}, 2 * time.Hour},
		"an offset that is no whole hour": {"Asia/Kathmandu", "A daily 08:00-09:00", "2026-11-23", "2026-11-24",
			[]string{"11-23 08:00+0545 to 11-23 09:00+0545 A"}, time.Hour},
		"a summer time that is a winter time": {"Europe/Dublin", "A daily 01:30-01:40", "2026-10-25", "2026-10-26",
			[]string{"10-25 01:30+01 to 10-25 01:40+01 A", "10-25 01:30+00 to 10-25 01:40+00 A"}, 20 * time.Minute},
		"the date is that of the zone": {"Asia/Tokyo", "A weekly 00:00-09:00 monday", "2026-11-22", "2026-11-29",
			[]string{"11-23 00:00+09 to 11-23 09:00+09 A"}, 9 * time.Hour},
		"a rule that holds for ever": {"Europe/Vienna", "A daily 02:30-02:45", "2175-10-29", "2175-10-30",
			[]string{"10-29 02:30+02 to 10-29 02:45+02 A", "10-29 02:30+01 to 10-29 02:45+01 A"}, 30 * time.Minute},
	} {
		s := setOf(t, c.zone, c.schedule)
		if got := s.shown(t, c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwanted\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if got := s.Scheduled(s.at(t, c.from), s.at(t, c.to)); got != c.total {
			t.Errorf("%s: %v in all, want %v", name, got, c.total)
		}
	}
}

// One schedule opens in the doubled hour, the other before it: they overlap in
// its second half as well.
func TestOverlapInTheDoubledHour(t *testing.T) {
	s := setOf(t, "Europe/Vienna", "A daily 02:30-02:45", "B daily 01:00-02:40")
	want := []string{"10-25 01:00+02 to 10-25 02:45+02 B", "10-25 02:00+01 to 10-25 02:45+01 B"}
	if got := s.shown(t, "2026-10-25", "2026-10-26"); !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

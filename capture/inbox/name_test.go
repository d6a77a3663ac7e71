package inbox

import (
	"testing"
	"time"
)

func TestTimesInNames(t *testing.T) {
	zone := time.FixedZone("host", 2*3600)
	utc := func(h, m, s, ms int) time.Time { return time.Date(2026, 11, 23, h, m, s, ms*1e6, time.UTC) }
	for name, want := range map[string]time.Time{
		// Our own, ISO 8601 with a zone.
		"20261123T100000.123Z_0190aaaa-0000-7000-8000-000000000001": utc(10, 0, 0, 123),
		"20261123T100000Z":                 utc(10, 0, 0, 0),
		"2026-11-23T10:00:00Z":             utc(10, 0, 0, 0),
		"2026-11-23T10:00:00.5+01:00":      utc(9, 0, 0, 500),
		"2026-11-23T10:00:00-0530":         utc(15, 30, 0, 0),
		"2026-11-23T10:00:00,250+0530":     utc(4, 30, 0, 250),
		"2026-11-23T10:00:00-05":           utc(15, 0, 0, 0),
		"20261123T100000+05":               utc(5, 0, 0, 0),
		"2026-11-23_10-00-00-250000+0100":  utc(9, 0, 0, 250),
		"front gate 2026-11-23 10-00-00 Z": utc(8, 0, 0, 0), // that Z is something else

		// Without a zone: the host's.
		"2026-11-23T10:00:00":               utc(8, 0, 0, 0),
		"20261123T100000":                   utc(8, 0, 0, 0),
		"2026-11-23_10-00-00-000000":        utc(8, 0, 0, 0), // MediaMTX
		"2026-11-23_10-00-00-123456":        utc(8, 0, 0, 123).Add(456 * time.Microsecond),
		"20261123_100000":                   utc(8, 0, 0, 0), // ffmpeg -strftime
		"2026-11-23_10-00-00":               utc(8, 0, 0, 0),
		"2026-11-23T10-00-00":               utc(8, 0, 0, 0),
		"2026.11.23 10.00.00":               utc(8, 0, 0, 0),
		"2026-11-23--10-00-00":              utc(8, 0, 0, 0),
		"cam1-20261123_100000-3":            utc(8, 0, 0, 0),
		"2026-11-23_10-00-00-0001":          utc(8, 0, 0, 0), // a number
		"2026-11-23_10-00-00-05":            utc(8, 0, 0, 0), // a number
		"20261123_100000_101000":            utc(8, 0, 0, 101),
		"RecM01_20261123_100000_101000_0_A": utc(8, 0, 0, 101),
		"20261123100000_20261123101000":     utc(8, 0, 0, 0), // from, to
		"00_20261399999999_20261123100000":  utc(8, 0, 0, 0), // the first cannot be

		// Unix.
		"1795428000":        utc(10, 0, 0, 0),
		"1795428000.5":      utc(10, 0, 0, 500),
		"1795428000-250000": utc(10, 0, 0, 250),
		"1795428000123":     utc(10, 0, 0, 123),
	} {
		if got, ok := timeOf(name, zone); !ok || !got.Equal(want) {
			t.Errorf("%s: %v %v, want %v", name, got.UTC(), ok, want)
		}
	}
	for _, name := range []string{
		"", "holiday", "GOPR0001", "video (3)", "20261123", "2026-11-23", "10.00.00-10.05.00[R][0@0][0]", "cam-1795428000",
		"2026-13-01_10-00-00", "2026-02-29_10-00-00", "2026-11-23_24-00-00", "2026-11-23_10-60-00", "2026-11-23_10-00-60",
		"120261123100000", "202611231000001", "2026-1123_10-00-00", "2026-11-23_10-0000", "179542800", "17954280001",
	} {
		if got, ok := timeOf(name, zone); ok {
			t.Errorf("%q says %v", name, got)
		}
	}
}

func FuzzTimeOf(f *testing.F) {
	for _, name := range []string{"20261123T100000.123Z_x", "2026-11-23_10-00-00-123456+0530", "1795428000.5", "00_20261399999999_20261123100000", "2026-11-23T10:00:00-05"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, ok := timeOf(name, time.UTC)
		if !ok {
			return
		}
		if y := got.UTC().Year(); y < -1 || y > 10000 {
			t.Fatalf("%q is taken for the year %d", name, y)
		}
		if got.UTC().Year() < 1 || got.UTC().Year() > 9998 {
			return
		}
		again, ok := timeOf(got.UTC().Format("20060102T150405.000000000Z"), time.FixedZone("", 3600))
		if !ok || !again.Equal(got) {
			t.Errorf("%q says %v; written as we do that is %v", name, got, again)
		}
	})
}

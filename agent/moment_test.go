package main

import (
	"testing"
	"time"
)

func TestParseMoment(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, berlin)
	for text, want := range map[string]string{
		"2026-01-02T15:04:05Z":      "2026-01-02T15:04:05Z",
		"2026-01-02T15:04:05+05:30": "2026-01-02T09:34:05Z",
		"2026-01-02T15:04:05.25Z":   "2026-01-02T15:04:05.25Z",
		"2026-01-02 15:04:05":       "2026-01-02T14:04:05Z",
		"2026-01-02 15:04":          "2026-01-02T14:04:00Z",
		"2026-07-02 15:04":          "2026-07-02T13:04:00Z", // summer time
		"2026-01-02":                "2026-01-01T23:00:00Z",
		"24h":                       "2026-11-22T09:00:00Z",
		"90m":                       "2026-11-23T07:30:00Z",
		"7d":                        "2026-11-16T09:00:00Z",
		"1.5d":                      "2026-11-21T21:00:00Z",
		"0s":                        "2026-11-23T09:00:00Z",
	} {
		got, err := parseMoment(text, now)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %s, %v; want %s", text, got.UTC().Format(time.RFC3339Nano), err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-1h", "-1d", "2026-13-01", "2026-01-02 25:00", "15:04", "7", "NaNd", "1e99d", "9999999h", "2026-01-02T15:04"} {
		if got, err := parseMoment(text, now); err == nil {
			t.Errorf("%q was taken for %s", text, got)
		}
	}
}

func FuzzParseMoment(f *testing.F) {
	for _, text := range []string{"2026-01-02T15:04:05Z", "2026-01-02 15:04", "2026-01-02", "24h", "7d", "1e3d"} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseMoment(text, now)
		if err != nil {
			return
		}
		if got.Year() < 0 || got.Year() > 9999 || got.UnixMicro()/1e6 != got.Unix() && got.Nanosecond() == 0 {
			t.Fatalf("%q was taken for %s, which the ledger cannot hold", text, got)
		}
	})
}

package main

import (
	"slices"
	"testing"
	"time"

	"recording-agent/capture/outage"
)

// A trouble becomes a problem when it has lasted, and is none any more when it is over.
func TestLastingTroubles(t *testing.T) {
	now := time.Date(2026, 11, 26, 1, 0, 0, 0, time.UTC)
	since := func(ago time.Duration) outage.Trouble {
		return outage.Trouble{Cause: "cause", Remedy: "remedy", Since: now.Add(-ago)}
	}
	all := []complaint{
		{"disk", since(0), 0}, {"well", outage.Trouble{}, 0},
		{"short", since(awayFor - time.Second), awayFor}, {"long", since(awayFor), awayFor},
		{"a moment", since(silentFor - time.Second), silentFor}, {"silent", since(silentFor), silentFor},
	}
	var got []string
	for _, p := range lasting(all, now) {
		got = append(got, p.What)
		if p.Cause != "cause" || p.Remedy != "remedy" || p.Since.IsZero() {
			t.Errorf("problem %+v", p)
		}
	}
	if want := []string{"disk", "long", "silent"}; !slices.Equal(got, want) {
		t.Errorf("problems %v, want %v", got, want)
	}
}

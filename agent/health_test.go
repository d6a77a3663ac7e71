package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"recording-agent/capture"
	"recording-agent/capture/outage"
	"recording-agent/capture/panics"
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

// A panic is a problem for as long as it is recent, whatever the camera does since.
func TestPanicIsAProblemWhileRecent(t *testing.T) {
	now := time.Date(2026, 11, 26, 1, 0, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]int{0: 1, panicRecent - time.Second: 1, panicRecent: 0} {
		s := capture.Status{ID: "gate", Name: "Gate", State: capture.Live, Panics: panics.Status{Count: 2, Last: now.Add(-ago), What: "panic while reading"}}
		got := lasting(complaintsOf(s, now), now)
		if len(got) != want {
			t.Errorf("after %v: %+v", ago, got)
		}
		if want > 0 && (!strings.Contains(got[0].What, "Gate (gate)") || got[0].Cause != "panic while reading" || got[0].Remedy == "") {
			t.Errorf("after %v: %+v", ago, got)
		}
	}
	if got := lasting(complaintsOf(capture.Status{}, now), now); len(got) > 0 {
		t.Errorf("without a panic: %+v", got)
	}
}

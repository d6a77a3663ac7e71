package outage

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestSaidOnceThenEachMinute(t *testing.T) {
	var buf bytes.Buffer
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := New(zerolog.New(&buf), "camera unreachable", func() time.Time { return now })
	lines := func() int { return strings.Count(buf.String(), "\n") }

	o.Recovered()
	if lines() != 0 {
		t.Fatalf("an end without a beginning was logged: %s", buf.String())
	}
	for range 30 {
		o.Failed("no route", "check the cable")
		now = now.Add(time.Second)
	}
	if lines() != 1 {
		t.Fatalf("30 failures in 30 s: %d lines, want 1", lines())
	}
	now = now.Add(40 * time.Second)
	o.Failed("no route", "check the cable")
	if lines() != 2 || !strings.Contains(buf.String(), `"repeated":29`) {
		t.Fatalf("after a minute: %s", buf.String())
	}
	o.Failed("wrong password", "")
	if lines() != 3 {
		t.Fatal("another cause was not said at once")
	}
	for range 10 {
		o.Failed("no route", "check the cable")
		o.Failed("wrong password", "")
	}
	if lines() != 3 {
		t.Fatalf("two causes in turn are said again and again: %s", buf.String())
	}
	o.Recovered()
	o.Recovered()
	if lines() != 4 || !strings.Contains(buf.String(), "unreachable: over") {
		t.Fatalf("end: %s", buf.String())
	}
	if cause := o.Trouble().Cause; cause != "" {
		t.Fatalf("cause after the end: %q", cause)
	}
}

// The port of this host is another each time, the trouble is the same.
func TestOwnPortIsNoCause(t *testing.T) {
	var buf bytes.Buffer
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := New(zerolog.New(&buf), "camera unreachable", func() time.Time { return now })
	for _, own := range []string{"10.0.0.2:50001", "10.0.0.2:50002", "[fe80::1%eth0]:50003"} {
		o.Failed("read tcp "+own+"->10.0.0.5:554: connection reset", "")
	}
	if got := buf.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "10.0.0.5:554") || strings.Contains(got, "50001") {
		t.Errorf("said: %s", got)
	}
}

// What comes and goes every second is said as often as what stays.
func TestFlappingIsSaidOnceAMinute(t *testing.T) {
	var buf bytes.Buffer
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := New(zerolog.New(&buf), "upload fails", func() time.Time { return now })
	for range 120 {
		o.Failed("access denied", "")
		o.Recovered()
		now = now.Add(time.Second)
	}
	if n := strings.Count(buf.String(), "\n"); n != 4 {
		t.Errorf("%d lines in two minutes, want two beginnings and two ends: %s", n, buf.String())
	}
}

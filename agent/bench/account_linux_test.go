package main

import (
	"testing"
	"time"

	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
)

// What is missing, comes twice or in another order is found; what was sent before
// the reader could begin is not asked for.
func TestCompare(t *testing.T) {
	from := func(first, last int) (numbers []int) {
		for n := first; n <= last; n++ {
			numbers = append(numbers, n)
		}
		return numbers
	}
	for name, tc := range map[string]struct {
		numbers           []int
		plays             int
		troubles, missing int
	}{
		"whole":                      {from(51, 500), 1, 0, 0},
		"begun with the second key":  {from(101, 500), 1, 0, 0},
		"begun with a later one":     {from(151, 500), 1, 1, 100},
		"nothing":                    {nil, 1, 1, 450},
		"a hole":                     {append(from(51, 200), from(203, 500)...), 1, 1, 2},
		"one twice":                  {append(from(51, 200), from(200, 500)...), 1, 1, 0},
		"the end is missing":         {from(51, 499), 1, 1, 1},
		"connected to a second time": {from(51, 500), 2, 1, 0},
	} {
		a := &accounts{}
		a.compare("camera", rtsptest.Tally{Pictures: 500, First: 51, Plays: tc.plays}, tc.numbers)
		if len(a.troubles) != tc.troubles || a.missing != tc.missing {
			t.Errorf("%s: %d missing, %q", name, a.missing, a.troubles)
		}
	}
}

func TestGapsOf(t *testing.T) {
	now := time.Now()
	connecting := spool.Gap{Start: now, End: now.Add(time.Second), Cause: spool.Connecting}
	a := &accounts{}
	a.gapsOf("camera", []string{"file"}, []spool.Gap{connecting})
	if a.gaps != 0 || a.before != 1 {
		t.Errorf("%+v", a)
	}
	a.gapsOf("camera", []string{"file"}, []spool.Gap{connecting, connecting, {Start: now, Cause: spool.Stalled}})
	a.gapsOf("camera", nil, []spool.Gap{connecting})
	if a.gaps != 3 || a.before != 2 {
		t.Errorf("%+v", a)
	}
}

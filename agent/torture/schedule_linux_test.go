package main

import (
	"slices"
	"testing"
	"time"
)

func planOf(t *testing.T, o options) []event {
	t.Helper()
	plan, err := schedule(o, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// The same seed makes the same faults; another one makes others, and what is left
// out changes none of the rest.
func TestScheduleIsRepeatable(t *testing.T) {
	o := options{length: 30 * time.Minute, seed: 1, kills: 8 * time.Second}
	plan := planOf(t, o)
	if !slices.Equal(plan, planOf(t, o)) {
		t.Error("the same seed makes another plan")
	}
	other := o
	other.seed = 2
	if slices.Equal(plan, planOf(t, other)) {
		t.Error("another seed makes the same plan")
	}
	some := o
	some.only = "s3-line,kill"
	want := slices.DeleteFunc(slices.Clone(plan), func(e event) bool { return e.track != "s3-line" && e.track != killTrack })
	if !slices.Equal(planOf(t, some), want) {
		t.Error("without the others the faults are not what they were")
	}
	some.only, some.without = "", "clock,disk"
	want = slices.DeleteFunc(slices.Clone(plan), func(e event) bool { return e.track == "clock" || e.track == "disk" })
	if !slices.Equal(planOf(t, some), want) {
		t.Error("without two of them the faults are not what they were")
	}
	some.only = "floods"
	if _, err := schedule(some, 4, nil); err == nil {
		t.Error("a kind of fault that there is not was taken")
	}
}

// In half an hour there is all of it, and faults of one track do not overlap.
func TestScheduleHasAll(t *testing.T) {
	end, kinds := map[string]time.Duration{}, map[string]int{}
	for _, e := range planOf(t, options{length: 30 * time.Minute, seed: 1, kills: 8 * time.Second}) {
		if e.at < end[e.track] || e.at > 30*time.Minute {
			t.Errorf("%s: at the end of the one before, %s", e, end[e.track])
		}
		end[e.track] = e.at + e.length
		kinds[e.track+" "+e.kind]++
	}
	if n := kinds["kill SIGKILL"]; n < 200 {
		t.Errorf("%d kills, at least 200 were to be", n)
	}
	for _, tr := range tracks() {
		for _, kind := range tr.kinds {
			name := tr.name
			if tr.each {
				name += " 1"
			}
			if kinds[name+" "+kind] == 0 {
				t.Errorf("%s never happens: %s", name, kind)
			}
		}
	}
}

package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// event is a fault: when it begins, how long it lasts, and what it is.
type event struct {
	at, length time.Duration
	track      string // faults of one track never overlap
	kind       string // of the faults of a track
	camera     int    // of those of a camera
	amount     int64  // its size, in what fits the kind
}

func (e event) String() string {
	text := fmt.Sprintf("%9.3fs  %-14s %-10s for %6.3fs", e.at.Seconds(), e.track, e.kind, e.length.Seconds())
	if e.amount != 0 {
		text += fmt.Sprintf(", %d", e.amount)
	}
	return text
}

// track is faults of one peer: how long it is left alone, how long a fault lasts,
// and which there are.
type track struct {
	name         string
	each         bool // for each camera
	rest, length [2]time.Duration
	kinds        []string
}

// The faults. A name of a track is what --only takes.
func tracks() []track {
	seconds := func(from, to float64) [2]time.Duration {
		return [2]time.Duration{time.Duration(from * float64(time.Second)), time.Duration(to * float64(time.Second))}
	}
	return []track{
		{name: "s3-line", rest: seconds(10, 40), length: seconds(1, 30), kinds: []string{"cut", "stalled", "slow", "late", "reset", "truncate"}},
		{name: "s3-restart", rest: seconds(20, 60), length: seconds(0.1, 10), kinds: []string{"restart"}},
		{name: "central-line", rest: seconds(10, 40), length: seconds(1, 20), kinds: []string{"cut", "stalled", "late", "truncate"}},
		{name: "central-restart", rest: seconds(15, 45), length: seconds(0.1, 8), kinds: []string{"restart"}},
		{name: "central-answer", rest: seconds(8, 30), length: seconds(1, 15), kinds: []string{"500", "401", "silent", "lost"}},
		{name: "camera", each: true, rest: seconds(20, 90), length: seconds(0.5, 20), kinds: []string{"stalled", "cut"}},
		{name: "disk", rest: seconds(60, 180), length: seconds(5, 25), kinds: []string{"full"}},
		{name: "clock", rest: seconds(25, 80), length: seconds(0, 0), kinds: []string{"step"}},
	}
}

const killTrack = "kill"

func allKinds() []string {
	names := []string{killTrack}
	for _, t := range tracks() {
		names = append(names, t.name)
	}
	return names
}

// schedule derives the faults from the seed. Each track has its own numbers, so that
// leaving one out does not change the others.
func schedule(o options, cameras int, leftOut map[string]string) ([]event, error) {
	wanted := allKinds()
	only, err := kindsIn(o.only)
	if err != nil {
		return nil, err
	}
	without, err := kindsIn(o.without)
	if err != nil {
		return nil, err
	}
	wanted = slices.DeleteFunc(wanted, func(name string) bool {
		return len(only) > 0 && !slices.Contains(only, name) || slices.Contains(without, name)
	})
	for name, why := range leftOut {
		if i := slices.Index(wanted, name); i >= 0 {
			wanted = slices.Delete(wanted, i, i+1)
			fmt.Printf("NOTE: no faults of kind %q: %s\n", name, why)
		}
	}
	var plan []event
	if slices.Contains(wanted, killTrack) {
		plan = append(plan, kills(o)...)
	}
	for _, t := range tracks() {
		if !slices.Contains(wanted, t.name) {
			continue
		}
		if !t.each {
			plan = append(plan, t.events(o, -1)...)
			continue
		}
		for i := range cameras {
			plan = append(plan, t.events(o, i)...)
		}
	}
	slices.SortStableFunc(plan, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return plan, nil
}

func kindsIn(list string) (names []string, err error) {
	if list == "" {
		return nil, nil
	}
	names = strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(allKinds(), name) {
			return nil, fmt.Errorf("%q is no kind of fault; there are %s", name, strings.Join(allKinds(), ", "))
		}
	}
	return names, nil
}

func numbers(o options, name string) *rand.Rand {
	h := fnv.New64()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(o.seed, h.Sum64()))
}

func between(r *rand.Rand, b [2]time.Duration) time.Duration {
	return b[0] + time.Duration(r.Float64()*float64(b[1]-b[0]))
}

// firstKill leaves the agent the time to note that there are cameras: whoever is killed
// in its first moment of all knows of none that it misses.
const firstKill = 2 * time.Second

// kills come at random; now and then two within a second, the other one while the
// agent starts. Some meet an agent that was asked to stop, amount milliseconds before.
// length is how long it stays dead.
func kills(o options) (plan []event) {
	r := numbers(o, killTrack)
	for at := firstKill; ; {
		pause := min(time.Duration(r.ExpFloat64()*float64(o.kills)), 6*o.kills)
		if r.Float64() < 0.15 {
			pause = time.Duration(r.Int64N(int64(time.Second)))
		}
		at += pause
		if at > o.length {
			return plan
		}
		dead := time.Duration(r.Int64N(int64(1500 * time.Millisecond)))
		if r.Float64() < 0.3 {
			dead = 0
		}
		e := event{at: at, length: dead, track: killTrack, kind: "SIGKILL"}
		if r.Float64() < 0.15 {
			e.kind, e.amount = "stopping", r.Int64N(1500)
		}
		plan = append(plan, e)
		at += e.length + time.Duration(e.amount)*time.Millisecond
	}
}

// haste shortens faults, and the rest between them, in short runs, so that they have
// all of it.
func (o options) haste() float64 { return min(1, max(0.25, o.length.Minutes()/4)) }

func (t track) events(o options, camera int) (plan []event) {
	r := numbers(o, fmt.Sprint(t.name, camera))
	for i := range t.rest {
		t.rest[i] = time.Duration(float64(t.rest[i]) * o.haste())
		if o.rest > 0 {
			t.rest[i] = time.Duration(float64(t.rest[i]) * o.rest)
		}
		t.length[i] = time.Duration(float64(t.length[i]) * o.haste())
	}
	for at := between(r, t.rest); at < o.length; at += between(r, t.rest) {
		e := event{at: at, length: between(r, t.length), track: t.name, kind: t.kinds[r.IntN(len(t.kinds))], camera: camera}
		switch e.kind {
		case "slow":
			e.amount = 64<<10 + r.Int64N(1<<20) // bytes per second
		case "late":
			e.amount = 20 + r.Int64N(400) // milliseconds
		case "reset":
			e.amount = 20 + r.Int64N(60) // percent
		case "truncate":
			e.amount = 100 + r.Int64N(2000) // bytes
		case "step":
			e.amount = step(r).Milliseconds()
		}
		if camera >= 0 {
			e.track = fmt.Sprint(t.name, " ", camera+1)
		}
		plan = append(plan, e)
		at += e.length
	}
	return plan
}

// step is by how much a clock is set: seconds as often as minutes, up to an hour.
func step(r *rand.Rand) time.Duration {
	d := 3 * time.Second
	switch r.IntN(3) {
	case 1:
		d = time.Minute
	case 2:
		d = time.Hour
	}
	return time.Duration((0.1+0.9*r.Float64())*float64(d)).Round(time.Millisecond) * time.Duration(1-2*r.IntN(2))
}

// writePlan keeps what is going to happen.
func writePlan(dir string, o options, plan []event) error {
	var text strings.Builder
	fmt.Fprintf(&text, "# make torture ARGS=\"--for %s --cameras %d --seed %d --kills %s --only '%s' --without '%s'\"\n", o.length, o.cameras, o.seed, o.kills, o.only, o.without)
	counts := map[string]int{}
	for _, e := range plan {
		fmt.Fprintln(&text, e)
		counts[strings.Fields(e.track)[0]]++
	}
	fmt.Printf("seed %d, %s, %d cameras: ", o.seed, o.length, o.cameras)
	for i, name := range allKinds() {
		if i > 0 {
			fmt.Print(", ")
		}
		fmt.Printf("%d %s", counts[name], name)
	}
	fmt.Printf("\nthe plan of faults is in %s\n", filepath.Join(dir, "plan.txt"))
	return os.WriteFile(filepath.Join(dir, "plan.txt"), []byte(text.String()), 0o644)
}

package check

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// sound is a run of two minutes, of one camera at 25 frames a second, in which the
// agent was killed at 40 s and ready again at 41 s: a second before that and two
// after it are missing, and the agent says so.
func sound() Evidence {
	e := Evidence{
		From: at(0), To: at(120), Sent: map[string][]Frame{},
		Outages: []Outage{{Kind: AgentDown, From: at(40), To: at(41)}},
		Gaps:    []Gap{{Camera: "a", From: at(39), To: at(43), Cause: "agent stopped"}},
	}
	for n := 1; n <= 120*25; n++ {
		e.Sent["a"] = append(e.Sent["a"], Frame{n, at(float64(n) / 25)})
	}
	for i, span := range [][2]float64{{0, 39}, {43, 80}, {80, 121}} {
		o := Object{Key: "recordings/a/" + at(span[0]).Format("20060102T150405.000Z") + "_client.mp4", Camera: "a", Size: 1000}
		for _, f := range e.Sent["a"] {
			if !f.At.Before(at(span[0])) && f.At.Before(at(span[1])) {
				o.Frames = append(o.Frames, f.Number)
			}
		}
		e.Objects = append(e.Objects, o)
		e.Rows = append(e.Rows, Row{
			ID: fmt.Sprint("row ", i), Segment: fmt.Sprint("segment ", i), Camera: "a", Key: o.Key, Size: 1000, Statuses: []string{"recording", "completed"},
		})
	}
	return e
}

func TestSound(t *testing.T) {
	v := Judge(sound())
	if v.Failed() || v.Sent != 3000 || v.Stored != 2900 || v.Missing != 100 || v.Explained != 100 || v.Objects != 3 || v.Segments != 3 {
		t.Fatalf("%+v", v)
	}
}

// What is there and in a gap as well is counted.
func TestDenied(t *testing.T) {
	e := sound()
	e.Gaps = append(e.Gaps, Gap{Camera: "a", From: at(59), To: at(62)})
	if v := Judge(e); v.Denied != 50 || v.Failed() {
		t.Errorf("%+v", v)
	}
}

// Each of these has to be found.
func TestFound(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(e *Evidence)
		want   string // in a finding
		check  func(v Verdict) bool
	}{
		{"an object is gone", func(e *Evidence) { e.Objects = e.Objects[:2] }, "frames 2000 to 3000, sent from 12:01:20.000 to 12:02:00.000, are missing: there was no outage, and the agent admits no gap",
			func(v Verdict) bool { return v.Lost == 1001 && v.Incomplete == 1 }},
		{"an object is damaged", func(e *Evidence) { e.Objects[1].Damage = "torn" }, "damaged: torn", func(v Verdict) bool { return v.Damaged == 1 }},
		{"an object is of another time", func(e *Evidence) {
			e.Objects[1].Key = "recordings/a/20260301T120053.000Z_client.mp4"
			e.Rows[1].Key = e.Objects[1].Key
		}, "recordings/a/20260301T120053.000Z_client.mp4: its first frame was sent at Mar  1 12:00:43.000, which is 10s off", func(v Verdict) bool { return v.Misdated == 1 }},
		{"an object is of the time before the clock was set", func(e *Evidence) { e.Clock = []Step{{At: at(70), Offset: -time.Minute}} }, "1m0s off", nil},
		{"an object without a time", func(e *Evidence) { e.Objects[1].Key = "recordings/a/x.mp4" }, "does not say when", nil},
		{"an object is of another size", func(e *Evidence) { e.Objects[1].Size-- }, "central was told 1000", nil},
		{"central does not know of an object", func(e *Evidence) { e.Rows = e.Rows[:2] }, "central does not know of it",
			func(v Verdict) bool { return v.Unknown == 1 && v.Lost == 1001 }},
		{"a frame is missing", func(e *Evidence) { e.Objects[1].Frames = e.Objects[1].Frames[:len(e.Objects[1].Frames)-1] }, "frames 1999 to 1999",
			func(v Verdict) bool { return v.Lost == 1 }},
		{"the agent admits no gap", func(e *Evidence) { e.Gaps = nil }, "are missing: the agent admits no gap", func(v Verdict) bool { return v.Lost == 100 }},
		{"the gap is another camera's", func(e *Evidence) { e.Gaps[0].Camera = "b" }, "the agent admits no gap", nil},
		{"the gap ends too early", func(e *Evidence) { e.Gaps[0].To = at(42) }, "the agent admits no gap", func(v Verdict) bool { return v.Lost == 12 }},
		{"the gap is what a clock has skipped", func(e *Evidence) { e.Gaps[0].Cause = clockSet }, "the agent admits no gap", nil},
		{"there was no outage", func(e *Evidence) { e.Outages = nil }, "there was no outage; the agent admits a gap (agent stopped)",
			func(v Verdict) bool { return v.Lost == 100 }},
		{"the outage was another camera's", func(e *Evidence) { e.Outages[0].Kind, e.Outages[0].Camera = CameraDown, "b" }, "there was no outage", nil},
		{"the outage was long ago", func(e *Evidence) { e.Outages[0].From, e.Outages[0].To = at(33), at(34) }, "there was no outage", nil},
		{"the clock was wrong then", func(e *Evidence) { e.Clock = []Step{{At: at(20), Offset: time.Minute}} }, "the agent admits no gap", nil},
		{"a frame is there twice", func(e *Evidence) { e.Objects[0].Frames = append(e.Objects[0].Frames, 2000) }, "frame 2000 is in the bucket 2 times",
			func(v Verdict) bool { return v.Repeated == 1 }},
		{"a frame was never sent", func(e *Evidence) { e.Objects[2].Frames = append(e.Objects[2].Frames, 3001) }, "never sent", nil},
		{"a segment was never completed", func(e *Evidence) { e.Rows[1].Statuses = []string{"recording"} }, "segment 1 (recording row 1) was never completed",
			func(v Verdict) bool { return v.Incomplete == 1 }},
		{"a completed one was dragged back", func(e *Evidence) { e.Rows[1].Statuses = append(e.Rows[1].Statuses, "recording") }, "never completed", nil},
		{"a segment failed on a disk that was not full", func(e *Evidence) { e.Rows[1].Statuses = []string{"failed"} }, "never completed", nil},
		{"a segment is completed twice", func(e *Evidence) { e.Rows = append(e.Rows, e.Rows[0]) }, "completed 2 times", nil},
		{"a segment was registered twice", func(e *Evidence) { e.Rows = append(e.Rows, Row{ID: "x", Segment: "segment 1"}) }, "only 0 answers were lost",
			func(v Verdict) bool { return v.Again == 1 }},
		{"an upload is open", func(e *Evidence) { e.Uploads = []string{"recordings/a/9"} }, "left open: recordings/a/9", nil},
		{"an upload of what was given up for want of room, which there was", func(e *Evidence) {
			e.Uploads, e.GivenUp = []string{"recordings/a/9"}, []string{"recordings/a/9"}
		}, "left open: recordings/a/9", nil},
		{"a file is left", func(e *Evidence) { e.Local = []string{"x.mp4"} }, "a file is left: x.mp4", nil},
		{"something else went wrong", func(e *Evidence) { e.Faults = []string{"it panicked"} }, "it panicked", nil},
		{"nothing was sent", func(e *Evidence) { e.Sent = nil }, "nothing is proven", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := sound()
			tc.change(&e)
			v := Judge(e)
			if said := strings.Join(v.Findings, "\n"); !strings.Contains(said, tc.want) {
				t.Errorf("found %q, want %q", said, tc.want)
			}
			if tc.check != nil && !tc.check(v) {
				t.Errorf("%+v", v)
			}
		})
	}
}

// Each of these is as it may be.
func TestForgiven(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(e *Evidence)
	}{
		{"a segment was registered again after a lost answer", func(e *Evidence) {
			e.Rows = append(e.Rows, Row{ID: "x", Segment: "segment 1", Lost: true})
		}},
		{"the clock was ahead, and the gap as well", func(e *Evidence) {
			e.Clock = []Step{{At: at(20), Offset: time.Hour}}
			e.Gaps[0].From, e.Gaps[0].To = at(3639), at(3643)
			for i, name := range []string{"recordings/a/20260301T130043.000Z_", "recordings/a/20260301T130120.000Z_"} {
				e.Objects[i+1].Key, e.Rows[i+1].Key = name, name
			}
		}},
		{"the clock was set late in a long outage, and the gap is all after it", func(e *Evidence) {
			e.Outages[0].To = at(80)
			e.Clock = []Step{{At: at(75), Offset: -time.Hour}}
			e.Gaps[0].From, e.Gaps[0].To = at(39-3600), at(80-3600)
			e.Objects[2].Key = "recordings/a/20260301T110120.000Z_"
			e.Rows[2].Key = e.Objects[2].Key
			e.Objects, e.Rows = append(e.Objects[:1], e.Objects[2]), append(e.Rows[:1], e.Rows[2])
		}},
		{"a gap that is open", func(e *Evidence) { e.Gaps[0].To = time.Time{} }},
		{"footage that was deleted on a full disk", func(e *Evidence) {
			e.Outages = append(e.Outages, Outage{Kind: DiskFull, From: at(100), To: at(110)})
			e.Gaps = append(e.Gaps, Gap{Camera: "a", From: at(43), To: at(80), Cause: unsent})
			e.Rows[1].Statuses = []string{"recording", "failed"}
			e.Objects = append(e.Objects[:1], e.Objects[2])
			e.Uploads, e.GivenUp = []string{"recordings/a/1"}, []string{"recordings/a/1"}
		}},
		{"what a stalled camera sent came after the clock was set", func(e *Evidence) {
			e.Outages = append(e.Outages, Outage{Kind: CameraDown, Camera: "a", From: at(42), To: at(50)})
			e.Clock = []Step{{At: at(49), Offset: time.Second}, {At: at(51), Offset: 0}}
			e.Objects[1].Key = "recordings/a/20260301T120050.000Z_client.mp4"
			e.Rows[1].Key = e.Objects[1].Key
		}},
		{"an object of what was deleted on a full disk", func(e *Evidence) {
			e.Outages = append(e.Outages, Outage{Kind: DiskFull, From: at(100), To: at(110)})
			e.Gaps = append(e.Gaps, Gap{Camera: "a", From: at(43), To: at(80), Cause: unsent})
			e.Rows[1].Statuses, e.GivenUp = []string{"recording", "failed"}, []string{e.Objects[1].Key}
			e.Objects[1].Damage = "it ends within a picture"
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := sound()
			tc.change(&e)
			if v := Judge(e); v.Failed() {
				t.Errorf("%+v", v)
			}
		})
	}
}

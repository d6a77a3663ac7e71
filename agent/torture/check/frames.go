package check

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	part    = time.Second      // what the agent may hold in memory before it writes it
	group   = 2 * time.Second  // at least the distance of key frames of every camera
	backOff = 30 * time.Second // between two attempts to reach a camera, at most
	connect = 2 * time.Second  // a camera that answers

	// inexact is by how much the agent may be wrong about the time of a picture or
	// an end of a gap.
	inexact = 500 * time.Millisecond
)

// reach is how far the effect of an outage goes beyond it.
func (k Kind) reach() (before, after time.Duration) {
	switch k {
	case AgentDown:
		return part + inexact, connect + group
	case CameraDown:
		return part + inexact, backOff + connect + group
	default:
		return part + group, part + group + connect
	}
}

// unsent is the cause of a gap for footage that was deleted for want of room: it is
// older than the want.
const (
	unsent       = "deleted unsent"
	unsentBefore = 3 * time.Minute
)

// clockSet is the cause of a gap that is none: the time that a clock skips when it is
// set. When it is set back again, what is recorded then lies in it.
const clockSet = "host clock was set"

// frames compares what was sent with what is in objects that central knows as completed.
func (v *Verdict) frames(e Evidence) {
	completed := map[string]bool{}
	for _, r := range e.Rows {
		if r.status() == "completed" {
			completed[r.Key] = true
		}
	}
	stored := map[string]map[int][]string{} // keys, by camera and number
	for _, o := range e.Objects {
		if !completed[o.Key] {
			continue
		}
		if stored[o.Camera] == nil {
			stored[o.Camera] = map[int][]string{}
		}
		for _, n := range o.Frames {
			stored[o.Camera][n] = append(stored[o.Camera][n], o.Key)
		}
	}
	for _, camera := range slices.Sorted(maps.Keys(e.Sent)) {
		v.camera(e, camera, stored[camera])
		delete(stored, camera)
	}
	for camera := range stored {
		v.fault("the bucket holds footage of camera %q, which does not exist", camera)
	}
}

func (v *Verdict) camera(e Evidence, camera string, stored map[int][]string) {
	var bad stretch
	for _, f := range e.Sent[camera] {
		keys := stored[f.Number]
		delete(stored, f.Number)
		if len(keys) > 1 {
			v.Repeated += len(keys) - 1
			v.fault("camera %s: frame %d is in the bucket %d times: %v", camera, f.Number, len(keys), keys)
		}
		if f.At.Before(e.From) || f.At.After(e.To) {
			continue
		}
		v.Sent++
		if len(keys) > 0 {
			v.Stored++
			if len(e.admitted(camera, f.At, -inexact)) > 0 {
				v.Denied++
			}
			continue
		}
		v.Missing++
		kind, why := e.explain(camera, f.At)
		if why == "" {
			v.Explained++
			v.By[kind]++
			continue
		}
		v.Lost++
		if !bad.takes(f, why) {
			bad.tell(v, camera)
			bad = stretch{first: f, why: why}
		}
		bad.last = f
	}
	bad.tell(v, camera)
	if len(stored) > 0 {
		v.Repeated += len(stored)
		v.fault("camera %s: %d frames in the bucket have numbers that were never sent", camera, len(stored))
	}
}

// explain says in which outage a missing frame was, or what it lacks to be explained.
func (e Evidence) explain(camera string, at time.Time) (during Kind, why string) {
	causes := e.admitted(camera, at, inexact)
	out := slices.IndexFunc(e.Outages, func(o Outage) bool {
		if o.Camera != "" && o.Camera != camera {
			return false
		}
		before, after := o.Kind.reach()
		if o.Kind == DiskFull && slices.Contains(causes, unsent) {
			before = unsentBefore
		}
		return !at.Before(o.From.Add(-before)) && !at.After(o.To.Add(after))
	})
	switch {
	case out < 0 && len(causes) == 0:
		return "", "there was no outage, and the agent admits no gap"
	case out < 0:
		return "", fmt.Sprintf("there was no outage; the agent admits a gap (%s)", causes[0])
	case len(causes) == 0:
		return "", "the agent admits no gap"
	}
	return e.Outages[out].Kind, ""
}

// admitted is the causes of the gaps in which a moment lies, or nearly so.
func (e Evidence) admitted(camera string, at time.Time, nearly time.Duration) (causes []string) {
	offsets := e.offsets(at)
	for _, o := range e.Outages { // an agent that is down cannot know when within that time its clock was set
		if before, after := o.Kind.reach(); o.Kind == AgentDown && !at.Before(o.From.Add(-before)) && !at.After(o.To.Add(after)) {
			offsets = append(offsets, e.during(o.From, o.To)...)
		}
	}
	for _, offset := range offsets {
		t := at.Add(offset)
		for _, g := range e.Gaps {
			if g.Camera == camera && g.Cause != clockSet && !t.Before(g.From.Add(-nearly)) && (g.To.IsZero() || !t.After(g.To.Add(nearly))) {
				causes = append(causes, g.Cause)
			}
		}
	}
	return causes
}

// offsets are what the agent's clock may have been ahead by: around a step that is
// both what it was before and what it was afterwards.
func (e Evidence) offsets(at time.Time) []time.Duration {
	out := []time.Duration{0}
	for _, s := range e.Clock {
		switch around := part + group; {
		case s.At.Before(at.Add(-around)):
			out = []time.Duration{s.Offset}
		case s.At.Before(at.Add(around)):
			out = append(out, s.Offset)
		}
	}
	return out
}

// during is what the agent's clock was set to be ahead by within some time.
func (e Evidence) during(from, to time.Time) (out []time.Duration) {
	for _, s := range e.Clock {
		if !s.At.Before(from) && !s.At.After(to) {
			out = append(out, s.Offset)
		}
	}
	return out
}

// stretch is consecutive frames that are missing for the same reason.
type stretch struct {
	first, last Frame
	why         string
}

func (s stretch) takes(f Frame, why string) bool {
	return s.why == why && f.Number == s.last.Number+1
}

func (s stretch) tell(v *Verdict, camera string) {
	if s.why == "" {
		return
	}
	const stamp = "15:04:05.000"
	v.fault("camera %s: frames %d to %d, sent from %s to %s, are missing: %s", camera,
		s.first.Number, s.last.Number, s.first.At.UTC().Format(stamp), s.last.At.UTC().Format(stamp), s.why)
}

package check

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"
)

// Verdict is what a run has come to.
type Verdict struct {
	Sent, Stored, Repeated   int          // frames
	Missing, Explained, Lost int          // frames; Lost are those that nothing explains
	By                       map[Kind]int // of the explained, in which outage they were
	Denied                   int          // frames that are there and in a gap as well: no loss, but not true either

	Objects, Damaged      int
	Misdated              int // objects whose first frame was sent at another time than their name says
	Unknown               int // objects of which central does not know
	Segments              int // at central
	Again, AnswersLost    int // rows beyond one for each segment; registrations whose answer may not have arrived
	Incomplete, Abandoned int // segments: never completed; reported as failed, and the disk was full
	Uploads, Local        int // left over
	Remains, Torn         int // uploads and objects of what was given up; those of them that end within a picture

	Findings []string // what makes it fail, for people
}

// Failed says whether anything is not as it has to be.
func (v *Verdict) Failed() bool { return len(v.Findings) > 0 }

func (v *Verdict) fault(format string, args ...any) {
	v.Findings = append(v.Findings, fmt.Sprintf(format, args...))
}

// Judge compares.
func Judge(e Evidence) Verdict {
	v := Verdict{Findings: slices.Clone(e.Faults), By: map[Kind]int{}}
	v.frames(e)
	v.objects(e)
	v.dates(e)
	v.rows(e)
	v.Local = len(e.Local)
	for _, key := range e.Uploads {
		if e.diskWasFull() && slices.Contains(e.GivenUp, key) {
			v.Remains++
			continue
		}
		v.Uploads++
		v.fault("an upload is left open: %s", key)
	}
	for _, file := range e.Local {
		v.fault("a file is left: %s", file)
	}
	if v.Sent == 0 {
		v.fault("the cameras have sent nothing: nothing is proven")
	}
	return v
}

func (v *Verdict) objects(e Evidence) {
	rows := map[string]Row{}
	for _, r := range e.Rows {
		if r.status() == "completed" {
			rows[r.Key] = r
		}
	}
	for _, o := range e.Objects {
		v.Objects++
		r, known := rows[o.Key]
		// Its upload was just being completed, or a day later: then it ends where the last
		// part did that was sent, perhaps within a picture.
		remains := !known && e.diskWasFull() && slices.Contains(e.GivenUp, o.Key)
		switch {
		case o.Damage != "" && remains:
			v.Torn++
		case o.Damage != "":
			v.Damaged++
			v.fault("object %s is damaged: %s", o.Key, o.Damage)
		}
		switch {
		case remains:
			v.Remains++
		case !known:
			v.Unknown++
			v.fault("object %s: central does not know of it", o.Key)
		case r.Size != o.Size || r.Camera != o.Camera:
			v.fault("object %s has %d bytes of camera %s, central was told %d of %s", o.Key, o.Size, o.Camera, r.Size, r.Camera)
		}
		delete(rows, o.Key)
	}
	for key, r := range rows {
		v.Incomplete++
		v.fault("recording %s is completed at central, and there is no object %s", r.ID, key)
	}
}

// exact is by how much the time in an object's name may be wrong.
const exact = 2 * time.Second

// dates compares the times in the names of objects with those at which their first
// frames were sent, by the agent's clock.
func (v *Verdict) dates(e Evidence) {
	for _, o := range e.Objects {
		stamp, _, _ := strings.Cut(path.Base(o.Key), "_")
		named, err := time.Parse("20060102T150405.000Z", stamp)
		if err != nil {
			v.Misdated++
			v.fault("object %s: its name does not say when it begins", o.Key)
			continue
		}
		if sent := e.Sent[o.Camera]; len(o.Frames) > 0 && o.Frames[0] <= len(sent) {
			first := sent[o.Frames[0]-1]
			if wrong := e.misdated(o.Camera, first.At, named); wrong > exact {
				v.Misdated++
				v.fault("object %s: its first frame was sent at %s, which is %s off", o.Key, first.At.UTC().Format(time.StampMilli), wrong)
			}
		}
	}
}

// misdated is by how much a name is wrong. What a stalled camera sent may have come as
// late as at the stall's end, and is dated by when it came.
func (e Evidence) misdated(camera string, sent, named time.Time) time.Duration {
	came := sent
	for _, o := range e.Outages {
		if o.Kind == CameraDown && (o.Camera == "" || o.Camera == camera) && !sent.Before(o.From) && came.Before(o.To) {
			came = o.To
		}
	}
	least := time.Duration(math.MaxInt64)
	for _, offset := range append(e.offsets(sent), e.offsets(came)...) {
		early, late := sent.Add(offset).Sub(named), named.Sub(came.Add(offset))
		least = min(least, max(0, early, late))
	}
	return least
}

func (v *Verdict) rows(e Evidence) {
	segments := map[string][]Row{}
	for _, r := range e.Rows {
		segments[r.Segment] = append(segments[r.Segment], r)
		if r.Lost {
			v.AnswersLost++
		}
	}
	v.Segments = len(segments)
	for _, id := range slices.Sorted(maps.Keys(segments)) {
		rows := segments[id]
		v.Again += len(rows) - 1
		completed := 0
		for _, r := range rows {
			if r.status() == "completed" {
				completed++
			}
		}
		switch {
		case completed == 1:
		case completed > 1:
			v.fault("segment %s is completed %d times", id, completed)
		case slices.ContainsFunc(rows, func(r Row) bool { return r.status() == "failed" }) && e.diskWasFull():
			v.Abandoned++
		default:
			v.Incomplete++
			v.fault("segment %s (recording %s) was never completed: %v", id, rows[0].ID, rows[0].Statuses)
		}
	}
	if v.Again > v.AnswersLost {
		v.fault("%d segments were registered again, and only %d answers were lost", v.Again, v.AnswersLost)
	}
}

func (e Evidence) diskWasFull() bool {
	return slices.ContainsFunc(e.Outages, func(o Outage) bool { return o.Kind == DiskFull })
}

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
)

// verdict is what was found of one file or object.
type verdict struct {
	name, kind string
	faults     []string
	notes      []string
	checkedBy  []string
	unchecked  string // what --deep would check besides; empty: nothing
	inLedger   bool
	recording  bool // an agent is at it

	found     mp4.Result // Duration is zero when nothing could be read
	open      bool       // it has the form in which it is recorded
	holes     []mp4.Hole
	holeless  bool   // holes are not known
	cut       int64  // bytes of an open file behind its last whole part
	camera    string // by the ledger
	segmentID string // by the file, else by the ledger
}

const (
	file   = "file"
	object = "object"
)

func fileVerdict(name string) *verdict { return &verdict{name: name, kind: file} }

func (out *verdict) fault(format string, args ...any) *verdict {
	out.faults = append(out.faults, fmt.Sprintf(format, args...))
	return out
}

func (out *verdict) note(format string, args ...any) *verdict {
	out.notes = append(out.notes, fmt.Sprintf(format, args...))
	return out
}

// read checks the structure of a file, and what each part of an agent's segment holds.
func (out *verdict) read(f io.ReaderAt, size int64, deep bool) {
	i, err := mp4.Inspect(f, size)
	out.found.Size = size
	switch {
	case errors.Is(err, mp4.ErrNotSegment):
		out.readForeign(f, size, deep)
		return
	case errors.Is(err, mp4.ErrEmpty):
		out.fault("it holds nothing that is whole: it was cut off at its beginning, or its front is damaged")
		return
	case err != nil:
		out.fault("it cannot be read: %v", err)
		return
	}
	out.found, out.open, out.holes, out.segmentID = i.Result, i.Open, i.Holes, i.SegmentID
	out.checkedBy = append(out.checkedBy, "the seals of its parts")
	switch {
	case i.Cut > 0 && !i.Open:
		out.fault("it is damaged at byte %d of %d, or cut off: what is before is whole", size-i.Cut, size)
		return
	case i.Open:
		out.cut = i.Cut
	case !i.Finished:
		out.fault("its index is damaged: its parts are whole")
		return
	}
	if deep {
		out.readSamples(f, size-i.Cut)
	} else {
		out.unchecked = "each sample through the index"
	}
}

// unfinished judges a file that is in the form in which it is recorded: of one that
// is being recorded no fault is found but bytes that belong to no part.
func (out *verdict) unfinished(recording bool) {
	if !out.open {
		return
	}
	out.recording = recording
	whole := out.found.Size - out.cut
	switch {
	case out.cut > 0:
		out.fault("what is behind byte %d of %d is damaged or torn: what is before is whole", whole, out.found.Size)
	case recording:
		out.note("it is being recorded")
	case out.kind == object:
		out.note("it was never finished: it ends where the recording was broken off")
	default:
		out.fault("it was never finished: it ends where the recording was broken off, or was cut off between two parts")
	}
}

func (out *verdict) readForeign(f io.ReaderAt, size int64, deep bool) {
	if deep {
		out.readSamples(f, size)
		return
	}
	found, err := mp4.ReadForeign(f, size)
	if err != nil {
		out.fault("%v", err)
		return
	}
	out.describeForeign(found)
	out.unchecked = "pictures and sound"
}

// readSamples reads each sample, through the index.
func (out *verdict) readSamples(f io.ReaderAt, size int64) {
	found, err := mp4.ReadSamples(f, size)
	if err != nil {
		out.fault("%v", err)
		return
	}
	out.checkedBy = append(out.checkedBy, "each sample")
	if out.found.Duration == 0 {
		out.describeForeign(found)
	}
}

func (out *verdict) describeForeign(f mp4.Foreign) {
	out.found, out.holes, out.holeless = f.Result, f.Holes, f.Fragmented
	out.checkedBy = append(out.checkedBy, "its index")
}

// belongsTo takes from the ledger what the file does not say.
func (out *verdict) belongsTo(seg spool.Segment) {
	if id := out.segmentID; id != "" && id != seg.ID {
		out.fault("it is segment %s, by the ledger %s", few(id), seg.ID)
	}
	out.segmentID = seg.ID
	out.camera = cameraNames{}.of(seg)
	if out.found.Start.IsZero() {
		out.found.Start, out.found.CameraID = seg.Start, seg.CameraID
	}
}

// line says it in one line.
func (out *verdict) line() string {
	word := "ok    "
	if len(out.faults) > 0 {
		word = "FAULT "
	}
	parts := append([]string{}, out.faults...)
	if out.found.Duration > 0 {
		parts = append(parts, out.footage())
	}
	if len(out.checkedBy) > 0 && len(out.faults) == 0 {
		parts = append(parts, "checked: "+strings.Join(out.checkedBy, ", "))
	}
	if out.unchecked != "" && len(out.faults) == 0 {
		parts = append(parts, "not checked: "+out.unchecked+" (--deep does)")
	}
	parts = append(parts, out.notes...)
	return word + shownKey(out.name) + ": " + plain(strings.Join(parts, "; "))
}

// footage says what is there to be seen.
func (out *verdict) footage() string {
	r := out.found
	text := lengthText(r.Duration)
	camera := out.camera
	if camera == "" {
		camera = r.CameraName
	}
	if camera == "" {
		camera = r.CameraID
	}
	if camera != "" {
		text += " of " + few(camera)
	}
	if !r.Start.IsZero() {
		text += " from " + localTime(r.Start)
	}
	return text + fmt.Sprintf(", %s, %d pictures of %s, %s", out.gapsText(), r.Frames, r.VideoCodec, sizeText(r.Size))
}

func (out *verdict) gapsText() string {
	if out.holeless {
		return "gaps inside are not known"
	}
	if len(out.holes) == 0 {
		return "no gaps"
	}
	sum := time.Duration(0)
	for _, h := range out.holes {
		sum += h.Lasts
	}
	longest := slices.MaxFunc(out.holes, func(a, b mp4.Hole) int { return int(a.Lasts - b.Lasts) })
	return fmt.Sprintf("%s inside of %.1fs, the longest of %.1fs after %s", count(len(out.holes), "gap", "gaps"), sum.Seconds(), longest.Lasts.Seconds(), lengthText(longest.At))
}

// verdictJSON is a verdict for programs. Its names are kept; what is not known is null.
type verdictJSON struct {
	Name      string     `json:"name"`
	Kind      string     `json:"kind"` // file or object
	OK        bool       `json:"ok"`
	Faults    []string   `json:"faults"`
	Notes     []string   `json:"notes"`
	CheckedBy []string   `json:"checked_by"`
	Unchecked *string    `json:"not_checked"` // without --deep; null: nothing more is
	InLedger  bool       `json:"in_ledger"`
	Recording bool       `json:"being_recorded"`
	Segment   *string    `json:"segment_id"`
	CameraID  *string    `json:"camera_id"`
	Start     *string    `json:"start"`
	Size      *int64     `json:"size"`
	Seconds   *float64   `json:"duration_seconds"`
	Gaps      []holeJSON `json:"gaps"` // null: not known
	Frames    *int64     `json:"frames"`
	Video     *string    `json:"video_codec"`
	Audio     *string    `json:"audio_codec"`
	Width     *int       `json:"width"`
	Height    *int       `json:"height"`
}

type holeJSON struct {
	At      float64 `json:"at_seconds"` // from the file's beginning on
	Seconds float64 `json:"seconds"`
}

func (out *verdict) json() verdictJSON {
	r := out.found
	j := verdictJSON{
		Name: out.name, Kind: out.kind, OK: len(out.faults) == 0, Faults: append([]string{}, out.faults...), Notes: append([]string{}, out.notes...),
		CheckedBy: append([]string{}, out.checkedBy...), Unchecked: known(out.unchecked), InLedger: out.inLedger, Recording: out.recording, Segment: known(out.segmentID), CameraID: known(r.CameraID),
		Start: knownTime(r.Start), Size: known(r.Size), Seconds: known(r.Duration.Seconds()), Frames: known(r.Frames),
		Video: known(r.VideoCodec), Audio: known(r.AudioCodec), Width: known(r.Width), Height: known(r.Height),
	}
	if !out.holeless && r.Duration > 0 {
		j.Gaps = []holeJSON{}
		for _, h := range out.holes {
			j.Gaps = append(j.Gaps, holeJSON{h.At.Seconds(), h.Lasts.Seconds()})
		}
	}
	return j
}

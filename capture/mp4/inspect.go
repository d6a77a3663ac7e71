package mp4

import (
	"fmt"
	"io"
	"time"

	"recording-agent/capture/media"
)

// Inspection is what Inspect finds.
type Inspection struct {
	Result          // of the parts that are whole and as they were written; Checksum is empty
	Finished bool   // an ordinary MP4 of which nothing is missing
	Plays    bool   // an ordinary player can do with it; otherwise it takes Recover
	Open     bool   // in the form in which it is recorded, without an index of its own
	Holes    []Hole // between its pictures, in order
}

// Hole is where pictures are missing.
type Hole struct {
	At    time.Duration // from the first picture's time on
	Lasts time.Duration
}

// Inspect says what a segment holds that was cut at any byte, in any of its
// forms, without changing it. It compares every part with its seal. ErrEmpty and
// ErrNotSegment mean what they do for Recover.
func Inspect(f io.ReaderAt, size int64) (Inspection, error) {
	fr, s, err := read(f, size)
	if err != nil {
		return Inspection{}, err
	}
	d, end := fr.layout(fr.movie.finalMoov(s.tables), s.end), s.end
	if err := s.keepIntact(f, 0); err != nil {
		return Inspection{}, err
	}
	if len(s.tables[0].samples) == 0 {
		return Inspection{}, ErrEmpty
	}
	out := Inspection{Result: fr.describe(s), Finished: s.end == end && d.done(f, size), Holes: fr.holes(s)}
	out.Size = size
	if s.end < end || size != d.size { // else what follows the parts is their index, if anything
		out.Cut = size - s.end
	}
	atEnd, open, err := form(f)
	out.Plays, out.Open = !atEnd || out.Finished, open
	return out, err
}

// form reads the two headers that finishing may change: whether a player is to find
// the index at the file's end, and whether there is none yet, see finished.
func form(f io.ReaderAt) (atEnd, open bool, err error) {
	headers := make([]byte, initOffset+boxHeader-ftypSize)
	if _, err := f.ReadAt(headers, ftypSize); err != nil {
		return false, false, fmt.Errorf("read the front: %w", err)
	}
	_, spare := kindOf(headers)
	_, first := kindOf(headers[spareSize:])
	return spare == "mdat", spare == "free" && first == "moov", nil
}

// holes are where pictures are missing between parts, or in one.
func (fr *front) holes(s *scan) (holes []Hole) {
	tr, t := &fr.movie.tracks[0], &s.tables[0]
	t.holes(int64(tr.timescale), func(i int, missing int64) {
		end := t.samples[i].dts + int64(t.delta(i)) - missing
		holes = append(holes, Hole{media.Duration(max(0, end-tr.mediaStart), int(tr.timescale)), media.Duration(missing, int(tr.timescale))})
	})
	return holes
}

package mp4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"recording-agent/capture/media"
)

// Glance says what a segment's file holds without reading it through: a finished one by
// its index, another by its front and its last parts. Of that, no more is known than Info,
// Size, Duration and Pictures. Checksum is always empty. Nothing is changed in the file.
// Recover reads it through, and has the last word.
//
// ErrEmpty and ErrNotSegment mean what they do for Recover.
func Glance(f io.ReaderAt, size int64) (r Result, finished bool, err error) {
	fr, err := readFront(f, size)
	if err != nil {
		return Result{}, false, err
	}
	_, open, err := form(f)
	if err != nil {
		return Result{}, false, err
	}
	if !open {
		r, err := fr.byIndex(f, size)
		if unfit := (*UnfitError)(nil); !errors.As(err, &unfit) {
			return r, err == nil, err
		}
	}
	last, err := fr.lastParts(f, size)
	if err != nil {
		return Result{}, false, err
	}
	length := media.Duration(fr.movie.tracks[0].presented(&last.tables[0]), movieTimescale)
	return Result{Info: fr.movie.info, Size: size, Duration: length, Pictures: length}, false, nil
}

// byIndex is what a finished file says of itself. Of the holes between its pictures only
// the long ones show there.
func (fr *front) byIndex(f io.ReaderAt, size int64) (Result, error) {
	file := &foreignFile{f: f, size: size}
	found, err := file.readAll()
	if err != nil {
		return Result{}, err
	}
	r, tr := found.Result, &fr.movie.tracks[0]
	r.Info, r.Width, r.Height, r.VideoCodec = fr.movie.info, tr.width, tr.height, codecString(tr.entry)
	for _, t := range file.tracks {
		if t.handler == video && t.samples > 0 {
			r.Pictures = media.Duration(t.edit.delay+t.edit.shown, movieTimescale)
			break
		}
	}
	if r.Recorded = r.Pictures; r.Pictures <= 0 || r.Pictures > maxForeignLength {
		return Result{}, notWhole("its index does not say how long it is")
	}
	for _, hole := range found.Holes {
		r.Recorded = max(0, r.Recorded-hole.Lasts)
	}
	return r, nil
}

// tails is how much of a file's end is searched for its last whole part, until there is
// one. A part has a little more than 1 MiB at most; behind it may be what a power cut has torn.
var tails = []int64{2 << 20, 16 << 20}

// lastParts reads the parts from the last that a sync is known to have covered on: only
// those behind it may be torn. Where none is found it walks through all.
func (fr *front) lastParts(f io.ReaderAt, size int64) (*scan, error) {
	from := fr.end
	last, err := fr.lastIntact(f, size)
	if err == nil && last != nil && last.synced > fr.end && last.synced <= last.start {
		last, err = fr.lastIntact(f, last.synced)
		if last != nil {
			from = last.start
		}
	}
	if err != nil {
		return nil, err
	}
	s, err := fr.partsFrom(f, from, size)
	if err == nil && len(s.tables[0].samples) == 0 && from > fr.end { // of sound alone: the pictures are in front of it
		s, err = fr.partsFrom(f, fr.end, size)
	}
	if err == nil && len(s.tables[0].samples) == 0 {
		err = ErrEmpty
	}
	return s, err
}

// partsFrom are the whole parts from an offset on.
func (fr *front) partsFrom(f io.ReaderAt, from, size int64) (*scan, error) {
	s, err := scanParts(f, from, size, len(fr.movie.tracks))
	if err == nil {
		err = s.verify(f)
	}
	return s, err
}

// lastIntact looks for the last part that lies whole in the first size bytes of the file;
// nil: there is none near their end.
func (fr *front) lastIntact(f io.ReaderAt, size int64) (*partSpan, error) {
	for _, tail := range tails {
		part, err := lastIntactIn(f, max(fr.end, size-tail), size)
		if part != nil || err != nil {
			return part, err
		}
	}
	return nil, nil
}

func lastIntactIn(f io.ReaderAt, from, size int64) (*partSpan, error) {
	tail := make([]byte, size-from)
	if _, err := f.ReadAt(tail, from); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the end: %w", err)
	}
	buf := make([]byte, 16<<10)
	kind := []byte("moof")
	for end := len(tail); ; {
		at := bytes.LastIndex(tail[:end], kind) - 4 // behind its size
		if at < 0 {
			return nil, nil
		}
		end = at + len(kind)
		if n := binary.BigEndian.Uint32(tail[at:]); n < boxHeader+sealSize || n > maxMoof {
			continue
		}
		span, moof, err := readMoof(f, from+int64(at), size, &buf)
		if err != nil {
			return nil, err
		}
		if moof == nil {
			continue
		}
		if ok, err := span.intact(f); err != nil || ok {
			return &span, err
		}
	}
}

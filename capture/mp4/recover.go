package mp4

import (
	"bytes"
	"fmt"
	"io"
)

// Recover finishes a segment that a crash or power cut left at any byte: it cuts
// the tail after the last whole part, rebuilds the tables from the parts, and
// finishes the file. It needs nothing but the file, changes nothing in one that
// is finished, and can be run again after a crash of its own.
//
// ErrEmpty means that the file ends before its first whole part, ErrNotSegment
// that it was not made by this package; the file is then unchanged.
func Recover(f File, size int64) (Result, error) {
	fr, s, err := read(f, size)
	if err != nil {
		return Result{}, err
	}
	if d := fr.layout(fr.movie.finalMoov(s.tables), s.end); len(s.parts) > 0 && d.done(f, size) {
		return fr.recovered(f, s, d)
	}
	if err := s.verify(f); err != nil {
		return Result{}, err
	}
	if len(s.tables[0].samples) == 0 {
		return Result{}, ErrEmpty
	}
	d, err := fr.finish(f, s, size)
	if err != nil {
		return Result{}, err
	}
	r, err := fr.recovered(f, s, d)
	r.Cut = size - s.end
	return r, err
}

func read(f io.ReaderAt, size int64) (*front, *scan, error) {
	fr, err := readFront(f, size)
	if err != nil {
		return nil, nil, err
	}
	s, err := scanParts(f, fr.end, size, len(fr.movie.tracks))
	return fr, s, err
}

func (fr *front) recovered(f File, s *scan, d finished) (Result, error) {
	crc, err := crcOf(f, fr.end, s.end)
	if err != nil {
		return Result{}, err
	}
	return fr.result(f, s, d, crc)
}

// HoldsFootage says whether a file that Recover calls empty once held more than
// the beginning of its first part: then not a crash but the disk has damaged it.
// It reads the whole file.
func HoldsFootage(r io.Reader) (bool, error) {
	kind := []byte("moof")
	buf := make([]byte, 0, 256<<10)
	parts := 0
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if parts += bytes.Count(buf, kind); parts > 1 {
			return true, nil
		}
		switch err {
		case nil: // a name may begin here and go on in what is read next
			buf = append(buf[:0], buf[len(buf)-len(kind)+1:]...)
		case io.EOF, io.ErrUnexpectedEOF:
			return false, nil
		default:
			return false, fmt.Errorf("look for footage: %w", err)
		}
	}
}

package mp4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrOtherForm says that a file is not finished in the way this package does it,
// byte for byte: its start cannot be changed in place.
var ErrOtherForm = errors.New("not finished in this form")

// Restamp changes the start that a finished file tells, in place: nothing moves, and
// at any moment of it the file can be played. A crash leaves some of the stamps
// changed; it can be run again.
func Restamp(f File, size int64, start time.Time) error {
	fr, s, err := read(f, size)
	if err != nil {
		return err
	}
	final := func() []byte { return fr.layout(fr.movie.finalMoov(s.tables), s.end).staged }
	first := func() []byte { return fr.movie.initMoov()[boxHeader:] }
	// The one that players read goes first: by the other it is told what is left to do.
	if err := fr.restamp(f, start, fr.layout(fr.movie.finalMoov(s.tables), s.end).stageAt, final); err != nil {
		return err
	}
	return fr.restamp(f, start, initOffset+boxHeader, first)
}

// restamp rewrites the stamps of a moov, and nothing but those.
func (fr *front) restamp(f File, start time.Time, at int64, moov func() []byte) error {
	stamped := func(t time.Time) []byte {
		fr.movie.info.Start = t
		return moov()
	}
	// Two times that have no digit in common show where the stamps are.
	a := stamped(time.Date(1999, 11, 13, 23, 51, 17, 123456000, time.UTC))
	b := stamped(time.Date(2088, 2, 28, 14, 26, 33, 678912000, time.UTC))
	want := stamped(start)
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, at); err != nil && err != io.EOF {
		return fmt.Errorf("read the stamps: %w", err)
	}
	for i := 0; i < len(want); {
		n := 0
		for i+n < len(want) && a[i+n] != b[i+n] {
			n++
		}
		if n == 0 {
			if got[i] != want[i] {
				return fmt.Errorf("restamp: byte %d is %#x, not %#x: %w", at+int64(i), got[i], want[i], ErrOtherForm)
			}
			i++
			continue
		}
		i += n
	}
	return fr.write(f, at, got, want)
}

// write writes the bytes that differ.
func (fr *front) write(f File, at int64, got, want []byte) error {
	for i := 0; i < len(want); i++ {
		n := 0
		for i+n < len(want) && got[i+n] != want[i+n] {
			n++
		}
		if n == 0 {
			continue
		}
		if _, err := f.WriteAt(want[i:i+n], at+int64(i)); err != nil {
			return fmt.Errorf("write the stamps: %w", err)
		}
		i += n
	}
	if bytes.Equal(got, want) {
		return nil
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync the stamps: %w", err)
	}
	return nil
}

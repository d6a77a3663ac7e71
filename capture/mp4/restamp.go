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
	place := fr.layout(fr.movie.finalMoov(s.tables), s.end).stageAt
	err = fr.restamp(f, start, place, func() []byte { return fr.layout(fr.movie.finalMoov(s.tables), s.end).staged })
	if err != nil {
		return err
	}
	return fr.restamp(f, start, initOffset+boxHeader, func() []byte { return fr.movie.initMoov()[boxHeader:] })
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
	for i := range want {
		if a[i] == b[i] && got[i] != want[i] {
			return fmt.Errorf("restamp: byte %d is %#x, not %#x: %w", at+int64(i), got[i], want[i], ErrOtherForm)
		}
	}
	return rewrite(f, at, got, want)
}

// rewrite writes the bytes that differ.
func rewrite(f File, at int64, got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	for i := range want {
		if got[i] == want[i] {
			continue
		}
		if _, err := f.WriteAt(want[i:i+1], at+int64(i)); err != nil {
			return fmt.Errorf("write the stamps: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync the stamps: %w", err)
	}
	return nil
}

package mp4

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"recording-agent/capture/media"
)

// Foreign is what an MP4 file says of itself that another program has made.
type Foreign struct {
	Result               // Info and Checksum are empty
	Created    time.Time // as the file says, zero when it does not: devices without a clock say anything
	Fragmented bool      // its index is not in one piece
	Holes      []Hole    // where pictures come much later than they usually do, some of the first; of fragments they are not known
}

// UnfitError says why a file is not a whole MP4 with pictures.
type UnfitError struct{ Cause, Remedy string }

func (e *UnfitError) Error() string { return e.Cause }

func notWhole(format string, args ...any) error {
	return &UnfitError{
		Cause:  fmt.Sprintf(format, args...),
		Remedy: "copy it again if the copy was cut short; ffmpeg -i FILE -c copy NEW.mp4 can often save what is there",
	}
}

func notVideo(format string, args ...any) error {
	return &UnfitError{Cause: fmt.Sprintf(format, args...), Remedy: "only MP4 files with video can be taken over; take it away"}
}

// What is believed of a file at most. Everything in it may be a lie.
const (
	maxForeignBoxes  = 4 << 20 // a day of fragments of 100 ms has half as many
	maxForeignTracks = 64
	maxForeignMoof   = 16 << 20
	maxForeignEntry  = 64 << 10
	maxForeignScale  = 1_000_000_000 // ticks a second
	maxForeignLength = 31 * 24 * time.Hour
)

// ReadForeign reads the index of an MP4 file of any origin, in any of its forms:
// in front, at the end, or in fragments. It is an UnfitError if a box or a sample
// is not inside the file, or if there are no pictures. Any other error is about
// reading. However the file is made, it takes no more memory than its largest
// fragment's index, and 16 MiB at most.
func ReadForeign(f io.ReaderAt, size int64) (Foreign, error) {
	return (&foreignFile{f: f, size: size}).readAll()
}

func (r *foreignFile) readAll() (Foreign, error) {
	size := r.size
	if size == 0 {
		return Foreign{}, notVideo("it is empty")
	}
	if err := r.walk(span{0, size}, r.top); err != nil {
		return Foreign{}, err
	}
	return r.describe()
}

type foreignFile struct {
	f          io.ReaderAt
	size       int64
	boxes      int             // looked at
	tracks     []*foreignTrack // nil before the moov
	scale      uint32          // of the movie
	created    uint64
	moof       []byte
	fragmented bool
	samples    *sampleReader // nil: they are only placed
}

// span is a stretch of the file.
type span struct{ from, to int64 }

func (s span) len() int64 { return s.to - s.from }

// visitor is given the offset of a box's header and its payload.
type visitor func(kind string, at int64, payload span) error

// walk visits the boxes that a stretch is made of. Only the last of the file may
// have size 0, which means to its end.
func (r *foreignFile) walk(s span, visit visitor) error {
	var header [16]byte
	for at := s.from; at < s.to; {
		if r.boxes++; r.boxes > maxForeignBoxes {
			return notVideo("it is made of more than %d boxes", maxForeignBoxes)
		}
		n := min(int64(len(header)), s.to-at)
		if err := r.read(header[:n], at); err != nil {
			return err
		}
		if n < boxHeader {
			return notWhole("it ends with %d stray bytes at %d", n, at)
		}
		size, kind := kindOf(header[:])
		payload := at + boxHeader
		switch {
		case size == 1 && n == int64(len(header)):
			size, payload = int64(binary.BigEndian.Uint64(header[8:])), at+int64(len(header))
		case size == 0 && s.to == r.size && s.from == 0 && plainKind(kind):
			size = s.to - at
		}
		if size < payload-at || size > s.to-at {
			return r.badBox(kind, at, size, s.to-at)
		}
		if err := visit(kind, at, span{payload, at + size}); err != nil {
			return err
		}
		at += size
	}
	return nil
}

func (r *foreignFile) badBox(kind string, at, size, there int64) error {
	if at == 0 && !firstKinds[kind] {
		return notVideo("it does not begin like an MP4 file")
	}
	if !plainKind(kind) {
		return notWhole("what lies at byte %d of %d is no box: the file is damaged or not written to its end", at, r.size)
	}
	return notWhole("box %q at byte %d claims %d bytes, %d are there", kind, at, size, there)
}

func plainKind(kind string) bool {
	for i := range len(kind) {
		if kind[i] < ' ' || kind[i] > '~' {
			return false
		}
	}
	return true
}

// firstKinds is what an MP4 or an old QuickTime file begins with.
var firstKinds = map[string]bool{"ftyp": true, "styp": true, "moov": true, "mdat": true, "free": true, "skip": true, "wide": true}

func (r *foreignFile) top(kind string, at int64, payload span) error {
	if at == 0 && !firstKinds[kind] {
		return notVideo("it does not begin like an MP4 file")
	}
	switch {
	case kind == "moov" && r.tracks == nil:
		r.tracks = []*foreignTrack{}
		return r.walk(payload, r.inMoov)
	case kind == "moof":
		return r.fragment(at, payload)
	}
	return nil
}

func (r *foreignFile) inMoov(kind string, _ int64, payload span) error {
	switch kind {
	case "mvhd":
		var err error
		r.created, r.scale, err = r.times(payload)
		return err
	case "trak":
		return r.addTrack(payload)
	case "mvex":
		return r.walk(payload, r.inMvex)
	}
	return nil
}

// times reads what mvhd and mdhd have in common.
func (r *foreignFile) times(s span) (created uint64, scale uint32, err error) {
	p, err := r.head(s, 24)
	if err != nil {
		return 0, 0, err
	}
	if version := p.u32() >> 24; version == 1 {
		created = p.u64()
		p.take(8)
	} else {
		created = uint64(p.u32())
		p.take(4)
	}
	scale = p.u32()
	if p.short || scale == 0 || scale > maxForeignScale {
		return 0, 0, notWhole("its index has no unit of time that can be")
	}
	return created, scale, nil
}

// head reads the first bytes of a payload, at most n.
func (r *foreignFile) head(s span, n int64) (*reader, error) {
	p := make([]byte, min(n, s.len()))
	return &reader{p: p}, r.read(p, s.from)
}

// read fills p. The file was there a moment ago: its end is trouble like any
// other.
func (r *foreignFile) read(p []byte, at int64) error {
	if n, err := r.f.ReadAt(p, at); n < len(p) {
		return fmt.Errorf("read %d bytes at %d: %w", len(p), at, err)
	}
	return nil
}

// describe sums up the file.
func (r *foreignFile) describe() (Foreign, error) {
	if r.tracks == nil {
		return Foreign{}, notWhole("it has no index (moov): it was never finished, or its end is missing")
	}
	out := Foreign{Result: Result{Size: r.size}, Fragmented: r.fragmented}
	created := r.created
	for _, t := range r.tracks {
		if t.samples == 0 || t.handler != video && t.handler != sound {
			continue
		}
		length, err := r.presented(t)
		if err != nil {
			return Foreign{}, err
		}
		out.Duration = max(out.Duration, length)
		switch {
		case t.handler == sound && out.AudioCodec == "":
			out.AudioCodec = codecString(t.entry)
		case t.handler == video && out.Frames == 0:
			out.Frames, out.VideoCodec = t.samples, codecString(t.entry)
			out.Width, out.Height = pictureSize(t.entry)
			out.Holes = t.holes()
			if length > 0 {
				out.FrameRate = float64(t.samples) / length.Seconds()
			}
			if created == 0 {
				created = t.created
			}
		}
	}
	switch {
	case out.Frames == 0 && r.fragmented:
		return Foreign{}, notVideo("it holds no pictures")
	case out.Frames == 0:
		return Foreign{}, notWhole("its index lists no pictures")
	case out.Duration <= 0:
		return Foreign{}, notWhole("its pictures last no time")
	}
	if created > epoch1904 && created < 1<<40 {
		out.Created = time.Unix(int64(created)-epoch1904, 0).UTC()
	}
	out.Recorded = out.Duration
	return out, nil
}

// length converts ticks to time; what is beyond all sense is not believed.
func length(ticks int64, scale uint32) (time.Duration, error) {
	if ticks < 0 || ticks/int64(scale) > int64(maxForeignLength/time.Second) {
		return 0, notWhole("it claims to last longer than %v", maxForeignLength)
	}
	return media.Duration(ticks, int(scale)), nil
}

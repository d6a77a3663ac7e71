package mp4

import (
	"io"
)

// ReadSamples is ReadForeign, and reads every sample as well: pictures have to be made
// of units, of the lengths that they state, as their codec has them. It goes through
// the index as a player does, however the file is made. It takes as much more memory
// as the largest sample, and 64 MiB at most.
func ReadSamples(f io.ReaderAt, size int64) (Foreign, error) {
	return (&foreignFile{f: f, size: size, samples: &sampleReader{left: size, bytes: size}}).readAll()
}

// sampleReader reads samples one after the other.
type sampleReader struct {
	buf         []byte
	left, bytes int64 // so many more: no file has more samples than bytes, but an index may say so
}

// readChunk reads samples that lie side by side.
func (r *foreignFile) readChunk(t *foreignTrack, offset uint64, count int64, sizes *sampleSizes) error {
	if offset > uint64(r.size) {
		return notWhole("its index points to byte %d, the file has %d", offset, r.size)
	}
	for at := int64(offset); count > 0 && sizes.left > 0; count-- {
		size := sizes.sum(1)
		if err := sizes.err(); err != nil {
			return err
		}
		if err := r.readSample(t, at, size); err != nil {
			return err
		}
		at += size
	}
	return nil
}

// readSample reads a sample, and looks whether its codec could have made it.
func (r *foreignFile) readSample(t *foreignTrack, at, size int64) error {
	s := r.samples
	s.left, s.bytes = s.left-1, s.bytes-size
	switch {
	case at < 0 || size > r.size-at:
		return notWhole("its index points to %d bytes at %d, the file has %d", size, at, r.size)
	case size > maxSampleSize:
		return notWhole("its index claims a sample of %d bytes at %d", size, at)
	case s.left < 0 || s.bytes < 0:
		return notWhole("its index lists more samples than the file has room for")
	}
	if int64(cap(s.buf)) < size {
		s.buf = make([]byte, size)
	}
	p := s.buf[:size]
	if err := r.read(p, at); err != nil {
		return err
	}
	if t.handler == video && !madeOfUnits(t.entry, p) {
		return notWhole("the picture at byte %d, of %d bytes, is damaged: it is not made of the units that its codec has", at, size)
	}
	return nil
}

// madeOfUnits says whether a picture is filled exactly by units of its codec. Of what
// is not known it is true.
func madeOfUnits(entry, p []byte) bool {
	if len(entry) < boxHeader {
		return true
	}
	switch _, kind := kindOf(entry); kind {
	case "avc1", "avc3":
		return len(p) > 0 && filledByNALUnits(p, nalLength(entry, "avcC", 4))
	case "hvc1", "hev1":
		return len(p) > 0 && filledByNALUnits(p, nalLength(entry, "hvcC", 21))
	case "av01":
		return len(p) > 0 && filledByOBUs(p)
	case "jpeg":
		return len(p) > 1 && p[0] == 0xff && p[1] == 0xd8
	}
	return true
}

// nalLength is how many bytes the length of a NAL unit has: the last two bits of a
// byte of the codec's configuration (ISO/IEC 14496-15 sections 5.3.3 and 8.3.3).
func nalLength(entry []byte, config string, at int) (n int) {
	const visual = boxHeader + 78 // a visual sample entry before its boxes
	n = 4
	_ = children(entry[min(visual, len(entry)):], func(kind string, p []byte) error {
		if kind == config && len(p) > at {
			n = int(p[at]&3) + 1
		}
		return nil
	}) // some programs leave stray bytes behind the configuration
	return n
}

func filledByNALUnits(p []byte, length int) bool {
	for len(p) > 0 {
		if len(p) < length {
			return false
		}
		n := uint64(0)
		for _, b := range p[:length] {
			n = n<<8 | uint64(b)
		}
		p = p[length:]
		if n > uint64(len(p)) {
			return false
		}
		p = p[n:]
	}
	return true
}

// filledByOBUs reads the sizes of a temporal unit's OBUs; the last one need not have
// one (AV1 Codec ISO Media File Format Binding, section 2.4).
func filledByOBUs(p []byte) bool {
	for len(p) > 0 {
		header := p[0]
		p = p[1:]
		if header&0x80 != 0 { // forbidden
			return false
		}
		if header&4 != 0 { // extension
			if len(p) == 0 {
				return false
			}
			p = p[1:]
		}
		if header&2 == 0 { // without a size: to the end
			return true
		}
		size, n := uint64(0), 0
		for more := true; more; n++ {
			if n == 8 || n == len(p) {
				return false
			}
			size |= uint64(p[n]&0x7f) << (7 * n)
			more = p[n]&0x80 != 0
		}
		p = p[n:]
		if size > uint64(len(p)) {
			return false
		}
		p = p[size:]
	}
	return true
}

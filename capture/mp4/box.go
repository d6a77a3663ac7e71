package mp4

import (
	"encoding/binary"
	"fmt"
	"io"
)

// boxes appends ISO base media boxes (ISO/IEC 14496-12 section 4.2) to b. A box
// is begun, filled and ended; its size is patched in when it ends.
type boxes struct{ b []byte }

func (w *boxes) u8(v uint8)   { w.b = append(w.b, v) }
func (w *boxes) u16(v uint16) { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *boxes) u32(v uint32) { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *boxes) u64(v uint64) { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *boxes) raw(p []byte) { w.b = append(w.b, p...) }
func (w *boxes) str(s string) { w.b = append(w.b, s...) }
func (w *boxes) zero(n int)   { w.b = append(w.b, make([]byte, n)...) }

// box appends a box of the given four-character kind, with what fill appends.
func (w *boxes) box(kind string, fill func()) {
	start := len(w.b)
	w.u32(0)
	w.str(kind)
	fill()
	binary.BigEndian.PutUint32(w.b[start:], uint32(len(w.b)-start))
}

// full appends a FullBox: a box with version and flags.
func (w *boxes) full(kind string, version uint8, flags uint32, fill func()) {
	w.box(kind, func() {
		w.u32(uint32(version)<<24 | flags)
		fill()
	})
}

// leaf appends a box with a payload that is there already.
func (w *boxes) leaf(kind string, payload []byte) {
	w.box(kind, func() { w.raw(payload) })
}

const boxHeader = 8

// kindOf returns the size and the kind that a box header states.
func kindOf(header []byte) (size int64, kind string) {
	return int64(binary.BigEndian.Uint32(header)), string(header[4:8])
}

// children calls visit for each box that p is made of. It is an error if p is
// not tiled exactly by boxes with plain 32-bit sizes.
func children(p []byte, visit func(kind string, payload []byte) error) error {
	for len(p) > 0 {
		if len(p) < boxHeader {
			return fmt.Errorf("%d stray bytes after the last box", len(p))
		}
		size, kind := kindOf(p)
		if size < boxHeader || size > int64(len(p)) {
			return fmt.Errorf("box %q claims %d bytes, %d are there", kind, size, len(p))
		}
		if err := visit(kind, p[boxHeader:size]); err != nil {
			return err
		}
		p = p[size:]
	}
	return nil
}

// reader takes fields off the front of a payload. Past the end it yields zeros
// and remembers that it was short.
type reader struct {
	p     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.p) {
		r.short = true
		r.p = nil
		if n < 0 || n > 8 {
			n = 0
		}
		return make([]byte, n)
	}
	p := r.p[:n]
	r.p = r.p[n:]
	return p
}

func (r *reader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) err(kind string) error {
	if r.short {
		return fmt.Errorf("box %q: %w", kind, io.ErrUnexpectedEOF)
	}
	return nil
}

package mp4

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// codecString names what a sample entry holds as RFC 6381 wants it; empty when
// it cannot be told. Of kinds that this package does not write it is the
// four-character code alone.
func codecString(entry []byte) string {
	if len(entry) < boxHeader {
		return ""
	}
	_, kind := kindOf(entry)
	switch kind {
	case "avc1", "avc3":
		if c := after(entry, "avcC", 4); c != nil {
			return kind + "." + hex.EncodeToString(c[1:4])
		}
	case "hvc1", "hev1":
		if c := after(entry, "hvcC", 13); c != nil {
			return hevcString(kind, c)
		}
	case "av01":
		if c := after(entry, "av1C", 4); c != nil {
			return av1String(c)
		}
	case "mp4a":
		return mp4aString(after(entry, "esds", 4))
	case "Opus":
		return "opus"
	default:
		return kind
	}
	return ""
}

// after returns the payload of the configuration box inside a sample entry.
func after(entry []byte, kind string, atLeast int) []byte {
	i := bytes.Index(entry, []byte(kind))
	if i < 0 || len(entry)-i-4 < atLeast {
		return nil
	}
	return entry[i+4:]
}

// hevcString follows ISO/IEC 14496-15 annex E.3.
func hevcString(kind string, c []byte) string {
	space := []string{"", "A", "B", "C"}[c[1]>>6]
	tier := "L"
	if c[1]&0x20 != 0 {
		tier = "H"
	}
	compat := bits.Reverse32(uint32(c[2])<<24 | uint32(c[3])<<16 | uint32(c[4])<<8 | uint32(c[5]))
	s := fmt.Sprintf("%s.%s%d.%X.%s%d", kind, space, c[1]&0x1f, compat, tier, c[12])
	constraints := c[6:12]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, b := range constraints {
		s += fmt.Sprintf(".%X", b)
	}
	return s
}

// The tags of descriptors and the object type of AAC, from ISO/IEC 14496-1.
const (
	tagES            = 0x03
	tagDecoderConfig = 0x04
	tagDecoderInfo   = 0x05
	objectAAC        = 0x40
)

// mp4aString reads the descriptors of an esds (ISO/IEC 14496-1 section 7.2.6):
// the object type says which codec it is, and AAC's own configuration which AAC.
func mp4aString(esds []byte) string {
	r := &reader{p: esds}
	r.take(4)
	if !r.descriptor(tagES) {
		return "mp4a"
	}
	r.take(2)
	flags := r.take(1)[0]
	if flags&0x80 != 0 { // depends on another stream
		r.take(2)
	}
	if flags&0x40 != 0 { // has a URL
		r.take(min(int(r.take(1)[0]), len(r.p)))
	}
	if flags&0x20 != 0 { // has a clock of its own
		r.take(2)
	}
	if !r.descriptor(tagDecoderConfig) {
		return "mp4a"
	}
	object := r.take(1)[0]
	r.take(12) // kind of stream, buffer size, bit rates
	if object != objectAAC {
		return fmt.Sprintf("mp4a.%02X", object)
	}
	if !r.descriptor(tagDecoderInfo) {
		return "mp4a.40"
	}
	config := r.take(2)
	if r.short {
		return "mp4a.40"
	}
	kind := config[0] >> 3
	if kind == 31 {
		kind = 32 + (config[0]&7<<3 | config[1]>>5)
	}
	return fmt.Sprintf("mp4a.40.%d", kind)
}

// descriptor takes the tag and the length, of up to 4 bytes, of a descriptor.
func (r *reader) descriptor(tag byte) bool {
	if r.take(1)[0] != tag {
		return false
	}
	for range 4 {
		if r.take(1)[0]&0x80 == 0 {
			return !r.short
		}
	}
	return false
}

package mp4

import (
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
)

// codecString names what a sample entry holds as RFC 6381 wants it; empty when
// it cannot be told.
func codecString(entry []byte) string {
	if len(entry) < boxHeader {
		return ""
	}
	_, kind := kindOf(entry)
	switch kind {
	case "avc1":
		if c := after(entry, "avcC", 4); c != nil {
			return "avc1." + hex.EncodeToString(c[1:4])
		}
	case "hvc1":
		if c := after(entry, "hvcC", 13); c != nil {
			return hevcString(c)
		}
	case "av01":
		if c := after(entry, "av1C", 4); c != nil {
			return av1String(c)
		}
	case "mp4a":
		if c := after(entry, "esds", 28); c != nil {
			object := c[26] >> 3
			if object == 31 {
				object = 32 + (c[26]&7<<3 | c[27]>>5)
			}
			return fmt.Sprintf("mp4a.40.%d", object)
		}
	case "Opus":
		return "opus"
	default:
		return kind
	}
	return ""
}

// after returns the payload of the configuration box inside a sample entry.
func after(entry []byte, kind string, atLeast int) []byte {
	i := strings.Index(string(entry), kind)
	if i < 0 || len(entry)-i-4 < atLeast {
		return nil
	}
	return entry[i+4:]
}

// hevcString follows ISO/IEC 14496-15 annex E.3.
func hevcString(c []byte) string {
	space := []string{"", "A", "B", "C"}[c[1]>>6]
	tier := "L"
	if c[1]&0x20 != 0 {
		tier = "H"
	}
	compat := bits.Reverse32(uint32(c[2])<<24 | uint32(c[3])<<16 | uint32(c[4])<<8 | uint32(c[5]))
	s := fmt.Sprintf("hvc1.%s%d.%X.%s%d", space, c[1]&0x1f, compat, tier, c[12])
	constraints := c[6:12]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, b := range constraints {
		s += fmt.Sprintf(".%X", b)
	}
	return s
}

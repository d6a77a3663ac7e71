package rtsp

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"recording-agent/capture/media"
)

// recoveryPoint is the type of the message that says that decoding can start with the
// picture behind it: at once, or gradually, where an encoder sends no key frames but
// refreshes its pictures strip by strip (ITU-T H.264 D.2.8, H.265 D.3.8).
const recoveryPoint = 6

// addRecovery takes in a unit of messages, without its header.
func (au *accessUnit) addRecovery(sei []byte) {
	if first, found := message(sei, recoveryPoint); found {
		au.recovery, au.atOnce = true, first&0x80 != 0 // ue(v) or se(v) 0: after no more pictures
	}
}

// message looks for a kind of message in an SEI unit (H.264 7.3.2.3.1, H.265 7.3.5) and
// returns its first byte.
func message(sei []byte, kind int) (first byte, found bool) {
	b := unescaped{rest: sei}
	for {
		got, ok := b.number()
		if !ok {
			return 0, false
		}
		size, ok := b.number()
		if !ok || size > len(b.rest) {
			return 0, false
		}
		if got == kind && size > 0 {
			return b.next()
		}
		for range size {
			b.next()
		}
	}
}

// unescaped reads the bytes of a NAL unit without its emulation prevention.
type unescaped struct {
	rest  []byte
	zeros int
}

func (b *unescaped) next() (c byte, ok bool) {
	if b.zeros >= 2 && len(b.rest) > 0 && b.rest[0] == 3 {
		b.rest, b.zeros = b.rest[1:], 0
	}
	if len(b.rest) == 0 {
		return 0, false
	}
	c, b.rest = b.rest[0], b.rest[1:]
	if c == 0 {
		b.zeros++
	} else {
		b.zeros = 0
	}
	return c, true
}

// number reads what is written as any number of 255s and a rest.
func (b *unescaped) number() (n int, ok bool) {
	for {
		c, ok := b.next()
		if !ok || n > 1<<24 {
			return 0, false
		}
		n += int(c)
		if c != 0xff {
			return n, true
		}
	}
}

// recovers says whether a packet holds a recovery point (RFC 6184 5.6 and 5.7.1, RFC
// 7798 4.4.1 and 4.4.2).
func recovers(codec media.Codec, payload []byte) bool {
	header, messages, several := 1, byte(h264.NALUTypeSEI), byte(h264.NALUTypeSTAPA)
	kind := func(n []byte) byte { return n[0] & 0x1f }
	if codec == media.H265 {
		header, messages, several = 2, byte(h265.NALUType_PREFIX_SEI_NUT), byte(h265.NALUType_AggregationUnit)
		kind = func(n []byte) byte { return n[0] >> 1 & 0x3f }
	}
	if !codec.HasNALUnits() || len(payload) <= header {
		return false
	}
	if k := kind(payload); k != several {
		return k == messages && takeApart(codec, [][]byte{payload}).recovery
	}
	for rest := payload[header:]; len(rest) > 2; {
		size := int(rest[0])<<8 | int(rest[1])
		if rest = rest[2:]; size == 0 || size > len(rest) {
			break
		}
		if takeApart(codec, [][]byte{rest[:size]}).recovery {
			return true
		}
		rest = rest[size:]
	}
	return false
}

package rtsp

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
)

// OBU types of the AV1 specification, section 6.2.2.
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuFrameHeader       = 3
	obuFrame             = 6
	obuTileList          = 8
	obuPadding           = 15
)

// addAV1 takes in one OBU of a temporal unit. A sync sample begins with a key
// frame that is shown, behind its sequence header (AV1 Codec ISO Media File
// Format Binding, section 2.4).
func (au *accessUnit) addAV1(obu []byte) {
	head, payload, ok := splitOBU(obu)
	if !ok {
		return
	}
	switch obu[0] >> 3 & 0xf {
	case obuTemporalDelimiter, obuTileList, obuPadding:
		return
	case obuSequenceHeader:
		au.sets.SequenceHeader = append(head[:len(head):len(head)], payload...)
	case obuFrame, obuFrameHeader:
		if !au.picture && len(payload) > 0 {
			const existing, kind, shown = 0x80, 0x60, 0x10
			au.key = payload[0]&(existing|kind|shown) == shown // kind 0 is a key frame
			au.first = au.sets.SequenceHeader != nil
		}
		au.picture = true
	}
	sized := make([]byte, len(head), len(head)+4+len(payload))
	copy(sized, head)
	sized[0] |= 2
	size := av1.LEB128(len(payload))
	n := len(sized)
	sized = sized[:n+size.MarshalSize()]
	size.MarshalTo(sized[n:])
	au.units = append(au.units, append(sized, payload...))
}

// splitOBU takes the size field out of an OBU, if it has one. The header is a
// copy.
func splitOBU(obu []byte) (head, payload []byte, ok bool) {
	if len(obu) == 0 || obu[0]&0x80 != 0 {
		return nil, nil, false
	}
	n := 1 + int(obu[0]>>2&1) // with an extension
	if len(obu) < n {
		return nil, nil, false
	}
	head, payload = append([]byte(nil), obu[:n]...), obu[n:]
	if head[0]&2 == 0 {
		return head, payload, true
	}
	head[0] &^= 2
	var size av1.LEB128
	used, err := size.Unmarshal(payload)
	if err != nil || int64(size) != int64(len(payload)-used) {
		return nil, nil, false
	}
	return head, payload[used:], true
}

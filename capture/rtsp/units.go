package rtsp

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"recording-agent/capture/media"
)

// accessUnit is one access unit, taken apart.
type accessUnit struct {
	units   [][]byte // as media.Sample wants them
	sets    media.ParameterSets
	picture bool // it has a coded slice
	first   bool // it has what a picture begins with
	key     bool // it is an intra picture from which decoding can start
	leading bool // it needs a picture from before the key frame that it comes behind
	trails  bool // it has what belongs to the picture before it

	recovery bool // it says that decoding can start here, at once or gradually
	atOnce   bool
	inter    bool // it needs other pictures; H.264 only
}

// sync says whether decoding can start here. What lost its beginning in the
// network does not count, nor does a picture that needs others and says it does not.
func (au *accessUnit) sync() bool {
	return au.first && (au.key || au.recovery && !(au.atOnce && au.inter))
}

// takeApart sorts the units of an access unit (ITU-T H.264 table 7-1, H.265 table
// 7-1). They come from outside: an empty one is dropped.
func takeApart(codec media.Codec, nalus [][]byte) accessUnit {
	au := accessUnit{units: make([][]byte, 0, len(nalus))}
	for _, n := range nalus {
		if len(n) == 0 {
			continue
		}
		switch codec {
		case media.H264:
			au.addH264(n)
		case media.H265:
			au.addH265(n)
		case media.AV1:
			au.addAV1(n)
		case media.MJPEG:
			au.addJPEG(n)
		}
	}
	return au
}

func (au *accessUnit) addH264(n []byte) {
	switch h264.NALUType(n[0] & 0x1f) {
	case h264.NALUTypeAccessUnitDelimiter, h264.NALUTypeFillerData, h264.NALUTypeEndOfSequence, h264.NALUTypeEndOfStream:
		return
	case h264.NALUTypeSPS:
		au.sets.SPS = trimmed(n)
		return
	case h264.NALUTypePPS:
		if au.takePPS(media.H264, n) {
			return
		}
	case h264.NALUTypeSEI:
		au.addRecovery(n[1:])
	case h264.NALUTypeIDR:
		au.picture, au.key = true, true
		au.first = au.first || startsPicture(n, 1)
	case h264.NALUTypeNonIDR, h264.NALUTypeDataPartitionA:
		au.picture = true
		au.first = au.first || startsPicture(n, 1)
		au.inter = au.inter || !isIntra(n)
	}
	au.units = append(au.units, n)
}

func (au *accessUnit) addH265(n []byte) {
	if len(n) < 3 {
		return // a header of two bytes and nothing behind it
	}
	kind := h265.NALUType(n[0] >> 1 & 0x3f)
	switch kind {
	case h265.NALUType_AUD_NUT, h265.NALUType_FD_NUT, h265.NALUType_EOS_NUT, h265.NALUType_EOB_NUT:
		return
	case h265.NALUType_VPS_NUT:
		au.sets.VPS = trimmed(n)
		return
	case h265.NALUType_SPS_NUT:
		au.sets.SPS = trimmed(n)
		return
	case h265.NALUType_PPS_NUT:
		if au.takePPS(media.H265, n) {
			return
		}
	case h265.NALUType_PREFIX_SEI_NUT:
		au.addRecovery(n[2:])
	case h265.NALUType_SUFFIX_SEI_NUT:
		au.trails = !au.picture
	default:
		if kind < 32 {
			au.picture = true
			au.leading = au.leading || kind == h265.NALUType_RASL_N || kind == h265.NALUType_RASL_R
			au.first = au.first || startsPicture(n, 2)
		}
		au.key = au.key || kind >= h265.NALUType_BLA_W_LP && kind <= h265.NALUType_CRA_NUT
	}
	au.units = append(au.units, n)
}

// startsPicture looks at the first bit of a slice: first_mb_in_slice of H.264,
// where ue(v) 0 is a single 1 bit, and first_slice_segment_in_pic_flag of H.265.
func startsPicture(n []byte, header int) bool { return len(n) > header && n[header]&0x80 != 0 }

// isIntra reads the type of a picture's first slice of H.264 (table 7-6), which is
// written behind a single 1 bit as another ue(v).
func isIntra(n []byte) bool {
	if len(n) < 2 {
		return false
	}
	kind := n[1] << 1
	return kind>>5 == 0b011 || kind>>3 == 0b00101 || kind>>1 == 0b0001000 || kind>>1 == 0b0001010 // 2, 4, 7, 9: I, SI, and again
}

// takePPS takes out the first picture parameter set. Another one with an id of
// its own stays in the sample: the container's entry has room for one, and
// without it the pictures that use it would be lost.
func (au *accessUnit) takePPS(codec media.Codec, n []byte) bool {
	n = trimmed(n)
	if old := au.sets.PPS; old != nil && idOf(codec, old) != idOf(codec, n) {
		if idOf(codec, n) != 0 {
			return false
		}
		au.units = append(au.units, old)
	}
	au.sets.PPS = n
	return true
}

// idOf is a picture parameter set's id, which comes first in it; -1 if it has none.
func idOf(codec media.Codec, pps []byte) int {
	header := 1
	if codec == media.H265 {
		header = 2
	}
	pos := 0
	id, err := bits.ReadGolombUnsigned(pps[min(header, len(pps)):], &pos)
	if err != nil {
		return -1
	}
	return int(id)
}

// trimmed takes zeros off a parameter set's end: no NAL unit ends with one, but cameras
// send them.
func trimmed(n []byte) []byte { return bytes.TrimRight(n, "\x00") }

// merge lays newer sets over older ones, and says whether that changed anything.
func merge(old, newer media.ParameterSets) (media.ParameterSets, bool) {
	out := old
	if newer.VPS != nil {
		out.VPS = newer.VPS
	}
	if newer.SPS != nil {
		out.SPS = newer.SPS
	}
	if newer.PPS != nil {
		out.PPS = newer.PPS
	}
	if newer.SequenceHeader != nil {
		out.SequenceHeader = newer.SequenceHeader
	}
	if newer.Width != 0 {
		out.Width, out.Height = newer.Width, newer.Height
	}
	return out, !out.Equal(old)
}

// delimiter is an access unit delimiter: takeApart leaves no trace of it.
func delimiter(codec media.Codec) []byte {
	switch codec {
	case media.H264:
		return []byte{byte(h264.NALUTypeAccessUnitDelimiter), 0xf0}
	case media.H265:
		return []byte{byte(h265.NALUType_AUD_NUT) << 1, 1, 0x50}
	}
	return nil
}

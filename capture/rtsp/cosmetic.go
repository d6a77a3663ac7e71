package rtsp

import (
	"bytes"
	"math/bits"
	"reflect"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"recording-agent/capture/media"
)

// cosmetic says whether pictures are decoded the same with either of two parameter sets.
// It knows one difference that is no more than that: how many pictures a second H.264
// says that there are. Some cameras change it with each group of pictures.
func cosmetic(codec media.Codec, a, b *media.ParameterSets) bool {
	return codec == media.H264 && bytes.Equal(a.PPS, b.PPS) && sameButTiming(a.SPS, b.SPS)
}

// timingBits is the size of num_units_in_tick, time_scale and fixed_frame_rate_flag
// (H.264 E.1.1).
const timingBits = 32 + 32 + 1

// sameButTiming compares what was parsed, and the bits themselves: the parser does not
// keep all it reads. They may differ only where both have what it takes for the timing.
func sameButTiming(a, b []byte) bool {
	var x, y h264.SPS
	if x.Unmarshal(a) != nil || y.Unmarshal(b) != nil || x.VUI == nil || y.VUI == nil || x.VUI.TimingInfo == nil || y.VUI.TimingInfo == nil {
		return false
	}
	s, t := *x.VUI.TimingInfo, *y.VUI.TimingInfo
	x.VUI.TimingInfo, y.VUI.TimingInfo = nil, nil
	a, b = h264.EmulationPreventionRemove(a), h264.EmulationPreventionRemove(b)
	first, last := difference(a, b)
	if len(a) != len(b) || !reflect.DeepEqual(x, y) {
		return false
	}
	for at := max(0, last-timingBits+1); at <= first && at+timingBits <= 8*len(a); at++ {
		if word(a, at) == s.NumUnitsInTick && word(a, at+32) == s.TimeScale && word(b, at) == t.NumUnitsInTick && word(b, at+32) == t.TimeScale {
			return true
		}
	}
	return false
}

// difference returns the first and the last bit in which a and b differ.
func difference(a, b []byte) (first, last int) {
	first, last = -1, -1
	for i := range min(len(a), len(b)) {
		d := a[i] ^ b[i]
		if d == 0 {
			continue
		}
		if first < 0 {
			first = 8*i + bits.LeadingZeros8(d)
		}
		last = 8*i + 7 - bits.TrailingZeros8(d)
	}
	return first, last
}

// word reads 32 bits.
func word(b []byte, at int) (w uint32) {
	for i := at; i < at+32; i++ {
		w = w<<1 | uint32(b[i/8]>>(7-i%8)&1)
	}
	return w
}

package mp4

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
)

// av1C holds the AV1CodecConfigurationRecord (AV1 Codec ISO Media File Format
// Binding, section 2.3).
func av1C(w *boxes, header []byte) error {
	var h av1.SequenceHeader
	if err := h.Unmarshal(header); err != nil {
		return fmt.Errorf("av1 sequence header: %w", err)
	}
	flag := func(set bool, bit uint) uint8 {
		if set {
			return 1 << bit
		}
		return 0
	}
	c := &h.ColorConfig
	w.box("av1C", func() {
		w.u8(0x81) // marker, version 1
		w.u8(h.SeqProfile<<5 | h.SeqLevelIdx[0])
		w.u8(flag(h.SeqTier[0], 7) | flag(c.HighBitDepth, 6) | flag(c.TwelveBit, 5) | flag(c.MonoChrome, 4) |
			flag(c.SubsamplingX, 3) | flag(c.SubsamplingY, 2) | uint8(c.ChromaSamplePosition)&3)
		w.u8(0) // no word on the delay of presentation
		w.u8(header[0] | 2)
		for size := len(header) - 1; ; size >>= 7 { // leb128
			if size < 0x80 {
				w.u8(uint8(size))
				break
			}
			w.u8(uint8(size) | 0x80)
		}
		w.raw(header[1:])
	})
	return nil
}

// av1Rate is the frame rate that a stream promises; 0 when it does not.
func av1Rate(t *av1.SequenceHeader_TimingInfo) float64 {
	if t == nil || !t.EqualPictureInterval || t.NumUnitsInDisplayTick == 0 {
		return 0
	}
	return float64(t.TimeScale) / float64(t.NumUnitsInDisplayTick) / (float64(t.NumTicksPerPictureMinus1) + 1)
}

// av1String follows section 5 of the binding.
func av1String(c []byte) string {
	tier, depth := "M", 8
	if c[2]&0x80 != 0 {
		tier = "H"
	}
	if c[2]&0x40 != 0 {
		depth = 10
	}
	if c[2]&0x60 == 0x60 {
		depth = 12
	}
	return fmt.Sprintf("av01.%d.%02d%s.%02d", c[1]>>5, c[1]&0x1f, tier, depth)
}

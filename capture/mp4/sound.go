package mp4

import (
	"fmt"

	"recording-agent/capture/media"
)

// audioEntry builds mp4a (ISO/IEC 14496-14), Opus (its mapping, section 4.3) or
// the QuickTime entries of G.711 and LPCM, which need no transcoding.
func audioEntry(t *media.Track) ([]byte, error) {
	kinds := map[media.Codec]string{media.AAC: "mp4a", media.Opus: "Opus", media.PCMU: "ulaw", media.PCMA: "alaw", media.LPCM: "twos"}
	kind, ok := kinds[t.Codec]
	if t.Codec == media.LPCM && t.BitDepth == 24 {
		kind = "in24"
	}
	if !ok {
		return nil, fmt.Errorf("audio codec %q cannot be recorded", t.Codec)
	}
	rate := t.SampleRate
	if rate > 0xffff {
		rate = 0 // told by the decoder's own configuration
	}
	w := &boxes{}
	w.box(kind, func() {
		w.zero(6)
		w.u16(1)
		w.zero(8)
		w.u16(uint16(t.ChannelCount))
		w.u16(16)
		w.zero(4)
		w.u32(uint32(rate) << 16)
		switch t.Codec {
		case media.AAC:
			esds(w, t.AudioConfig)
		case media.Opus:
			w.box("dOps", func() {
				w.u8(0)
				w.u8(uint8(t.ChannelCount))
				w.u16(0) // no pre-skip: the stream is joined in its middle
				w.u32(uint32(t.SampleRate))
				w.u16(0)
				w.u8(0)
			})
		}
	})
	return w.b, nil
}

// esds holds the ES_Descriptor of ISO/IEC 14496-1 section 7.2.6.5.
func esds(w *boxes, config []byte) {
	n := len(config)
	w.full("esds", 0, 0, func() {
		w.raw([]byte{0x03, byte(23 + n), 0, 0, 0})
		w.raw([]byte{0x04, byte(15 + n), 0x40, 0x15})
		w.zero(11) // buffer size and bit rates unknown
		w.raw([]byte{0x05, byte(n)})
		w.raw(config)
		w.raw([]byte{0x06, 1, 2})
	})
}

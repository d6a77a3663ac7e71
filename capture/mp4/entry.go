package mp4

import (
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"recording-agent/capture/media"
)

// Video is what a video track's parameter sets say about its pictures.
type Video struct {
	Width, Height int
	FrameRate     float64 // as promised by the stream; 0 when it does not say
	Codec         string  // RFC 6381 section 3.3
}

// DescribeVideo reads a video track's parameter sets. Pictures whose size cannot
// be read are not refused: a decoder may still know what to do with them.
func DescribeVideo(t *media.Track) (Video, error) {
	entry, err := videoEntry(t)
	if err != nil {
		return Video{}, err
	}
	v := videoFormat(t).Video
	v.Codec = codecString(entry)
	return v, nil
}

type pictureFormat struct {
	Video
	chroma, lumaDepth, chromaDepth uint8 // chroma_format_idc, bit depths minus 8
}

func videoFormat(t *media.Track) pictureFormat {
	f := pictureFormat{chroma: 1}
	switch t.Codec {
	case media.H264:
		var sps h264.SPS
		if sps.Unmarshal(t.Video.SPS) == nil {
			f.Width, f.Height, f.FrameRate = sps.Width(), sps.Height(), sps.FPS()
			f.chroma, f.lumaDepth, f.chromaDepth = uint8(sps.ChromaFormatIdc), uint8(sps.BitDepthLumaMinus8), uint8(sps.BitDepthChromaMinus8)
		}
	case media.H265:
		var sps h265.SPS
		if sps.Unmarshal(t.Video.SPS) == nil {
			f.Width, f.Height, f.FrameRate = sps.Width(), sps.Height(), sps.FPS()
			f.chroma, f.lumaDepth, f.chromaDepth = uint8(sps.ChromaFormatIdc), uint8(sps.BitDepthLumaMinus8), uint8(sps.BitDepthChromaMinus8)
		}
	}
	if f.Width < 0 || f.Width > 0xffff || f.Height < 0 || f.Height > 0xffff {
		f.Width, f.Height = 0, 0
	}
	if !(f.FrameRate > 0 && f.FrameRate <= 240) {
		f.FrameRate = 0
	}
	return f
}

// sampleEntry builds the stsd entry of a track.
func sampleEntry(t *media.Track) ([]byte, error) {
	if t.Codec.IsVideo() {
		return videoEntry(t)
	}
	return audioEntry(t)
}

// videoEntry builds avc1 (ISO/IEC 14496-15 section 5.4) or hvc1 (section 8.4):
// the kinds whose parameter sets stand in the entry alone.
func videoEntry(t *media.Track) ([]byte, error) {
	f := videoFormat(t)
	p := t.Video
	if !p.Complete(t.Codec) || len(p.SPS) > 0xffff || len(p.PPS) > 0xffff || len(p.VPS) > 0xffff {
		return nil, fmt.Errorf("%s parameter sets are incomplete", t.Codec)
	}
	kind, config := "avc1", func(w *boxes) error { return avcC(w, p, f) }
	if t.Codec == media.H265 {
		kind, config = "hvc1", func(w *boxes) error { return hvcC(w, p, f) }
	}
	w := &boxes{}
	var err error
	w.box(kind, func() {
		w.zero(6)
		w.u16(1) // data reference
		w.zero(16)
		w.u16(uint16(f.Width))
		w.u16(uint16(f.Height))
		w.u32(72 << 16) // dots per inch
		w.u32(72 << 16)
		w.u32(0)
		w.u16(1) // frame count
		w.zero(32)
		w.u16(24) // depth
		w.u16(0xffff)
		err = config(w)
	})
	return w.b, err
}

func avcC(w *boxes, p media.ParameterSets, f pictureFormat) error {
	if len(p.SPS) < 4 {
		return errors.New("h264 sequence parameter set is too short")
	}
	w.box("avcC", func() {
		w.u8(1)
		w.raw(p.SPS[1:4])
		w.u8(0xff) // 4-byte lengths
		w.u8(0xe1) // one sequence parameter set
		w.u16(uint16(len(p.SPS)))
		w.raw(p.SPS)
		w.u8(1)
		w.u16(uint16(len(p.PPS)))
		w.raw(p.PPS)
		switch p.SPS[1] {
		case 100, 110, 122, 144, 244:
			w.u8(0xfc | f.chroma)
			w.u8(0xf8 | f.lumaDepth)
			w.u8(0xf8 | f.chromaDepth)
			w.u8(0)
		}
	})
	return nil
}

func hvcC(w *boxes, p media.ParameterSets, f pictureFormat) error {
	// Two bytes of NAL header, one of ids, then general profile_tier_level.
	sps := h264.EmulationPreventionRemove(p.SPS)
	if len(sps) < 15 {
		return errors.New("h265 sequence parameter set is too short")
	}
	layers, nested := sps[2]>>1&7+1, sps[2]&1
	w.box("hvcC", func() {
		w.u8(1)
		w.raw(sps[3:15])
		w.u16(0xf000) // no spatial segmentation
		w.u8(0xfc)    // parallelism unknown
		w.u8(0xfc | f.chroma)
		w.u8(0xf8 | f.lumaDepth)
		w.u8(0xf8 | f.chromaDepth)
		w.u16(0) // average frame rate unknown
		w.u8(layers<<3 | nested<<2 | 3)
		w.u8(3)
		for _, set := range []struct {
			kind h265.NALUType
			nalu []byte
		}{{h265.NALUType_VPS_NUT, p.VPS}, {h265.NALUType_SPS_NUT, p.SPS}, {h265.NALUType_PPS_NUT, p.PPS}} {
			w.u8(0x80 | uint8(set.kind))
			w.u16(1)
			w.u16(uint16(len(set.nalu)))
			w.raw(set.nalu)
		}
	})
	return nil
}

// audioEntry builds mp4a (ISO/IEC 14496-14), Opus (its mapping, section 4.3) or
// the QuickTime entries of G.711, which need no transcoding.
func audioEntry(t *media.Track) ([]byte, error) {
	kinds := map[media.Codec]string{media.AAC: "mp4a", media.Opus: "Opus", media.PCMU: "ulaw", media.PCMA: "alaw"}
	kind, ok := kinds[t.Codec]
	if !ok {
		return nil, fmt.Errorf("audio codec %q cannot be recorded", t.Codec)
	}
	if t.Codec == media.Opus && t.ChannelCount > 2 {
		return nil, fmt.Errorf("opus with %d channels cannot be recorded", t.ChannelCount)
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
	config = config[:min(len(config), 64)]
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

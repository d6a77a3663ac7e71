package mp4

import (
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
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
	case media.AV1:
		var h av1.SequenceHeader
		if h.Unmarshal(t.Video.SequenceHeader) == nil {
			f.Width, f.Height, f.FrameRate = h.Width(), h.Height(), av1Rate(h.TimingInfo)
		}
	case media.MJPEG:
		f.Width, f.Height = t.Video.Width, t.Video.Height
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

// videoEntry builds avc1 (ISO/IEC 14496-15 section 5.4) or hvc1 (section 8.4),
// the kinds whose parameter sets stand in the entry alone, av01 (AV1 Codec ISO
// Media File Format Binding, section 2.2), or QuickTime's jpeg.
func videoEntry(t *media.Track) ([]byte, error) {
	f := videoFormat(t)
	p := t.Video
	if !p.Complete(t.Codec) || max(len(p.SPS), len(p.PPS), len(p.VPS), len(p.SequenceHeader)) > 0xffff {
		return nil, fmt.Errorf("%s parameter sets are incomplete", t.Codec)
	}
	kind, config := "avc1", func(w *boxes) error { return avcC(w, p, f) }
	switch t.Codec {
	case media.H265:
		kind, config = "hvc1", func(w *boxes) error { return hvcC(w, p, f) }
	case media.AV1:
		kind, config = "av01", func(w *boxes) error { return av1C(w, p.SequenceHeader) }
	case media.MJPEG:
		kind, config = "jpeg", func(*boxes) error { return nil }
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

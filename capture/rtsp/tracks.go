package rtsp

import (
	"errors"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpav1"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/pion/rtp"

	"recording-agent/capture/media"
)

// source is a track together with where it comes from in the session description.
type source struct {
	track media.Track
	media *description.Media
	forma format.Format

	// decode returns the access unit or audio frames that a packet completes.
	decode decode
	// decoder makes another decode, which knows nothing of what came before. Only
	// video has it.
	decoder func() (decode, error)
	// frameTicks is how long an audio frame lasts.
	frameTicks func(frame []byte) int64
}

// PTSEqualsDTS says whether the timestamps of a track may begin with a packet. A
// stream without key frames begins with a recovery point.
func (s *source) PTSEqualsDTS(pkt *rtp.Packet) bool {
	return s.forma.PTSEqualsDTS(pkt) || s.track.Codec.IsVideo() && recovers(s.track.Codec, pkt.Payload)
}

// ClockRate is that of the timestamps.
func (s *source) ClockRate() int { return s.track.ClockRate }

type decode func(pkt *rtp.Packet) ([][]byte, error)

// newSource returns nil for formats that are not recorded.
func newSource(m *description.Media, f format.Format) (*source, error) {
	s := &source{media: m, forma: f, track: media.Track{ClockRate: f.ClockRate()}}
	switch f := f.(type) {
	case *format.H264:
		s.track.Codec, s.track.Video = media.H264, media.ParameterSets{SPS: f.SPS, PPS: f.PPS}
		s.decoder = func() (decode, error) { return decoderOf(f.CreateDecoder()) }
	case *format.H265:
		s.track.Codec, s.track.Video = media.H265, media.ParameterSets{VPS: f.VPS, SPS: f.SPS, PPS: f.PPS}
		s.decoder = func() (decode, error) { return decoderOf(f.CreateDecoder()) }
	case *format.AV1:
		s.track.Codec = media.AV1
		s.decoder = func() (decode, error) { return decoderOf(f.CreateDecoder()) }
	case *format.MJPEG:
		s.track.Codec = media.MJPEG
		s.decoder = func() (decode, error) {
			d, err := f.CreateDecoder()
			if err != nil {
				return nil, err
			}
			return oneFrame(d.Decode), nil
		}
	case *format.MPEG4Audio:
		return s, s.aac(f)
	case *format.LPCM:
		return s, s.lpcm(f)
	case *format.Opus:
		d, err := f.CreateDecoder()
		if err != nil {
			return nil, err
		}
		s.track.Codec, s.track.ChannelCount, s.track.SampleRate = media.Opus, f.ChannelCount, 48000
		s.decode = oneFrame(d.Decode)
		s.frameTicks = opus.PacketDuration2
	case *format.G711:
		d, err := f.CreateDecoder()
		if err != nil {
			return nil, err
		}
		s.track.Codec, s.track.ChannelCount, s.track.SampleRate = media.PCMA, f.ChannelCount, f.SampleRate
		if f.MULaw {
			s.track.Codec = media.PCMU
		}
		s.decode = oneFrame(d.Decode)
		s.frameTicks = func(frame []byte) int64 { return int64(len(frame) / max(1, f.ChannelCount)) }
	default:
		return nil, nil
	}
	if s.decoder != nil {
		var err error
		s.decode, err = s.decoder()
		return s, err
	}
	return s, nil
}

func decoderOf[D interface {
	Decode(pkt *rtp.Packet) ([][]byte, error)
}](d D, err error) (decode, error) {
	if err != nil {
		return nil, err
	}
	return d.Decode, nil
}

// aacFrame is how many samples an AAC access unit holds (ISO/IEC 14496-3; the 960
// of a shorter transform is not used by cameras).
const aacFrame = 1024

func (s *source) aac(f *format.MPEG4Audio) error {
	d, err := f.CreateDecoder()
	if err != nil {
		return err
	}
	config, err := f.Config.Marshal()
	if err != nil {
		return err
	}
	s.track.Codec, s.track.AudioConfig = media.AAC, config
	s.track.ChannelCount, s.track.SampleRate = f.Config.ChannelCount, f.Config.SampleRate
	s.decode = d.Decode
	s.frameTicks = func([]byte) int64 { return aacFrame }
	return nil
}

func (s *source) lpcm(f *format.LPCM) error {
	s.track.Codec, s.track.BitDepth = media.LPCM, f.BitDepth
	s.track.ChannelCount, s.track.SampleRate = f.ChannelCount, f.SampleRate
	d, err := f.CreateDecoder()
	if err != nil {
		return err
	}
	s.decode = oneFrame(d.Decode)
	s.frameTicks = func(frame []byte) int64 { return int64(len(frame) / max(1, f.ChannelCount*f.BitDepth/8)) }
	return nil
}

// isUnfinished says whether an error of a decoder is none: its access unit has
// not arrived whole, or is one whose beginning was not seen.
func isUnfinished(err error) bool {
	for _, target := range []error{
		rtph264.ErrMorePacketsNeeded, rtph264.ErrNonStartingPacketAndNoPrevious,
		rtph265.ErrMorePacketsNeeded, rtph265.ErrNonStartingPacketAndNoPrevious,
		rtpav1.ErrMorePacketsNeeded, rtpav1.ErrNonStartingPacketAndNoPrevious,
		rtpmjpeg.ErrMorePacketsNeeded, rtpmjpeg.ErrNonStartingPacketAndNoPrevious,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func oneFrame(decode func(*rtp.Packet) ([]byte, error)) func(*rtp.Packet) ([][]byte, error) {
	return func(pkt *rtp.Packet) ([][]byte, error) {
		frame, err := decode(pkt)
		if err != nil || len(frame) == 0 {
			return nil, err
		}
		return [][]byte{frame}, nil
	}
}

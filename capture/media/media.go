// Package media holds what flows from a camera's session to the container: the
// tracks that a stream announces and the samples that follow. It knows neither
// RTSP nor MP4.
package media

import (
	"bytes"
	"fmt"
	"time"
)

// Codec names the format of a track's samples.
type Codec string

// The codecs that are recorded. A stream may carry others; their tracks are left out.
const (
	H264  Codec = "h264"  // ISO/IEC 14496-10
	H265  Codec = "h265"  // ISO/IEC 23008-2
	AV1   Codec = "av1"   // AV1 Bitstream & Decoding Process Specification
	MJPEG Codec = "mjpeg" // each picture a JPEG file, ITU-T T.81
	AAC   Codec = "aac"   // ISO/IEC 14496-3
	Opus  Codec = "opus"  // RFC 6716
	PCMU  Codec = "pcmu"  // ITU-T G.711 µ-law, 8 bits per sample
	PCMA  Codec = "pcma"  // ITU-T G.711 A-law, 8 bits per sample
	LPCM  Codec = "lpcm"  // signed, big-endian, 16 or 24 bits per sample
)

// IsVideo says whether the codec is one of pictures.
func (c Codec) IsVideo() bool { return c.HasNALUnits() || c == AV1 || c == MJPEG }

// HasNALUnits says whether a container puts its length before each unit.
func (c Codec) HasNALUnits() bool { return c == H264 || c == H265 }

// Track describes one elementary stream of a session.
type Track struct {
	Codec     Codec
	ClockRate int // ticks per second of DTS and PTS

	Video ParameterSets // video only; empty until the stream has shown them

	AudioConfig  []byte // AAC only: AudioSpecificConfig, ISO/IEC 14496-3 section 1.6.2.1
	ChannelCount int    // audio only
	SampleRate   int    // audio only, Hz
	BitDepth     int    // LPCM only
}

// ParameterSets are what a decoder has to know before the first picture, without
// start codes or lengths.
type ParameterSets struct {
	VPS            []byte // H.265 only
	SPS, PPS       []byte // H.264 and H.265
	SequenceHeader []byte // AV1 only: the OBU, without a size field
	Width, Height  int    // MJPEG only
}

// Complete says whether a decoder for codec can be set up from these sets.
func (p ParameterSets) Complete(codec Codec) bool {
	switch codec {
	case AV1:
		return len(p.SequenceHeader) > 0
	case MJPEG:
		return p.Width > 0 && p.Height > 0
	case H265:
		return len(p.SPS) > 0 && len(p.PPS) > 0 && len(p.VPS) > 0
	}
	return len(p.SPS) > 0 && len(p.PPS) > 0
}

// Equal compares byte for byte.
func (p ParameterSets) Equal(o ParameterSets) bool {
	return bytes.Equal(p.VPS, o.VPS) && bytes.Equal(p.SPS, o.SPS) && bytes.Equal(p.PPS, o.PPS) &&
		bytes.Equal(p.SequenceHeader, o.SequenceHeader) && p.Width == o.Width && p.Height == o.Height
}

// Clone returns sets that share no memory with these.
func (p ParameterSets) Clone() ParameterSets {
	p.VPS, p.SPS, p.PPS, p.SequenceHeader = bytes.Clone(p.VPS), bytes.Clone(p.SPS), bytes.Clone(p.PPS), bytes.Clone(p.SequenceHeader)
	return p
}

// Sample is one video access unit or one audio frame.
type Sample struct {
	Track int // index into the tracks that the session announced

	// DTS and PTS are in ticks of the track's clock rate. Zero is the same
	// instant for all tracks of a session. DTS never decreases within a track.
	DTS, PTS int64

	// Wall is the host's time at which the sample was taken: the arrival of the
	// least-delayed sample so far, carried on by the stream's own clock.
	Wall time.Time

	// DatedAt is the reading of the host's clock from which Wall was found. Zero: Wall is
	// by the clock as it is when the sample is handed on.
	DatedAt time.Time

	// CameraTime is what the camera's own clock showed when a picture was taken, as its
	// sender reports say; zero when they do not. Nothing is dated by it.
	CameraTime time.Time

	// Sync is set on video samples from which decoding can start.
	Sync bool

	// Cut is set on a sync sample before which the camera's time line broke: a segment
	// that is one stretch of time ends before it.
	Cut bool

	// Units are the sample's pieces: NAL units without start codes (delimiters and
	// parameter sets already taken out), AV1's OBUs with size fields (without
	// delimiters), one JPEG file, or exactly one frame of sound. The receiver may
	// keep them until it returns.
	Units [][]byte

	// Params is set on a sync sample whose parameter sets differ from those in
	// force before it; the receiver owns it. Cosmetic says that with those the pictures
	// are decoded just the same.
	Params   *ParameterSets
	Cosmetic bool
}

// Size is the number of bytes the sample takes in a container that has 4-byte
// lengths before NAL units.
func (s *Sample) Size(codec Codec) int {
	n := 0
	for _, u := range s.Units {
		n += len(u)
	}
	if codec.HasNALUnits() {
		n += 4 * len(s.Units)
	}
	return n
}

// Duration converts ticks of a clock rate to time, without overflow for any
// realistic recording length.
func Duration(ticks int64, clockRate int) time.Duration {
	rate := int64(clockRate)
	return time.Duration(ticks/rate)*time.Second + time.Duration(ticks%rate)*time.Second/time.Duration(rate)
}

// Ticks converts time to ticks of a clock rate, rounding towards zero.
func Ticks(d time.Duration, clockRate int) int64 {
	rate := int64(clockRate)
	return int64(d/time.Second)*rate + int64(d%time.Second)*rate/int64(time.Second)
}

// ClockStep is by how much the host's wall clock was set between two readings: what
// it has passed more than the monotonic clock. It is 0 where a reading has none.
func ClockStep(before, now time.Time) time.Duration {
	return now.Round(0).Sub(before.Round(0)) - now.Sub(before)
}

// Validate refuses tracks that cannot be written: they come from outside.
func (t *Track) Validate() error {
	if t.ClockRate <= 0 || t.ClockRate > 10_000_000 {
		return fmt.Errorf("%s track: clock rate %d is out of range", t.Codec, t.ClockRate)
	}
	if t.Codec.IsVideo() {
		return nil
	}
	if t.ChannelCount < 1 || t.ChannelCount > 8 || t.SampleRate < 1000 || t.SampleRate > 384_000 {
		return fmt.Errorf("%s track: %d channels at %d Hz is out of range", t.Codec, t.ChannelCount, t.SampleRate)
	}
	switch {
	case t.Codec == AAC && (len(t.AudioConfig) < 2 || len(t.AudioConfig) > 64):
		return fmt.Errorf("aac track: an AudioSpecificConfig of %d bytes", len(t.AudioConfig))
	case t.Codec == Opus && t.ChannelCount > 2:
		return fmt.Errorf("opus track: %d channels cannot be recorded", t.ChannelCount)
	case t.Codec == LPCM && (t.BitDepth != 16 && t.BitDepth != 24 || t.SampleRate > 0xffff):
		return fmt.Errorf("lpcm track: %d bits at %d Hz cannot be recorded", t.BitDepth, t.SampleRate)
	}
	return nil
}

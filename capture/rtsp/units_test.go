package rtsp

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/rtptime"
	"github.com/pion/rtp"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// kinds of NAL units that belong into the container's sample entry or nowhere.
func belongsOutside(codec media.Codec, n []byte) bool {
	switch codec {
	case media.H264:
		return slices.Contains([]byte{7, 8, 9, 10, 11, 12}, n[0]&0x1f) // SPS, PPS, AUD, ends, filler
	case media.AV1:
		return slices.Contains([]byte{obuTemporalDelimiter, obuTileList, obuPadding}, n[0]>>3&0xf) || n[0]&2 == 0 // without a size
	case media.MJPEG:
		return false
	}
	return slices.Contains([]byte{32, 33, 34, 35, 36, 37, 38}, n[0]>>1&0x3f)
}

func isPPS(codec media.Codec, n []byte) bool {
	return codec == media.H264 && n[0]&0x1f == 8 || codec == media.H265 && n[0]>>1&0x3f == 34
}

// The session description has no parameter sets: those of the stream are taken,
// and taken out.
func TestParameterSetsInBand(t *testing.T) {
	for _, codec := range []media.Codec{media.H264, media.H265} {
		t.Run(string(codec), func(t *testing.T) {
			key := clip(t, codec)[0].nalus
			want := takeApart(codec, key).sets
			if !want.Complete(codec) || !slices.ContainsFunc(key, func(n []byte) bool { return belongsOutside(codec, n) && !isPPS(codec, n) }) {
				t.Fatal("the clip's first picture brings no parameter sets: it cannot show anything")
			}
			c := &collector{enough: 50}
			if err := runSession(t, options(t, camera(t, codec, play(t, codec, 0))), c); !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			c.check(t, codec, "")
			if !c.tracks[0].Video.Equal(want) {
				t.Errorf("the track has the parameter sets %x, want those of the stream, %x", c.tracks[0].Video, want)
			}
			for i, s := range c.samples {
				if len(s.Units) == 0 || slices.ContainsFunc(s.Units, func(n []byte) bool { return belongsOutside(codec, n) }) {
					t.Fatalf("sample %d has %d units, among them a delimiter or a parameter set", i, len(s.Units))
				}
				if s.Params != nil {
					t.Fatalf("sample %d says that the parameter sets changed", i)
				}
			}
		})
	}
}

// slices of hand-made pictures. All but the first begin after the first
// macroblock or coding tree block.
func slice(codec media.Codec, key, first bool, mark byte) []byte {
	if codec == media.H264 {
		return []byte{map[bool]byte{true: 0x65, false: 0x41}[key], map[bool]byte{true: 0x80, false: 0x40}[first] | 1, mark, mark}
	}
	return []byte{map[bool]byte{true: 19 << 1, false: 1 << 1}[key], 1, map[bool]byte{true: 0x80, false: 0x00}[first] | 1, mark}
}

// A key frame of which a part is missing is no place where decoding can start.
func TestTornKeyFrame(t *testing.T) {
	const torn, whole = 0xaa, 0xbb
	for _, codec := range []media.Codec{media.H264, media.H265} {
		sets := takeApart(codec, clip(t, codec)[0].nalus).sets
		for _, tc := range []struct {
			name string
			lost int
		}{
			{"its first slice", 0}, {"a slice in the middle", 1}, {"its last slice", 2},
		} {
			t.Run(string(codec)+" "+tc.name, func(t *testing.T) {
				var all []*rtp.Packet
				sequence := uint16(0)
				add := func(timestamp uint32, last bool, nalu []byte) {
					sequence++
					all = append(all, &rtp.Packet{
						Header:  rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: sequence, Timestamp: timestamp, Marker: last},
						Payload: nalu,
					})
				}
				keyFrame := func(timestamp uint32, mark byte, lost int) {
					for _, set := range [][]byte{sets.VPS, sets.SPS, sets.PPS} {
						if set != nil {
							add(timestamp, false, set)
						}
					}
					for i := range 3 {
						add(timestamp, i == 2, slice(codec, true, i == 0, mark))
						if i == lost {
							all = all[:len(all)-1]
						}
					}
				}
				keyFrame(0, 1, -1)
				add(3600, true, slice(codec, false, true, 2))
				keyFrame(7200, torn, tc.lost)
				add(10800, true, slice(codec, false, true, torn))
				add(14400, true, slice(codec, false, true, torn))
				keyFrame(18000, whole, -1)
				c := &collector{enough: 3}
				err := runSession(t, options(t, camera(t, codec, func(p *rtsptest.Player) {
					for _, pkt := range all {
						if p.Send(0, pkt) != nil {
							return
						}
					}
				})), c)
				if !errors.Is(err, errEnough) {
					t.Fatal(err)
				}
				if c.damages != 1 {
					t.Errorf("%d times damaged, want once", c.damages)
				}
				s := c.samples[2]
				if !s.Sync || s.PTS != 18000 || len(s.Units) != 3 || s.Units[0][3] != whole {
					t.Errorf("after the damage comes sync %v at %d with %x, want the whole key frame at 18000", s.Sync, s.PTS, s.Units)
				}
			})
		}
	}
}

// Pictures that need one from before their key frame go when that is lost, and only
// then: what follows the key frame stays.
func TestLeadingPicturesAfterDamage(t *testing.T) {
	sets := takeApart(media.H265, clip(t, media.H265)[0].nalus).sets
	cra := [][]byte{sets.VPS, sets.SPS, sets.PPS, {21 << 1, 1, 0x81, 1}}
	rasl, radl, trail := [][]byte{{8 << 1, 1, 0x81, 2}}, [][]byte{{6 << 1, 1, 0x81, 3}}, [][]byte{{1 << 1, 1, 0x81, 4}}
	v := &video{codec: media.H265, rate: 90000}
	pts := int64(0)
	for _, step := range []struct {
		what  string
		nalus [][]byte
		kept  bool
	}{
		{"the first key frame", cra, true}, {"a picture that leads it", rasl, false}, {"one that leads and needs nothing", radl, true}, {"one behind it", trail, true},
		{"a key frame", cra, true}, {"a picture that leads it", rasl, true}, {"one behind it", trail, true},
		{"damage", nil, false},
		{"a picture after damage", trail, false}, {"a key frame after damage", cra, true}, {"a picture that leads it", rasl, false}, {"one behind it", trail, true},
		{"the next key frame", cra, true}, {"a picture that leads it", rasl, true},
	} {
		if step.nalus == nil {
			v.damaged()
			continue
		}
		pts += 3600
		if kept := v.sample(step.nalus, pts, time.Now()) != nil; kept != step.kept {
			t.Errorf("%s: kept %v, want %v", step.what, kept, step.kept)
		}
	}
}

// Messages without a picture wait for it, but not in any number or size.
func TestMessagesWithoutPictureAreBounded(t *testing.T) {
	key := clip(t, media.H264)[0].nalus
	v := newVideo(&media.Track{Codec: media.H264, ClockRate: 90000})
	if v.sample(key, 0, time.Now()) == nil {
		t.Fatal("a key frame was left out")
	}
	sei := append([]byte{6}, make([]byte, 1<<20)...)
	for n := range int64(100) {
		if v.sample([][]byte{sei}, 3600*n, time.Now()) != nil {
			t.Fatal("a message became a sample")
		}
	}
	s := v.sample([][]byte{slice(media.H264, false, true, 1)}, 400000, time.Now())
	if size := s.Size(media.H264); size > 4<<20 {
		t.Errorf("100 MiB of messages left a sample of %d bytes", size)
	}
}

// fuzzPackets cuts bytes into RTP packets: two bytes of length, one of flags
// (1 marker, 2 gap, 4 timestamp stays, 8 it jumps), then the payload.
func fuzzPackets(data []byte) []*rtp.Packet {
	var out []*rtp.Packet
	sequence, timestamp := uint16(0), uint32(math.MaxUint32-9000)
	for len(data) >= 3 && len(out) < 2000 {
		n, flags := min(int(data[0])<<8|int(data[1]), len(data)-3), data[2]
		sequence++
		if flags&2 != 0 {
			sequence++
		}
		if flags&8 != 0 {
			timestamp += uint32(n) * uint32(flags) * 65537
		}
		out = append(out, &rtp.Packet{
			Header:  rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: sequence, Timestamp: timestamp, Marker: flags&1 != 0},
			Payload: data[3 : 3+n],
		})
		if flags&4 == 0 {
			timestamp += 3600
		}
		data = data[3+n:]
	}
	return out
}

func appendFuzzPacket(b []byte, flags byte, payload []byte) []byte {
	return append(append(b, byte(len(payload)>>8), byte(len(payload)), flags), payload...)
}

// fuzzSeed is the beginning of a clip with the middle of its pictures left out:
// aggregated and fragmented as on the wire, or one unit a packet, its end cut.
func fuzzSeed(t testing.TB, codec media.Codec, wire bool, flags byte) []byte {
	var out []byte
	pack := newPacketizer(t, codec)
	for _, u := range clip(t, codec)[:12] {
		var payloads [][]byte
		if wire {
			for _, pkt := range pack.packets(u.nalus, 0) {
				payloads = append(payloads, pkt.Payload)
			}
			if len(payloads) > 8 {
				payloads = append(payloads[:6:6], payloads[len(payloads)-2:]...)
			}
		} else {
			for _, n := range u.nalus {
				payloads = append(payloads, n[:min(100, len(n))])
			}
		}
		for i, payload := range payloads {
			f := flags | 4
			if i == len(payloads)-1 {
				f = flags | 1
			}
			out = appendFuzzPacket(out, f, payload)
		}
	}
	return out
}

// checker holds samples against what every sink may rely on.
type checker struct {
	codec  media.Codec
	any    bool
	broken bool // a sync sample has to come next
	last   int64
}

func (c *checker) sample(t *testing.T, s *media.Sample, now time.Time) {
	if (!c.any || c.broken) && !s.Sync {
		t.Fatal("a stretch begins with a picture that is no key frame")
	}
	if c.any && s.DTS <= c.last || s.PTS < s.DTS {
		t.Fatalf("DTS %d, PTS %d after DTS %d", s.DTS, s.PTS, c.last)
	}
	if s.Params != nil && (!s.Sync || !s.Params.Complete(c.codec) || !c.any) {
		t.Fatal("a change of parameter sets that is incomplete or out of place")
	}
	if off := now.Sub(s.Wall); s.DTS == s.PTS && (off < -maxOffset || off > maxOffset) {
		t.Fatalf("dated %v from its arrival", off)
	}
	c.units(t, s)
	c.any, c.broken, c.last = true, false, s.DTS
}

func (c *checker) units(t *testing.T, s *media.Sample) {
	if size := s.Size(c.codec); size > 9<<20 {
		t.Fatalf("a sample of %d bytes", size)
	}
	picture := false
	for _, n := range s.Units {
		if len(n) == 0 {
			t.Fatal("an empty unit")
		}
		if belongsOutside(c.codec, n) && !isPPS(c.codec, n) { // a second PPS has no other place
			t.Fatalf("unit %x does not belong into a sample", n[:1])
		}
		switch kind := n[0] >> 3 & 0xf; c.codec {
		case media.H264:
			picture = picture || n[0]&0x1f <= 5
		case media.H265:
			picture = picture || n[0]>>1&0x3f < 32
		case media.AV1:
			picture = picture || kind == obuFrame || kind == obuFrameHeader
		case media.MJPEG:
			picture = picture || bytes.HasPrefix(n, []byte{0xff, 0xd8})
		}
	}
	if !picture {
		t.Fatal("a sample without a picture")
	}
}

var videoCodecs = []media.Codec{media.H264, media.H265, media.AV1, media.MJPEG}

func FuzzUnits(f *testing.F) {
	for kind, codec := range videoCodecs {
		f.Add(uint8(kind), fuzzSeed(f, codec, true, 0))
		f.Add(uint8(kind), fuzzSeed(f, codec, false, 0))
		f.Add(uint8(kind), fuzzSeed(f, codec, false, 2))
		f.Add(uint8(kind), fuzzSeed(f, codec, false, 8))
		if !codec.HasNALUnits() {
			continue
		}
		var same []byte // pictures that are all shown at once, without a gap
		for _, nalu := range clip(f, codec)[0].nalus {
			same = appendFuzzPacket(same, 4, nalu[:min(60, len(nalu))])
		}
		for n := range byte(5) {
			same = appendFuzzPacket(same, 5, slice(codec, n%2 == 0, true, n))
		}
		f.Add(uint8(kind), same)
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		codec := videoCodecs[int(kind)%len(videoCodecs)]
		forma := plainFormat(codec)
		src, err := newSource(&description.Media{}, forma)
		if err != nil {
			t.Fatal(err)
		}
		stamps := &rtptime.GlobalDecoder2{}
		stamps.Initialize()
		v := newVideo(&media.Track{Codec: codec, ClockRate: 90000})
		c := checker{codec: codec}
		now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		last := uint16(0)
		for _, pkt := range fuzzPackets(data) {
			now = now.Add(time.Millisecond)
			if pkt.SequenceNumber != last+1 && v.damaged() {
				c.broken = true
			}
			last = pkt.SequenceNumber
			pts, ok := stamps.Decode(forma, pkt)
			if !ok {
				continue
			}
			nalus, err := src.decode(pkt)
			if err != nil {
				continue
			}
			if s := v.sample(nalus, pts, now); s != nil {
				c.sample(t, s, now)
			}
		}
	})
}

// Seeds that nothing comes of would test nothing.
func TestFuzzSeedsMakeSamples(t *testing.T) {
	for _, codec := range videoCodecs {
		for _, wire := range []bool{true, false} {
			if !wire && !codec.HasNALUnits() {
				continue // a unit is no payload
			}
			src, err := newSource(&description.Media{}, plainFormat(codec))
			if err != nil {
				t.Fatal(err)
			}
			v, n := newVideo(&media.Track{Codec: codec, ClockRate: 90000}), 0
			for _, pkt := range fuzzPackets(fuzzSeed(t, codec, wire, 0)) {
				if nalus, err := src.decode(pkt); err == nil && v.sample(nalus, int64(n)*3600, time.Now()) != nil {
					n++
				}
			}
			if n < 5 {
				t.Errorf("%s, wire %v: %d samples of a seed, want 5 or more", codec, wire, n)
			}
		}
	}
}

// Units are handed out as they came: not one bit of footage is changed.
func TestUnitsAreTheCamerasBytes(t *testing.T) {
	for _, codec := range []media.Codec{media.H264, media.H265} {
		units := clip(t, codec)
		v := newVideo(&media.Track{Codec: codec, ClockRate: 90000})
		for i, u := range units {
			s := v.sample(u.nalus, u.pts, time.Now())
			if s == nil {
				t.Fatalf("%s: picture %d was left out", codec, i)
			}
			var want [][]byte
			for _, n := range u.nalus {
				if !belongsOutside(codec, n) {
					want = append(want, n)
				}
			}
			if !slices.EqualFunc(s.Units, want, bytes.Equal) {
				t.Fatalf("%s: picture %d has %d units, want the %d of the stream", codec, i, len(s.Units), len(want))
			}
		}
	}
}

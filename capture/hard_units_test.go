package capture_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"

	"recording-agent/capture/rtsp/rtsptest"
)

const (
	slices264 = plain + ":slices=3:sliced-threads=0"
	slices265 = x265 + "keyint=25:min-keyint=25:scenecut=0:bframes=0:slices=2"
	pyramid   = x264 + "keyint=25:min-keyint=25:scenecut=0:bframes=3:b-adapt=0:b-pyramid=normal"
	bframes5  = x265 + "keyint=25:min-keyint=25:scenecut=0:bframes=3:b-adapt=0:open-gop=1"
)

// Cameras that end an access unit where none ends, or nowhere, lose nothing.
func TestHardAccessUnits(t *testing.T) {
	mark := func(yes func(f *film, n []byte) bool) func(s *sender, f *film, u *unit) {
		return func(s *sender, f *film, u *unit) {
			s.pace(10 * time.Millisecond)
			var part [][]byte
			for i, n := range u.nalus {
				if part = append(part, n); yes(f, n) || i == len(u.nalus)-1 {
					s.unit(f, part, uint32(u.pts))
					part = nil
				}
			}
		}
	}
	for _, tc := range []struct {
		name, size, film string
		least            int // units that a key frame has
		send             func(s *sender, f *film, u *unit)
	}{
		{"a marker on each slice", "192x128", slices264, 5, mark(func(*film, []byte) bool { return true })},
		{"a marker on each slice, B-frames", "192x128", bframes + ":slices=3", 5, mark(func(*film, []byte) bool { return true })},
		{"a marker on each slice of H.265", "256x256", slices265, 5, mark(func(*film, []byte) bool { return true })},
		{"a marker on each parameter set and message", "192x128", plain, 4, mark(func(f *film, n []byte) bool {
			return f.isSet(n) || f.isMessage(n)
		})},
		{"a marker on each parameter set of H.265", "256x256", plain265, 4, mark(func(f *film, n []byte) bool { return f.isSet(n) || f.isMessage(n) })},
		{"no marker, B-frames", "192x128", pyramid, 4, func(s *sender, f *film, u *unit) {
			s.change = func(pkt *rtp.Packet) { pkt.Marker = false }
			s.picture(f, u.nalus, uint32(u.pts))
		}},
		{"no marker, H.265 with B-frames", "256x256", bframes5, 4, func(s *sender, f *film, u *unit) {
			s.change = func(pkt *rtp.Packet) { pkt.Marker = false }
			s.picture(f, u.nalus, uint32(u.pts))
		}},
		{"messages with timestamps of their own", "192x128", plain, 4, func(s *sender, f *film, u *unit) {
			s.pace(10 * time.Millisecond)
			s.unit(f, [][]byte{userData(u.id)}, uint32(u.pts)-5*tick)
			s.unit(f, u.nalus, uint32(u.pts))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := shoot(t, 100, tc.size, tc.film)
			if n := len(f.units[0].nalus); n < tc.least {
				t.Fatalf("the first picture has %d units: it cannot show anything", n)
			}
			r := record(t, hard{script: rtsptest.Script{SDP: f.sdp()}, play: func(s *sender) {
				for i := range f.units {
					tc.send(s, f, &f.units[i])
				}
				// Where there is no marker only what follows shows that a picture is over.
				s.unit(f, [][]byte{f.delimiter()}, uint32(f.units[len(f.units)-1].pts)+10*tick)
			}})
			segments := r.whole(f, 0, 100)
			r.count(1)
			r.noGap()
			r.lasts(time.Second, 40*time.Millisecond)
			segments[0].even(t)
		})
	}
}

// userData is a message that says a number (H.264 D.1.7).
func userData(n int) []byte {
	return append(append([]byte{6, 5, 18}, slices.Repeat([]byte{0xa5}, 16)...), byte(n)|0x80, 0x11, 0x80)
}

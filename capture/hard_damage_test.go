package capture_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
)

// What is damaged is left out up to the next key frame, and a row says so; what is not
// damaged is there.
func TestHardDamage(t *testing.T) {
	f := shoot(t, 100, "192x128", plain)
	sliced := shoot(t, 100, "192x128", slices264)
	f265 := shoot(t, 100, "256x256", plain265)
	show := func(f *film, at int, do func(s *sender)) func(s *sender) {
		return func(s *sender) {
			s.show(f, 0, at, nil)
			do(s)
			s.show(f, at+1, 100, nil)
		}
	}
	lose := func(f *film, which func(i, of int) bool) func(s *sender) {
		return show(f, 30, func(s *sender) {
			s.drop = which
			s.show(f, 30, 31, nil)
			s.drop = nil
		})
	}
	for _, tc := range []struct {
		name     string
		film     *film
		play     func(s *sender)
		from, to int // pictures that are missing
		damages  int64
	}{
		{"a packet is lost", f, lose(f, func(i, of int) bool { return i == of-1 }), 30, 50, 1},
		{"a whole picture is lost", f, lose(f, func(int, int) bool { return true }), 30, 50, 1},
		{"a packet of H.265 is lost", f265, lose(f265, func(i, of int) bool { return i == of-1 }), 30, 50, 1},
		{"sequence numbers begin anew at a key frame", f, func(s *sender) {
			s.show(f, 0, 50, nil)
			s.sequence = 40000
			s.show(f, 50, 100, nil)
		}, 0, 0, 1},
		{"sequence numbers begin anew", f, func(s *sender) {
			s.show(f, 0, 60, nil)
			s.sequence = 40000
			s.show(f, 60, 100, nil)
		}, 60, 75, 1},
		{"a key frame is torn", f, show(f, 25, func(s *sender) {
			s.drop = func(i, _ int) bool { return i == 2 }
			s.show(f, 25, 26, nil)
			s.drop = nil
		}), 25, 50, 1},
		{"a slice is lost of a camera that marks each", sliced, func(s *sender) {
			for i, u := range sliced.units {
				s.pace(10 * time.Millisecond)
				for j, n := range u.nalus {
					s.drop = func(int, int) bool { return i == 30 && j == 1 }
					s.unit(sliced, [][]byte{n}, uint32(u.pts))
				}
			}
		}, 30, 50, 1},
		{"garbage between packets", f, func(s *sender) {
			r := rand.New(rand.NewPCG(1, 1))
			for n := range 100 {
				s.show(f, n, n+1, nil)
				garbage := make([]byte, 1+r.IntN(500))
				for i := range garbage {
					garbage[i] = byte(r.Uint32())
				}
				if err := s.player.Raw(append(garbage, "$\x00\xff\xf0$GET RTSP"...)); err != nil {
					s.gone = true
				}
			}
		}, 0, 0, 0},
		{"a packet of which the half is missing", f, show(f, 30, func(s *sender) {
			packet := make([]byte, 600)
			packet[0], packet[1], packet[2], packet[3] = 0x80, 96, byte(s.sequence>>8), byte(s.sequence)
			s.sequence++
			if err := s.player.Raw(append([]byte{'$', 0, 1400 >> 8, 1400 & 0xff}, packet...)); err != nil {
				s.gone = true
			}
		}), 30, 50, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := record(t, hard{script: rtsptest.Script{SDP: tc.film.sdp()}, play: tc.play})
			var got, want []int
			for n := range 100 {
				if n < tc.from || n >= tc.to {
					want = append(want, n)
				}
			}
			for _, h := range r.open(tc.film) {
				got = append(got, h.ids...)
				if h.complain != "" {
					t.Errorf("ffmpeg complains: %s", h.complain)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("the file shows the pictures %v, want all but %d to %d", got, tc.from, tc.to-1)
			}
			r.count(1)
			r.lasts(time.Second, 60*time.Millisecond)
			if r.status.Damages != tc.damages || r.status.Reconnects > 0 {
				t.Errorf("%d times damaged, want %d; %d reconnects", r.status.Damages, tc.damages, r.status.Reconnects)
			}
			missing := time.Duration(tc.to-tc.from) * 10 * time.Millisecond
			if missing == 0 {
				for _, g := range r.gaps {
					if d := g.End.Sub(g.Start); d > 100*time.Millisecond {
						t.Errorf("a gap of %v: %+v", d, g)
					}
				}
				return
			}
			if len(r.gaps) != 1 || r.gaps[0].Cause != spool.BadFootage || (r.gaps[0].End.Sub(r.gaps[0].Start)-missing).Abs() > 50*time.Millisecond {
				t.Errorf("gaps: %+v, want one of %v", r.gaps, missing)
			}
		})
	}
}

// What a camera believes of the time is nothing to us.
func TestHardSenderReports(t *testing.T) {
	t.Parallel()
	f := shoot(t, 100, "192x128", plain)
	r := record(t, hard{script: rtsptest.Script{SDP: f.sdp()}, play: func(s *sender) {
		for n := range 100 {
			report := rtcp.SenderReport{SSRC: s.ssrc, NTPTime: uint64(n) * 0x1234_5678_9abc_def, RTPTime: uint32(n) * 77777}
			packet, err := report.Marshal()
			if err != nil {
				panic(err)
			}
			if s.player.Frame(1, packet) != nil {
				s.gone = true
			}
			s.show(f, n, n+1, nil)
		}
	}})
	r.whole(f, 0, 100)
	r.count(1)
	r.noGap()
}

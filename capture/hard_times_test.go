package capture_test

import (
	"testing"
	"time"

	"recording-agent/capture/rtsp/rtsptest"
)

// The timestamps of a camera may do what they like: nothing is lost, and what is on
// the disk lasts as long as it took.
func TestHardTimestamps(t *testing.T) {
	const hour = 3600 * 90000
	for _, tc := range []struct {
		name     string
		film     string
		at       func(u *unit) uint32
		segments int // 0: any number
	}{
		{"good, with B-frames", bframes, nil, 1},
		{"jump forward", plain, func(u *unit) uint32 { return uint32(u.pts) + b2u(u.id >= 60)*hour }, 2},
		{"jump back", plain, func(u *unit) uint32 { return uint32(u.pts) - b2u(u.id >= 60)*hour }, 2},
		{"jump back with B-frames", bframes, func(u *unit) uint32 { return uint32(u.pts) - b2u(u.id >= 60)*hour }, 2},
		{"set back by a second", plain, func(u *unit) uint32 { return uint32(u.pts) - b2u(u.id >= 60)*90000 }, 2},
		{"set back by a second with B-frames", bframes, func(u *unit) uint32 { return uint32(u.pts) - b2u(u.id >= 60)*90000 }, 2},
		{"set back by 30 ms at a key frame", bframes, func(u *unit) uint32 { return uint32(u.pts) - b2u(u.id >= 75)*2700 }, 2},
		{"run backwards", plain, func(u *unit) uint32 { return 1<<31 - uint32(u.pts) }, 0},
		{"stand still", plain, func(*unit) uint32 { return 4711 }, 0},
		{"wrap around", bframes, func(u *unit) uint32 { return uint32(u.pts) - 80*tick }, 1},
		{"each twice", plain, func(u *unit) uint32 { return uint32(u.pts / (2 * tick) * (2 * tick)) }, 1},
		{"five at a time", plain, func(u *unit) uint32 { return uint32(u.pts / (5 * tick) * (5 * tick)) }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := shoot(t, 150, "192x128", tc.film)
			r := record(t, hard{
				script: rtsptest.Script{SDP: f.sdp()},
				play:   func(s *sender) { s.show(f, 0, len(f.units), tc.at) },
			})
			r.whole(f, 0, 150)
			r.noGap()
			// The last picture before a cut lasts as long as the one before it: no time at
			// all where pictures are dated by arrival and came together.
			r.lastsAsTaken(1500*time.Millisecond, 100*time.Millisecond*time.Duration(1+len(r.segments)))
			if tc.segments > 0 {
				r.count(tc.segments)
			}
		})
	}
}

// Pictures that are not sent in the order in which they are shown are shown in it.
func TestHardOrder(t *testing.T) {
	for name, encoder := range map[string]string{
		"B-frames": bframes, "pyramid": pyramid, "H.265": bframes5, "intra refresh": refresh + ":bframes=2", "order of type 2": plain,
	} {
		size := "192x128"
		if encoder == bframes5 {
			size = "256x256"
		}
		f := shoot(t, 100, size, encoder)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(t, hard{script: rtsptest.Script{SDP: f.sdp()}, play: func(s *sender) { s.show(f, 0, 100, nil) }})
			r.whole(f, 0, 100)[0].even(t)
			r.count(1)
			r.lasts(time.Second, 40*time.Millisecond)
		})
	}
}

func b2u(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

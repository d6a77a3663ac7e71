package rtsp

import (
	"errors"
	"testing"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// Where a camera's clock jumps the line goes on by the time of arrival; where it only
// comes late, or leaves pictures out, it does not move.
func TestTimeline(t *testing.T) {
	const frame = 40 * time.Millisecond
	for _, tc := range []struct {
		name    string
		pts     func(n int) time.Duration // of the nth picture
		arrival func(n int) time.Duration // nil: as it is taken
		held    int
		jumps   int
	}{
		{"a good clock", func(n int) time.Duration { return time.Duration(n) * frame }, nil, 0, 0},
		{"forward an hour", func(n int) time.Duration { return time.Duration(n)*frame + time.Duration(n/100)*time.Hour }, nil, 0, 4},
		{"back an hour", func(n int) time.Duration { return time.Duration(n)*frame - time.Duration(n/100)*time.Hour }, nil, 0, 4},
		{"back three seconds", func(n int) time.Duration { return time.Duration(n)*frame - time.Duration(n/100)*3*time.Second }, nil, 0, 4},
		{"begins anew", func(n int) time.Duration { return time.Duration(n%100) * frame }, nil, 0, 4},
		{"reordered", func(n int) time.Duration { return time.Duration(n/3*3+[]int{2, 0, 1}[n%3]) * frame }, nil, 2, 0},
		{"back a second, reordered", func(n int) time.Duration {
			return time.Duration(n/3*3+[]int{2, 0, 1}[n%3])*frame - time.Duration(n/99)*time.Second
		}, nil, 2, 5},
		{"back a picture", func(n int) time.Duration { return time.Duration(n)*frame - time.Duration(n/100)*2*frame }, nil, 0, 4},
		{"five at once", func(n int) time.Duration { return time.Duration(n/5*5) * frame }, nil, 0, 0},
		{"five seconds late, then in a burst", func(n int) time.Duration { return time.Duration(n) * frame },
			func(n int) time.Duration {
				return max(time.Duration(n)*frame, min(10*time.Second, time.Duration(n)*frame+5*time.Second))
			}, 0, 0},
		{"leaves out five seconds", func(n int) time.Duration { return time.Duration(n)*frame + time.Duration(n/200)*5*time.Second }, nil, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var l timeline
			jumps := 0
			last := int64(-90000)
			for n := range 500 {
				arrival := time.Duration(n) * frame
				if tc.arrival != nil {
					arrival = tc.arrival(n)
				}
				at, jumped := l.place(media.Ticks(tc.pts(n), 90000), 90000, arrival, tc.held)
				if jumped {
					jumps++
					if at <= last {
						t.Errorf("picture %d after the jump is at %d, the one before at %d", n, at, last)
					}
				}
				if off := media.Duration(at, 90000) - arrival; tc.jumps > 0 && off.Abs() > frame*time.Duration(1+tc.held) {
					t.Fatalf("picture %d is %v away from its arrival", n, off)
				}
				last = at
			}
			if jumps != tc.jumps {
				t.Errorf("%d jumps, want %d", jumps, tc.jumps)
			}
		})
	}
}

// A camera whose timestamps jump in mid-stream loses no picture, ends no session, and
// says where a new segment has to begin.
func TestTimestampsJump(t *testing.T) {
	for name, jump := range map[string]uint32{"forward": 3600 * 90000, "back": 1<<32 - 3600*90000, "back a little": 1<<32 - 5*90000} {
		t.Run(name, func(t *testing.T) {
			const pictures, jumpAt, keys = 60, 25, 10
			key, delta := clip(t, media.H264)[0].nalus, [][]byte{slice(media.H264, false, true, 1)}
			url := camera(t, media.H264, func(p *rtsptest.Player) {
				pack := newPacketizer(t, media.H264)
				for n := uint32(0); n < pictures; n++ {
					nalus, at := delta, n*3600
					if n%keys == 0 {
						nalus = key
					}
					if n >= jumpAt {
						at += jump
					}
					for _, pkt := range pack.packets(nalus, at) {
						if p.Send(0, pkt) != nil {
							return
						}
					}
					select {
					case <-p.Context.Done():
						return
					case <-time.After(20 * time.Millisecond):
					}
				}
			})
			c := &collector{enough: pictures}
			if err := runSession(t, options(t, url), c); !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			cuts := 0
			for i, s := range c.samples {
				if s.Cut {
					cuts++
					if i != 30 || !s.Sync {
						t.Errorf("picture %d is to begin a segment, want the first key frame after the jump", i)
					}
				}
				if i > 0 {
					if d := media.Duration(s.DTS-c.samples[i-1].DTS, 90000); d <= 0 || d > 500*time.Millisecond {
						t.Errorf("picture %d is decoded %v after the one before", i, d)
					}
				}
			}
			if cuts != 1 {
				t.Errorf("%d cuts", cuts)
			}
		})
	}
}

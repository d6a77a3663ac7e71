package rtsp

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

func TestClock(t *testing.T) {
	const frame = 40 * time.Millisecond
	none := func(*rand.Rand, int) time.Duration { return 0 }
	jitter := func(r *rand.Rand, _ int) time.Duration { return time.Duration(r.Int64N(int64(300 * time.Millisecond))) }
	for _, tc := range []struct {
		name   string
		frames int
		ppm    float64                                 // how much the camera's clock is fast
		delay  func(r *rand.Rand, n int) time.Duration // of a picture in the network
		settle int                                     // the pictures before the estimate has to hold
		early  time.Duration                           // how far it may be before the truth
		late   time.Duration                           // and after
	}{
		{"no jitter", 1000, 0, none, 0, 0, 0},
		{"jitter of 300 ms", 25 * 600, 0, jitter, 500, 0, 30 * time.Millisecond},
		{"clock 200 ppm slow, jitter, two hours", 25 * 7200, -200, jitter, 500, 0, 50 * time.Millisecond},
		{"clock 200 ppm fast, jitter, two hours", 25 * 7200, 200, jitter, 500, time.Millisecond, 50 * time.Millisecond},
		{"five seconds of congestion", 3000, 0, func(_ *rand.Rand, n int) time.Duration {
			return max(0, 5*time.Second-max(0, time.Duration(n-1000))*frame) * time.Duration(min(1, n/1000))
		}, 1200, 0, 30 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			began := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
			var c clock
			for n := range tc.frames {
				taken := time.Duration(n) * frame
				pts := taken + time.Duration(float64(taken)*tc.ppm/1e6)
				got := c.at(pts, began.Add(taken+tc.delay(r, n)))
				off := got.Sub(began.Add(taken))
				if n >= tc.settle && (off < -tc.early || off > tc.late) {
					t.Fatalf("picture %d is dated %v from when it was taken, want %v to %v", n, off, -tc.early, tc.late)
				}
			}
		})
	}
}

// A host's clock that is set takes the estimate with it.
func TestClockFollowsTheHostsClock(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, 3 * time.Second, -100 * time.Millisecond, -time.Hour} {
		now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		var c clock
		for n := range 100 {
			pts := time.Duration(n) * 40 * time.Millisecond
			if n == 50 {
				now = now.Add(step)
				c.set(step)
			}
			if got, want := c.at(pts, now.Add(pts)), now.Add(pts); !got.Equal(want) {
				t.Fatalf("clock set by %v: picture %d is dated %v, want %v", step, n, got, want)
			}
		}
	}
}

// With B-frames presentation times go back and forth; the dates of pictures must
// keep their distances.
func TestClockWithReorderedPictures(t *testing.T) {
	began := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	var c clock
	zero := time.Time{}
	for n := range 25 * 600 {
		shown := n/3*3 + []int{2, 0, 1}[n%3] // P B B
		pts := time.Duration(shown) * 40 * time.Millisecond
		got := c.at(pts, began.Add(time.Duration(n)*40*time.Millisecond))
		if n == 0 {
			zero = got.Add(-pts)
		}
		if off := got.Add(-pts).Sub(zero).Abs(); off > 10*time.Millisecond {
			t.Fatalf("picture %d is %v off, want 10 ms at most", n, off)
		}
	}
}

// The timestamps of RTP have 32 bits and begin anywhere.
func TestTimestampsWrap(t *testing.T) {
	for _, codec := range []media.Codec{media.H264, media.H265} {
		units := clip(t, codec)
		for _, tc := range []struct {
			name  string
			start uint32
		}{
			{"from zero", 0},
			{"over 2^32", math.MaxUint32 - 90000},
			{"over 2^31", math.MaxInt32 - 90000},
			{"at the edge", math.MaxUint32},
		} {
			t.Run(string(codec)+" "+tc.name, func(t *testing.T) {
				c := &collector{enough: len(units) - 1} // the last one may wait for its successor
				if err := runSession(t, options(t, camera(t, codec, play(t, codec, tc.start))), c); !errors.Is(err, errEnough) {
					t.Fatal(err)
				}
				c.check(t, codec, "")
				for i, s := range c.samples {
					if want := units[i].pts - units[0].pts; s.PTS != want {
						t.Fatalf("picture %d is presented at %d, want %d", i, s.PTS, want)
					}
					// What leads in is not in the stream: DTS may be later, never far.
					if off := s.DTS - (units[i].dts - units[0].dts); off < -4*3600 || off > 4*3600 {
						t.Fatalf("picture %d is decoded at %d, %d from the encoder's time", i, s.DTS, off)
					}
				}
			})
		}
	}
}

// Decoding times rise strictly, whatever the presentation times do.
func TestDecodingTimesRise(t *testing.T) {
	for _, tc := range []struct {
		name string
		pts  []int64
	}{
		{"all the same, from zero", []int64{0, 0, 0, 0}},
		{"all the same", []int64{9000, 9000, 9000}},
		{"before zero", []int64{-7200, -3600, -3600, 0, 0}},
		{"falling to zero and on", []int64{3600, 0, -3600, -7200}},
		{"a step back", []int64{0, 3600, 7200, 3600, 10800}},
		{"reordered", []int64{0, 10800, 3600, 7200, 21600, 14400, 18000}},
	} {
		for _, codec := range []media.Codec{media.H264, media.H265} {
			t.Run(string(codec)+" "+tc.name, func(t *testing.T) {
				key := clip(t, codec)[0].nalus
				v := newVideo(&media.Track{Codec: codec, ClockRate: 90000})
				last := int64(math.MinInt64)
				for n, pts := range tc.pts {
					s := v.sample(key, pts, time.Now())
					if s == nil {
						t.Fatalf("picture %d was left out", n)
					}
					if s.DTS <= last || s.PTS < s.DTS {
						t.Fatalf("picture %d: DTS %d after %d, PTS %d", n, s.DTS, last, s.PTS)
					}
					if s.DTS > max(pts, last+1) {
						t.Fatalf("picture %d: DTS %d, want no more than its PTS %d or the next tick after %d", n, s.DTS, pts, last)
					}
					last = s.DTS
				}
			})
		}
	}
}

// Sound is laid on the pictures' time line, even if its own clock jumps.
func TestSoundStaysWithThePictures(t *testing.T) {
	const rate, frame = 8000, 160
	for _, tc := range []struct {
		name string
		pts  func(n int64) int64 // of the nth frame of 20 ms
		off  time.Duration       // that is allowed
	}{
		{"a good clock", func(n int64) int64 { return n * frame }, 0},
		{"200 ppm fast", func(n int64) int64 { return n*frame + n*frame/5000 }, time.Second},
		{"a jump of an hour", func(n int64) int64 { return n*frame + n/1000*3600*rate }, maxApart},
		{"a jump back of an hour", func(n int64) int64 { return n*frame - n/1000*3600*rate }, maxApart},
		{"a clock at double speed", func(n int64) int64 { return n * frame * 2 }, maxApart + time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := idle(t, &hook{write: func() {}})
				defer a.client.Close()
				src := &source{track: media.Track{Codec: media.PCMU, ClockRate: rate}}
				src.frameTicks = func(f []byte) int64 { return int64(len(f)) }
				last := int64(-1)
				for n := range int64(50 * 60) {
					picture := time.Duration(n) * 20 * time.Millisecond
					if err := a.picture(picture90k, &media.Sample{DTS: media.Ticks(picture, 90000), PTS: media.Ticks(picture, 90000)}, time.Since(a.began)); err != nil {
						t.Fatal(err)
					}
					at := a.soundTime(tc.pts(n), rate)
					a.soundDTS = at + 1
					if at <= last {
						t.Fatalf("frame %d is decoded at %d after %d", n, at, last)
					}
					last = at
					if off := (media.Duration(at, rate) - picture).Abs(); off > tc.off {
						t.Fatalf("frame %d is %v away from the pictures, want %v at most", n, off, tc.off)
					}
					time.Sleep(20 * time.Millisecond)
				}
			})
		})
	}
}

// Two tracks whose timestamps begin apart, wrap, and have different rates.
func TestTwoTracks(t *testing.T) {
	pictures := play(t, media.H264, math.MaxUint32-45000)
	address := rtsptest.Scripted(t, rtsptest.Script{
		SDP: rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU),
		Play: func(p *rtsptest.Player) {
			pictures(p)
			sound(p)
		},
	})
	o := options(t, "rtsp://"+address+"/cam")
	c := &sounds{enough: 40}
	if err := runSession(t, o, c); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	for i, s := range c.heard {
		if want := c.heard[0].DTS + int64(i)*160; s.DTS < want || s.DTS > want+160 {
			t.Fatalf("frame %d is at %d, want %d", i, s.DTS, want)
		}
		if age := time.Since(s.Wall); age < -2*time.Second || age > 20*time.Second {
			t.Fatalf("frame %d is dated %v", i, s.Wall)
		}
	}
}

// sounds is a sink that ends the session once it has heard enough.
type sounds struct {
	enough int
	heard  []media.Sample
}

func (*sounds) Start([]media.Track) error { return nil }
func (*sounds) Damaged(string)            {}
func (s *sounds) Write(sample *media.Sample) error {
	if sample.Track == 1 {
		s.heard = append(s.heard, *sample)
	}
	if len(s.heard) >= s.enough {
		return errEnough
	}
	return nil
}

// Over a week a camera's clock that is 80 ppm off never puts a picture more than
// 100 ms from when it was taken.
func TestClockOverAWeek(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates 15 million pictures for each clock")
	}
	const frame = 40 * time.Millisecond
	for _, ppm := range []float64{80, -80} {
		r := rand.New(rand.NewPCG(7, 7))
		began := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		var c clock
		worst := time.Duration(0)
		for n := range 7 * 24 * 3600 * 25 {
			taken := time.Duration(n) * frame
			pts := taken + time.Duration(float64(taken)*ppm/1e6)
			off := c.at(pts, began.Add(taken+time.Duration(r.Int64N(int64(60*time.Millisecond))))).Sub(began.Add(taken))
			worst = max(worst, off.Abs())
		}
		if worst > 100*time.Millisecond {
			t.Errorf("a clock %v ppm off: a picture is dated %v from when it was taken", ppm, worst)
		}
	}
}

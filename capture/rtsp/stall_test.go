package rtsp

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

func wantStalled(t *testing.T, err error) {
	t.Helper()
	wantFailure(t, err, Stalled)
	var f *Failure
	if !errors.As(err, &f) {
		return
	}
	cause, remedy := f.Explain()
	if !strings.Contains(cause, "stopped sending pictures") || !strings.Contains(remedy, "camera") {
		t.Errorf("explained as %q, %q; want that the camera stopped sending pictures", cause, remedy)
	}
}

// The connection stays open, and the sound goes on: the pictures are what counts.
func TestStalledCamera(t *testing.T) {
	pictures := play(t, media.H264, 0)
	for _, tc := range []struct {
		name string
		sdp  string
		then func(p *rtsptest.Player)
	}{
		{"all is silent", rtsptest.SDP(rtsptest.SDPH264), func(*rtsptest.Player) {}},
		{"sound goes on", rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU), sound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var silent atomic.Int64
			address := rtsptest.Scripted(t, rtsptest.Script{SDP: tc.sdp, Play: func(p *rtsptest.Player) {
				pictures(p)
				silent.Store(time.Now().UnixNano())
				tc.then(p)
			}})
			o := options(t, "rtsp://"+address+"/cam")
			o.StallTimeout = 500 * time.Millisecond
			c := &collector{enough: 1000}
			wantStalled(t, runAttentive(t, o, c))
			if len(c.samples) < 50 {
				t.Errorf("%d samples came before the stall, want those of a clip", len(c.samples))
			}
			if took := time.Since(time.Unix(0, silent.Load())); took < 400*time.Millisecond || took > 3*time.Second {
				t.Errorf("noticed after %v, want 0.5 s", took)
			}
		})
	}
}

// runAttentive is runSession with a watchdog for short timeouts.
func runAttentive(t *testing.T, o Options, sink Sink) error {
	t.Helper()
	s, err := NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	s.watchEvery = 10 * time.Millisecond
	return s.Run(deadline(t, 20*time.Second), sink)
}

func sound(p *rtsptest.Player) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := uint16(0); ; n++ {
		pkt := &rtp.Packet{Header: rtp.Header{Version: 2, Marker: true, SequenceNumber: n, Timestamp: uint32(n) * 160}, Payload: make([]byte, 160)}
		if p.Send(1, pkt) != nil {
			return
		}
		select {
		case <-p.Context.Done():
			return
		case <-tick.C:
		}
	}
}

// idle is an attempt without a connection, in a session with default timeouts.
func idle(t *testing.T, sink Sink) *attempt {
	s, err := NewSession(options(t, "rtsp://127.0.0.1/cam"))
	if err != nil {
		t.Fatal(err)
	}
	return attemptOf(t, s, sink)
}

func attemptOf(t *testing.T, s *Session, sink Sink) *attempt {
	a := s.newAttempt(TCP, sink)
	a.video = newVideo(&media.Track{Codec: media.H264, ClockRate: 90000})
	if err := a.client.Start2(); err != nil {
		t.Fatal(err)
	}
	return a
}

// arrive has a picture arrive that was taken at a time of the stream's.
func (a *attempt) arrive(at time.Duration, sync bool) {
	a.guarded(&a.lastVideo, func(*rtp.Packet) error {
		ticks := media.Ticks(at, 90000)
		return a.picture(picture90k, &media.Sample{DTS: ticks, PTS: ticks, Sync: sync}, time.Since(a.began))
	})(nil)
}

var picture90k = &source{track: media.Track{Codec: media.H264, ClockRate: 90000}}

// In synthetic time the default timeout can be held to the second, after pictures
// that came for longer than it, slowly.
func TestStallTimeout(t *testing.T) {
	for _, tc := range []struct {
		name     string
		interval time.Duration
		pictures int
	}{
		{"no picture at all", 0, 0},
		{"one", time.Second, 1},
		{"25 a second for a minute", 40 * time.Millisecond, 1500},
		{"one every nine seconds", 9 * time.Second, 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := idle(t, &hook{write: func() {}})
				last := time.Now()
				go func() {
					for n := range tc.pictures {
						time.Sleep(tc.interval)
						a.arrive(time.Duration(n)*tc.interval, true)
						last = time.Now()
					}
				}()
				wantStalled(t, a.watch(context.Background(), TCP))
				synctest.Wait()
				if silent := time.Since(last); silent < 10*time.Second || silent > 12*time.Second {
					t.Errorf("ended after %v of silence, want 10 s and at most the watchdog's 1 s more", silent)
				}
			})
		})
	}
}

// between lets pictures arrive, 25 a second, with a key frame every so often, and
// more where also says so, until the session ends. It returns how long that took.
func between(t *testing.T, s *Session, keys time.Duration, also func(a *attempt, at time.Duration)) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	a := attemptOf(t, s, &hook{write: func() {}})
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for next := time.Duration(0); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			at := time.Since(began)
			a.arrive(at, at >= next && keys > 0)
			if keys > 0 && at >= next {
				next += keys
			}
			also(a, at)
		}
	}()
	limit, cancel := context.WithTimeout(context.Background(), 2*time.Hour)
	defer cancel()
	err := a.watch(limit, TCP)
	close(stop)
	<-done
	return time.Since(began), err
}

func nothingElse(*attempt, time.Duration) {}

// A camera that sends pictures, but none to begin with, is asked again, with
// growing patience: each session's end is followed by the next.
func TestKeyframeTimeout(t *testing.T) {
	minutes := func(m ...float64) (out []time.Duration) {
		for _, n := range m {
			out = append(out, time.Duration(n*float64(time.Minute)))
		}
		return out
	}
	whole := 2 * time.Hour // it was not ended
	for _, tc := range []struct {
		name string
		keys time.Duration
		want []time.Duration
	}{
		{"never one", 0, minutes(0.5, 1, 2, 4, 8, 10, 10)},
		{"every two seconds", 2 * time.Second, []time.Duration{whole}},
		{"every 29 seconds", 29 * time.Second, []time.Duration{whole}},
		{"every 45 seconds", 45 * time.Second, append(minutes(0.5), whole)},
		{"every five minutes", 5 * time.Minute, append(minutes(0.5, 1, 2, 4), whole)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := NewSession(options(t, "rtsp://127.0.0.1/cam"))
				if err != nil {
					t.Fatal(err)
				}
				for n, want := range tc.want {
					took, err := between(t, s, tc.keys, nothingElse)
					if want != whole {
						wantFailure(t, err, NoKeyFrame)
					} else if err != nil {
						t.Errorf("session %d: %v", n, err)
					}
					if took < want || took > want+3*time.Second {
						t.Errorf("session %d took %v, want %v", n, took, want)
					}
				}
			})
		})
	}
}

// While pictures are dropped nobody is patient, whatever was learned before.
func TestDamageIsNotWaitedOutForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewSession(options(t, "rtsp://127.0.0.1/cam"))
		if err != nil {
			t.Fatal(err)
		}
		s.key.limit = maxPatience
		took, err := between(t, s, 8*time.Minute, func(a *attempt, at time.Duration) {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.video.started = true; at > time.Minute {
				a.torn(&source{decoder: func() (decode, error) { return nil, nil }}, "packets of the video are missing")
			}
		})
		wantFailure(t, err, NoKeyFrame)
		if !strings.Contains(err.Error(), "packets of the video are missing") {
			t.Errorf("the error does not say what is wrong with the pictures: %v", err)
		}
		if took < 90*time.Second || took > 95*time.Second {
			t.Errorf("ended %v after its beginning, want 30 s after the damage at 60 s", took)
		}
	})
}

// Sound that stops may come back in a new session. What was never heard, or stops
// again and again, must not cost pictures for ever.
func TestSoundTimeout(t *testing.T) {
	for _, tc := range []struct {
		name     string
		from, to time.Duration // when it is heard
		want     []time.Duration
	}{
		{"never", 0, 0, []time.Duration{2 * time.Hour}},
		{"always", 0, 3 * time.Hour, []time.Duration{2 * time.Hour}},
		{"for a minute", time.Second, time.Minute, []time.Duration{70 * time.Second, 80 * time.Second, 100 * time.Second}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := NewSession(options(t, "rtsp://127.0.0.1/cam"))
				if err != nil {
					t.Fatal(err)
				}
				for n, want := range tc.want {
					took, err := between(t, s, time.Second, func(a *attempt, at time.Duration) {
						if at > tc.from && at < tc.to {
							a.guarded(&a.lastSound, func(*rtp.Packet) error { return nil })(nil)
						}
					})
					if want < time.Hour {
						wantFailure(t, err, SoundStalled)
					} else if err != nil {
						t.Error(err)
					}
					if took < want || took > want+3*time.Second {
						t.Errorf("session %d took %v, want %v", n, took, want)
					}
				}
			})
		})
	}
}

// Until it is asked again, what the camera sends is kept.
func TestPicturesWithoutKeyFrameAreKept(t *testing.T) {
	units, pack := clip(t, media.H264), newPacketizer(t, media.H264)
	url := camera(t, media.H264, func(p *rtsptest.Player) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			nalus := units[0].nalus
			if n > 0 {
				nalus = [][]byte{slice(media.H264, false, true, byte(n))}
			}
			for _, pkt := range pack.packets(nalus, uint32(n)*1800) {
				if p.Send(0, pkt) != nil {
					return
				}
			}
			select {
			case <-p.Context.Done():
				return
			case <-tick.C:
			}
		}
	})
	o := options(t, url)
	o.StallTimeout, o.KeyframeTimeout = 300*time.Millisecond, time.Second
	c := &collector{enough: 1000}
	wantFailure(t, runAttentive(t, o, c), NoKeyFrame)
	if n := c.pictures(); n < 40 {
		t.Errorf("%d pictures were kept, want those of a second", n)
	}
}

// The host's clock dates pictures. It ends no session, wherever it steps to.
func TestHostsClockSteps(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 30 * 365 * 24 * time.Hour, -50 * 365 * 24 * time.Hour} {
		o := options(t, camera(t, media.H264, play(t, media.H264, 0)))
		asked := 0
		o.Now = func() time.Time {
			if asked++; asked > 20 {
				return time.Now().Add(step)
			}
			return time.Now()
		}
		c := &collector{enough: 40}
		if err := runSession(t, o, c); !errors.Is(err, errEnough) {
			t.Fatalf("clock set by %v: %v", step, err)
		}
		first, last := c.samples[0].Wall, c.samples[len(c.samples)-1].Wall
		if off := (last.Sub(first) - step).Abs(); off > 10*time.Second {
			t.Errorf("clock set by %v: the pictures are dated %v to %v", step, first, last)
		}
	}
}

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
			o.PictureTimeout = 500 * time.Millisecond
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
	a := s.newAttempt(TCP, sink)
	a.video = &video{codec: media.H264, rate: 90000}
	if err := a.client.Start2(); err != nil {
		t.Fatal(err)
	}
	return a
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
						at := media.Ticks(time.Duration(n)*tc.interval, 90000)
						a.mu.Lock()
						err := a.picture(picture90k, &media.Sample{DTS: at, PTS: at})
						a.mu.Unlock()
						if err != nil {
							t.Errorf("picture %d: %v", n, err)
							return
						}
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

// A stream whose clock jumps cannot be laid on one time line.
func TestTimestampJumpEndsTheSession(t *testing.T) {
	for _, tc := range []struct {
		name string
		jump time.Duration
		ends bool
	}{
		{"forward 11 s", 11 * time.Second, true},
		{"back 11 s", -11 * time.Second, true},
		{"forward 9 s", 9 * time.Second, false},
		{"a day", 24 * time.Hour, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := idle(t, &hook{write: func() {}})
				defer a.client.Close()
				for n := range 50 {
					at := time.Duration(n) * 40 * time.Millisecond
					if n == 49 {
						at += tc.jump
					}
					err := a.picture(picture90k, &media.Sample{DTS: media.Ticks(at, 90000), PTS: media.Ticks(at, 90000)})
					if n < 49 && err != nil {
						t.Fatalf("picture %d: %v", n, err)
					}
					var f *Failure
					if ends := errors.As(err, &f) && f.Cause == BadStream; n == 49 && ends != tc.ends {
						t.Errorf("after the jump: %v, want an end: %v", err, tc.ends)
					}
					time.Sleep(40 * time.Millisecond)
				}
			})
		})
	}
}

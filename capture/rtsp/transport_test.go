package rtsp

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

func TestAutoFallsBackToTCP(t *testing.T) {
	var setups atomic.Int32
	refuse := func(req *base.Request) *base.Response {
		if req.Method != base.Setup {
			return nil
		}
		setups.Add(1)
		if req.Header["Transport"][0] != "" && !overTCP(req) {
			return &base.Response{StatusCode: base.StatusUnsupportedTransport}
		}
		return nil
	}
	count := func(req *base.Request) *base.Response {
		if req.Method == base.Setup {
			setups.Add(1)
		}
		return nil
	}
	for _, tc := range []struct {
		name   string
		answer func(*base.Request) *base.Response
	}{
		{"UDP stays silent", count},
		{"UDP is refused", refuse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			setups.Store(0)
			address := rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(sdpOf(media.H264)), Answer: tc.answer, Play: play(t, media.H264, 0)})
			o := options(t, "rtsp://"+address+"/cam")
			o.Transport, o.UDPTimeout = Auto, 300*time.Millisecond
			s, err := NewSession(o)
			if err != nil {
				t.Fatal(err)
			}
			s.watchEvery = 10 * time.Millisecond
			for round, want := range []int32{2, 3} { // the second time UDP is not even tried
				c := &collector{enough: 20}
				if err := s.Run(deadline(t, 10*time.Second), c); !errors.Is(err, errEnough) {
					t.Fatalf("round %d: %v", round, err)
				}
				c.check(t, media.H264, "")
				if n := setups.Load(); n != want {
					t.Errorf("round %d: %d SETUPs so far, want %d", round, n, want)
				}
			}
		})
	}
}

func overTCP(req *base.Request) bool {
	return len(req.Header["Transport"]) == 1 && len(req.Header["Transport"][0]) > 11 && req.Header["Transport"][0][:11] == "RTP/AVP/TCP"
}

func deadline(t testing.TB, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func TestUDPAloneDoesNotFallBack(t *testing.T) {
	o := options(t, camera(t, media.H264, play(t, media.H264, 0)))
	o.Transport, o.UDPTimeout = UDP, 100*time.Millisecond
	wantFailure(t, runAttentive(t, o, &collector{enough: 1}), NothingUDP)
}

// A camera that takes its time to answer has not been silent meanwhile.
func TestSlowSetUpIsNotSilence(t *testing.T) {
	for _, transport := range []Transport{TCP, UDP} {
		t.Run(string(transport), func(t *testing.T) {
			var answered atomic.Int64
			slow := func(req *base.Request) *base.Response {
				if req.Method == base.Describe {
					time.Sleep(400 * time.Millisecond)
				}
				if req.Method == base.Play {
					answered.Store(time.Now().UnixNano())
				}
				return nil
			}
			address := rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(sdpOf(media.H264)), Answer: slow})
			o := options(t, "rtsp://"+address+"/cam")
			o.Transport, o.UDPTimeout, o.StallTimeout = transport, 300*time.Millisecond, 300*time.Millisecond
			want := map[Transport]Cause{TCP: Stalled, UDP: NothingUDP}[transport]
			wantFailure(t, runAttentive(t, o, &collector{enough: 1}), want)
			if waited := time.Since(time.Unix(0, answered.Load())); waited < 300*time.Millisecond {
				t.Errorf("given up %v after PLAY, want 0.3 s", waited)
			}
		})
	}
}

// No kernel grants such a buffer: what it grants has to do.
func TestUDPBufferIsAWish(t *testing.T) {
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live})
	o := options(t, "rtsp://"+address+"/cam")
	o.Transport = UDP
	s, err := NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	s.udpBuffer = 1 << 30
	c := &collector{enough: 5}
	if err := s.Run(deadline(t, 10*time.Second), c); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
}

// Without a free socket an attempt fails; it does not try for ever.
func TestNoUDPSocket(t *testing.T) {
	for _, tc := range []struct {
		transport Transport
		want      error
	}{{UDP, syscall.EMFILE}, {Auto, errEnough}} {
		t.Run(string(tc.transport), func(t *testing.T) {
			o := options(t, camera(t, media.H264, play(t, media.H264, 0)))
			o.Transport = tc.transport
			s, err := NewSession(o)
			if err != nil {
				t.Fatal(err)
			}
			s.listenPacket = func(string, string) (net.PacketConn, error) {
				return nil, &net.OpError{Op: "listen", Net: "udp", Err: syscall.EMFILE}
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if err := s.Run(deadline(t, 5*time.Second), &collector{enough: 5}); !errors.Is(err, tc.want) {
					t.Errorf("ended with %v, want %v", err, tc.want)
				}
			}()
			within(t, 10*time.Second, "a session without sockets", done)
		})
	}
}

// The handshake has no deadline of its own in gortsplib.
func TestSilentTLSCameraTimesOut(t *testing.T) {
	end := make(chan struct{})
	address := listen(t, func(net.Conn) { <-end })
	defer close(end)
	o := options(t, "rtsps://"+address+"/cam")
	o.DialTimeout, o.RequestTimeout = 100*time.Millisecond, 100*time.Millisecond
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, err := NewSession(o)
		if err != nil {
			t.Error(err)
			return
		}
		wantFailure(t, s.Run(deadline(t, 5*time.Second), &collector{enough: 1}), TimedOut)
	}()
	within(t, 5*time.Second, "a TLS handshake without an answer", done)
}

// Media of an rtsps:// session cannot be plain UDP.
func TestAutoOverTLSIsTCP(t *testing.T) {
	for url, want := range map[string]Transport{"rtsp://127.0.0.1/": UDP, "rtsps://127.0.0.1/": TCP} {
		o := options(t, url)
		o.Transport = Auto
		s, err := NewSession(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.firstTransport(); got != want {
			t.Errorf("%s begins with %s, want %s", url, got, want)
		}
	}
}

package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/panics"
	"recording-agent/capture/rtsp/rtsptest"
)

// Whatever gortsplib calls in its own goroutines may panic: the session ends, nothing
// else does, and the panic is reported with its stack.
func TestPanicInWhatTheLibraryCalls(t *testing.T) {
	for name, call := range map[string]func(a *attempt) error{
		"an answer": func(a *attempt) error { a.response(nil); return nil },
		"a packet": func(a *attempt) error {
			a.guarded(&a.lastVideo, func(*rtp.Packet) error { panic("mine") })(nil)
			return nil
		},
		"a report": func(a *attempt) error { a.reported((*rtcp.SenderReport)(nil)); return nil },
		"a format": func(a *attempt) error { (&calm{Format: nil, attempt: a}).PTSEqualsDTS(nil); return nil },
		"the handshake": func(a *attempt) error {
			return a.session.tlsConfig().VerifyConnection(tls.ConnectionState{PeerCertificates: nilCertificates})
		},
		"dialling": func(a *attempt) error {
			_, err := a.client.DialContext(nil, "tcp", "127.0.0.1:1") //nolint:staticcheck // net panics without a context
			return err
		},
		"a UDP port": func(a *attempt) error {
			a.session.listenPacket = func(string, string) (net.PacketConn, error) { panic("mine") }
			_, err := a.client.ListenPacket("udp", "127.0.0.1:0")
			return err
		},
		"the connection": func(a *attempt) error {
			_, err := (&sniffer{Conn: explosive{}, session: a.session}).Read(nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log journal
			o := options(t, "rtsp://viewer:secret-of-test@127.0.0.1/cam")
			page := panics.NewBook(zerolog.New(&log), time.Now).Of("gate")
			o.Panics = page
			s, err := NewSession(o)
			if err != nil {
				t.Fatal(err)
			}
			a := s.newAttempt(TCP, &collector{})
			a.video, a.source = newVideo(&media.Track{Codec: media.H264, ClockRate: 90000}), nil
			defer a.abort()
			err = call(a)
			if err == nil {
				select {
				case err = <-a.ended:
				default:
					t.Fatal("the session does not end")
				}
			}
			var f *Failure
			if err = s.explain(err); !errors.As(err, &f) || f.Cause != Faulty || f.Gap() != "agent fault" {
				t.Errorf("%v", err)
			}
			if page.Status().Count != 1 || strings.Count(log.String(), `"stack"`) != 1 || strings.Contains(log.String()+err.Error(), "secret-of-test") {
				t.Errorf("%d panics, %v: %s", page.Status().Count, err, log.String())
			}
			if !a.mu.TryLock() {
				t.Error("the mutex is still held")
			}
		})
	}
}

var nilCertificates = append(tls.ConnectionState{}.PeerCertificates, nil)

// explosive is a connection on which reading panics, over something secret.
type explosive struct{ net.Conn }

func (explosive) Read([]byte) (int, error) { panic("rtsp://viewer:secret-of-test@127.0.0.1/cam") }

// A panic over one packet of a real stream ends the session, and the next one records.
func TestPanicOnceInARealSession(t *testing.T) {
	for name, fails := range map[string]func(at *atomic.Int64) Sink{
		"writing":   func(at *atomic.Int64) Sink { return &shaky{collector: collector{enough: 10}, write: at} },
		"beginning": func(at *atomic.Int64) Sink { return &shaky{collector: collector{enough: 10}, start: at} },
	} {
		t.Run(name, func(t *testing.T) {
			address := rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(rtsptest.SDPH264), Play: play(t, media.H264, 0)})
			s, err := NewSession(options(t, "rtsp://"+address+"/cam"))
			if err != nil {
				t.Fatal(err)
			}
			var left atomic.Int64
			left.Store(1)
			err = s.Run(deadline(t, 10*time.Second), fails(&left))
			var f *Failure
			if !errors.As(err, &f) || f.Cause != Faulty {
				t.Fatalf("after a panic: %v", err)
			}
			if err := s.Run(deadline(t, 10*time.Second), fails(&left)); !errors.Is(err, errEnough) {
				t.Fatalf("the next session: %v", err)
			}
		})
	}
}

// shaky is a sink that panics so many times.
type shaky struct {
	collector
	start, write *atomic.Int64
}

func (s *shaky) Start(tracks []media.Track) error {
	if s.start != nil && s.start.Add(-1) >= 0 {
		panic("at the beginning")
	}
	return s.collector.Start(tracks)
}

func (s *shaky) Write(sample *media.Sample) error {
	if s.write != nil && s.write.Add(-1) >= 0 {
		panic("in the middle")
	}
	return s.collector.Write(sample)
}

// What runs in the session's own goroutine is guarded as well.
func TestPanicInTheSession(t *testing.T) {
	s, err := NewSession(options(t, "rtsp://127.0.0.1:1/cam"))
	if err != nil {
		t.Fatal(err)
	}
	s.url = nil
	var f *Failure
	if err := s.Run(context.Background(), &collector{}); !errors.As(err, &f) || f.Cause != Faulty {
		t.Errorf("%v", err)
	}
}

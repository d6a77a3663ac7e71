package rtsp

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
)

// outOfReach stands for gortsplib's own read timeout, which compares wall-clock
// seconds and so ends every session when the host's clock is set forward. Our
// watchdogs use the monotonic clock instead.
const outOfReach = time.Duration(math.MaxInt64 / 2)

func (a *attempt) newClient(transport Transport) *gortsplib.Client {
	s := a.session
	t := gortsplib.TransportUDP
	if transport == TCP {
		t = gortsplib.TransportTCP
	}
	dialer := &net.Dialer{Timeout: s.opts.DialTimeout}
	return &gortsplib.Client{
		Scheme: s.url.Scheme, Host: s.url.Host,
		Transport:    &t,
		TLSConfig:    s.tlsConfig(),
		ReadTimeout:  outOfReach,
		WriteTimeout: s.opts.RequestTimeout,
		UserAgent:    "recording-agent",
		DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			defer func() {
				if p := recover(); p != nil {
					err = s.caught("connecting", p)
				}
			}()
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			a.conn = &gathering{Conn: c}
			var inner net.Conn = a.conn
			if a.client.Scheme == "rtsp" { // behind TLS nothing can be seen
				a.frames = &framed{Conn: a.conn, told: a.garbage}
				inner = a.frames
			}
			// A TLS handshake has no deadline in gortsplib and does not heed Close.
			return &sniffer{Conn: inner, forget: context.AfterFunc(a.life, func() { _ = c.Close() }), session: s}, nil
		},
		OnResponse:        a.response,
		ListenPacket:      s.listenUDP,
		OnPacketsLost:     func(uint64) {},
		OnDecodeError:     func(error) {},
		OnTransportSwitch: func(error) {},
	}
}

// garbage says that there was some between a camera's packets.
func (a *attempt) garbage(bytes int) {
	const again = time.Minute
	if now := time.Since(a.began); a.garbageTold == 0 || now-a.garbageTold > again {
		a.garbageTold = now
		a.session.opts.Log.Warn().Int("bytes", bytes).Msg("the camera has sent what is neither RTSP nor media; it is left out")
	}
}

// response has a look at what the camera answers, before gortsplib does.
func (a *attempt) response(res *base.Response) {
	a.quietly("reading an answer", func() { a.adapt(res) })
}

func (a *attempt) adapt(res *base.Response) {
	if unreadable := mend(res); len(unreadable) > 0 {
		a.unreadable.Store(&unreadable)
	}
	// gortsplib keeps sessions alive with what it believes to be offered.
	switch a.session.opts.KeepAlive {
	case KeepAliveOptions:
		delete(res.Header, "Public")
	case KeepAliveGetParameter:
		if res.Header != nil {
			res.Header["Public"] = base.HeaderValue{string(base.GetParameter)}
		}
	}
}

// udpBuffer holds a key frame of a large camera while the reader is busy. The
// kernel may grant less: gortsplib's own setting would not put up with that.
const udpBuffer = 1 << 20

func (s *Session) listenUDP(network, address string) (pc net.PacketConn, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.caught("opening a UDP port", p)
		}
	}()
	pc, err = s.listenPacket(network, address)
	if err != nil {
		return nil, err
	}
	if c, ok := pc.(*net.UDPConn); ok {
		_ = c.SetReadBuffer(s.udpBuffer)
	}
	return pc, nil
}

// portTries is how many pairs of UDP ports are tried.
const portTries = 50

// setup sets up one track. The UDP ports are chosen here: gortsplib would try for
// ever, deaf to Close, while the host has no socket to give.
func (a *attempt) setup(ctx context.Context, transport Transport, baseURL *base.URL, src *source) error {
	m := src.media
	if transport == UDP && a.client.Scheme == "rtsps" && !m.Secure {
		return &Failure{Cause: PlainUDP}
	}
	for try := 1; ; try++ {
		rtpPort, rtcpPort := 0, 0
		if transport == UDP {
			rtpPort = 10000 + 2*rand.IntN((65536-10000)/2)
			rtcpPort = rtpPort + 1
		}
		err := a.request(ctx, func() error {
			res, err := a.client.Setup(baseURL, m, rtpPort, rtcpPort)
			if err == nil && transport == TCP && a.frames != nil {
				a.frames.expect(res, channel{known: true, sealed: m.Secure, payload: src.forma.PayloadType()})
			}
			return err
		})
		if !isListenError(err) || try == portTries || ctx.Err() != nil {
			return err
		}
	}
}

func isListenError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "listen"
}

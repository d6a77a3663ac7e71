// Package rtsp is the camera side: it turns one RTSP stream into tracks and
// samples. Packets enter, access units with times leave. It is the only package
// that knows gortsplib.
//
// RTSP is RFC 2326, the payload formats are RFC 6184 (H.264), 7798 (H.265), 2435
// (MJPEG), 3640 (AAC), 7587 (Opus), 3551 (G.711), 3190 (LPCM) and the RTP Payload
// Format For AV1.
package rtsp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/panics"
)

// Transport is how packets come from the camera.
type Transport string

// The transports.
const (
	Auto Transport = "auto" // UDP first; TCP when UDP stays silent or is refused
	TCP  Transport = "tcp"
	UDP  Transport = "udp"
)

// Options configure a Session. Zero durations take the defaults.
type Options struct {
	URL       string // rtsp:// or rtsps://, may hold user info
	Transport Transport
	Audio     bool
	Video     string // number among the video streams, from 1, or name; empty: the first that can be recorded
	Log       zerolog.Logger
	Now       func() time.Time
	Panics    *panics.Page // where panics are reported; nil: to Log

	// For rtsps://, without either the system's authorities are asked.
	CAFile      string // PEM file of authorities to trust besides the system's
	Fingerprint []byte // SHA-256 of the one certificate to trust, whoever signed it

	KeepAlive       KeepAlive     // empty: KeepAliveAuto
	DialTimeout     time.Duration // of the TCP connection; 10 s
	RequestTimeout  time.Duration // of each RTSP request; 10 s
	StallTimeout    time.Duration // without a packet of a track the session ends; 10 s
	KeyframeTimeout time.Duration // without a key frame the session ends, see patience; 30 s
	UDPTimeout      time.Duration // without any packet auto falls back to TCP; 3 s
}

// KeepAlive is the request that tells a camera that somebody is still there.
type KeepAlive string

// The requests.
const (
	KeepAliveAuto         KeepAlive = "auto" // GET_PARAMETER where the camera offers it, else OPTIONS
	KeepAliveOptions      KeepAlive = "options"
	KeepAliveGetParameter KeepAlive = "get_parameter"
)

// Sink takes what a session delivers. Its methods are never called concurrently.
type Sink interface {
	// Start is called once, before the first sample, with the video track first
	// and the audio track, if there is one, second.
	Start(tracks []media.Track) error
	// Write takes a sample; an error ends the session with it.
	Write(s *media.Sample) error
	// Damaged says that footage is missing from here to the next sync sample.
	Damaged(cause string)
}

// Session connects to one camera. Run may be called again and again, not
// concurrently.
type Session struct {
	opts    Options
	url     *base.URL
	secrets []string
	useTCP  atomic.Bool // auto has found that UDP does not work
	told    map[leftOut]bool
	key     patience // with a camera that sends no key frame
	sound   patience // with sound that stops

	udpBuffer    int           // bytes to ask of the kernel
	watchEvery   time.Duration // how often the watchdog looks
	listenPacket func(network, address string) (net.PacketConn, error)
}

// NewSession validates the options.
func NewSession(o Options) (*Session, error) {
	u, err := base.ParseURL(o.URL)
	if err != nil {
		return nil, errors.New("the camera's URL is not a valid rtsp:// or rtsps:// URL")
	}
	def := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	if o.Panics == nil {
		o.Panics = panics.NewBook(o.Log, o.Now).Of("")
	}
	def(&o.DialTimeout, 10*time.Second)
	def(&o.RequestTimeout, 10*time.Second)
	def(&o.StallTimeout, 10*time.Second)
	def(&o.KeyframeTimeout, 30*time.Second)
	def(&o.UDPTimeout, 3*time.Second)
	return &Session{
		opts: o, url: u, secrets: secretsOf((*url.URL)(u)), told: map[leftOut]bool{},
		key: patience{o.KeyframeTimeout}, sound: patience{o.StallTimeout},
		udpBuffer: udpBuffer, watchEvery: time.Second, listenPacket: net.ListenPacket,
	}, nil
}

// Run connects, delivers to sink, and returns when the session has ended and all
// it had started is gone: with nil when ctx ended it, else with a *Failure. With
// transport auto a silent or refused UDP is followed by TCP at once, and by TCP
// alone from then on.
func (s *Session) Run(ctx context.Context, sink Sink) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.explain(s.caught("reading the camera", p))
		}
	}()
	transport := s.firstTransport()
	err = s.attempt(ctx, transport, sink)
	if s.opts.Transport == Auto && transport == UDP && ctx.Err() == nil && udpIsToBlame(err) {
		s.opts.Log.Info().Str("cause", s.explain(err).Error()).Msg("UDP does not work with this camera; using TCP")
		s.useTCP.Store(true)
		err = s.attempt(ctx, TCP, sink)
	}
	if ctx.Err() != nil {
		return nil
	}
	return s.explain(err)
}

// firstTransport is what an attempt begins with. Media of an rtsps:// session
// would have to be encrypted over UDP, which hardly any camera offers.
func (s *Session) firstTransport() Transport {
	switch {
	case s.opts.Transport != Auto:
		return s.opts.Transport
	case s.useTCP.Load(), s.url.Scheme == "rtsps":
		return TCP
	}
	return UDP
}

// udpIsToBlame says whether TCP may do better.
func udpIsToBlame(err error) bool {
	var f *Failure
	if errors.As(err, &f) && (f.Cause == NothingUDP || f.Cause == PlainUDP) {
		return true
	}
	if isListenError(err) {
		return true
	}
	var status liberrors.ErrClientBadStatusCode
	if errors.As(err, &status) {
		return status.Code == base.StatusUnsupportedTransport
	}
	for _, target := range []error{
		liberrors.ErrClientServerRequestedTCP{}, liberrors.ErrClientUDPPortsZero{}, liberrors.ErrClientServerPortsNotProvided{},
		liberrors.ErrClientTransportHeaderNoPorts{}, liberrors.ErrClientSwitchToTCP{}, liberrors.ErrClientSwitchToTCP2{},
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// tell logs a track that is not recorded: once, not with every reconnect.
func (s *Session) tell(l leftOut) {
	const most = 100 // the texts come from the camera
	if s.told[l] || len(s.told) >= most {
		return
	}
	s.told[l] = true
	why := redacted{errors.New(short(l.why)), s.secrets}.Error()
	s.opts.Log.Info().Str("track", redacted{errors.New(l.track), s.secrets}.Error()).Str("why", why).Msg("a track of the camera is not recorded")
}

// explain makes a Failure of any error, without the URL's user info.
func (s *Session) explain(err error) error {
	var f *Failure
	switch {
	case err == nil:
		return &Failure{Cause: Closed}
	case errors.As(err, &f):
		if f.Err != nil {
			f = &Failure{Cause: f.Cause, Err: redacted{f.Err, s.secrets}}
		}
		return f
	}
	return &Failure{Cause: classify(err), Err: redacted{err, s.secrets}}
}

// String is the camera's address without user info.
func (s *Session) String() string {
	return fmt.Sprintf("%s://%s%s", s.url.Scheme, s.url.Host, s.url.Path)
}

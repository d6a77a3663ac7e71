package rtsp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmpeg4audio"
	"github.com/pion/rtp"

	"recording-agent/capture/media"
)

// outOfReach stands for gortsplib's own read timeout, which compares wall-clock
// seconds and so ends every session when the host's clock is set forward. Our
// watchdogs use the monotonic clock instead.
const outOfReach = time.Duration(math.MaxInt64 / 2)

// maxJump is how far stream time may run away from arrival time.
const maxJump = 10 * time.Second

// attempt is one connection to the camera and its media.
type attempt struct {
	session *Session
	client  *gortsplib.Client
	conn    *gathering // to the camera; the last one, when it redirected
	sink    Sink

	life  context.Context // ends when the connections have to be torn down
	abort context.CancelFunc

	began       time.Time // the origin of the monotonic times below
	played      time.Duration
	lastPicture atomic.Int64 // when the last picture came, since began
	packets     atomic.Int64
	ended       chan error // the first error of a callback

	mu       sync.Mutex // the sink, and what follows
	video    *video
	sound    *source
	started  bool
	lastSeq  uint16
	seqKnown bool
	zero     time.Duration // arrival minus stream time of the first picture
	soundDTS int64
	soundLag int64 // what the sound's timestamps are moved by
}

func (s *Session) attempt(ctx context.Context, transport Transport, sink Sink) error {
	a := s.newAttempt(transport, sink)
	defer a.abort()
	if err := a.client.Start2(); err != nil {
		return err
	}
	defer a.client.Close()
	if err := a.play(ctx, transport); err != nil {
		return err
	}
	a.played = time.Since(a.began)
	a.conn.playing.Store(transport == TCP)
	return a.watch(ctx, transport)
}

func (s *Session) newAttempt(transport Transport, sink Sink) *attempt {
	a := &attempt{session: s, sink: sink, began: time.Now(), ended: make(chan error, 1)}
	a.life, a.abort = context.WithCancel(context.Background())
	a.client = a.newClient(transport)
	return a
}

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
		ReadTimeout:  outOfReach,
		WriteTimeout: s.opts.RequestTimeout,
		UserAgent:    "recording-agent",
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			a.conn = &gathering{Conn: c}
			// A TLS handshake has no deadline in gortsplib and does not heed Close.
			return &sniffer{Conn: a.conn, forget: context.AfterFunc(a.life, func() { _ = c.Close() })}, nil
		},
		ListenPacket:      s.listenUDP,
		OnPacketsLost:     func(uint64) {},
		OnDecodeError:     func(error) {},
		OnTransportSwitch: func(error) {},
	}
}

// udpBuffer holds a key frame of a large camera while the reader is busy. The
// kernel may grant less: gortsplib's own setting would not put up with that.
const udpBuffer = 1 << 20

func (s *Session) listenUDP(network, address string) (net.PacketConn, error) {
	pc, err := s.listenPacket(network, address)
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
func (a *attempt) setup(ctx context.Context, transport Transport, baseURL *base.URL, m *description.Media) error {
	for try := 1; ; try++ {
		rtpPort, rtcpPort := 0, 0
		if transport == UDP {
			rtpPort = 10000 + 2*rand.IntN((65536-10000)/2)
			rtcpPort = rtpPort + 1
		}
		err := a.request(ctx, func() error {
			_, err := a.client.Setup(baseURL, m, rtpPort, rtcpPort)
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

// play sets up the session. Each request has its own deadline; gortsplib's has
// been put out of reach.
func (a *attempt) play(ctx context.Context, transport Transport) error {
	var desc *description.Session
	err := a.request(ctx, func() (err error) {
		desc, _, err = a.client.Describe(a.session.url)
		return err
	})
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	picture, sound, err := choose(desc, a.session.opts.Audio)
	if err != nil {
		return err
	}
	a.video = &video{codec: picture.track.Codec, rate: picture.track.ClockRate, sets: picture.track.Video}
	a.sound = sound
	for _, src := range []*source{picture, sound} {
		if src == nil {
			continue
		}
		if err := a.setup(ctx, transport, desc.BaseURL, src.media); err != nil {
			return fmt.Errorf("set up the %s track: %w", src.track.Codec, err)
		}
	}
	a.client.OnPacketRTP(picture.media, picture.forma, a.guarded(func(pkt *rtp.Packet) error { return a.videoPacket(picture, pkt) }))
	if sound != nil {
		a.client.OnPacketRTP(sound.media, sound.forma, a.guarded(func(pkt *rtp.Packet) error { return a.soundPacket(sound, pkt) }))
	}
	err = a.request(ctx, func() error {
		_, err := a.client.Play(nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("play: %w", err)
	}
	return nil
}

// request carries out one RTSP exchange, and closes the client when it takes too
// long or ctx ends: gortsplib has no other way to be interrupted.
func (a *attempt) request(ctx context.Context, do func() error) error {
	timed, cancel := context.WithTimeout(ctx, a.session.opts.DialTimeout+a.session.opts.RequestTimeout)
	defer cancel()
	closed := make(chan struct{})
	stop := context.AfterFunc(timed, func() {
		defer close(closed)
		a.abort()
		a.client.Close()
	})
	err := do()
	if !stop() {
		<-closed
		return timed.Err()
	}
	return err
}

// guarded runs a packet callback. What it panics or fails with ends this session
// and nothing else.
func (a *attempt) guarded(handle func(pkt *rtp.Packet) error) gortsplib.OnPacketRTPFunc {
	return func(pkt *rtp.Packet) {
		defer func() {
			if p := recover(); p != nil {
				a.session.opts.Log.Error().Str("stack", string(debug.Stack())).Msgf("panic while reading a packet: %v", p)
				a.fail(&Failure{Cause: BadStream, Err: fmt.Errorf("panic while reading a packet: %v", p)})
			}
		}()
		a.packets.Add(1)
		a.mu.Lock()
		defer a.mu.Unlock()
		if err := handle(pkt); err != nil {
			a.fail(err)
		}
	}
}

func (a *attempt) fail(err error) {
	select {
	case a.ended <- err:
	default:
	}
}

// watch waits for the session's end.
func (a *attempt) watch(ctx context.Context, transport Transport) error {
	gone := make(chan error, 1)
	go func() { gone <- a.client.Wait() }()
	defer func() { // the client is closed first: Wait returns then
		a.client.Close()
		<-gone
	}()
	tick := time.NewTicker(a.session.watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-a.ended:
			return err
		case err := <-gone:
			gone <- nil
			return err
		case <-tick.C:
			if err := a.overdue(transport); err != nil {
				return err
			}
		}
	}
}

// overdue is the watchdog of the video track. Sound does not feed it: it would
// hide dead video.
func (a *attempt) overdue(transport Transport) error {
	o := &a.session.opts
	up := time.Since(a.began)
	if transport == UDP && a.packets.Load() == 0 && up-a.played > o.UDPTimeout {
		return &Failure{Cause: NothingUDP}
	}
	if silent := up - max(a.played, time.Duration(a.lastPicture.Load())); silent > o.PictureTimeout {
		return &Failure{Cause: Stalled, Err: fmt.Errorf("none for %v", silent.Round(time.Second))}
	}
	return nil
}

func (a *attempt) videoPacket(src *source, pkt *rtp.Packet) error {
	if a.seqKnown && pkt.SequenceNumber != a.lastSeq+1 {
		a.torn(src, "packets of the video are missing")
	}
	a.lastSeq, a.seqKnown = pkt.SequenceNumber, true
	pts, ok := a.client.PacketPTS2(src.media, pkt)
	if !ok {
		return nil
	}
	nalus, err := src.decode(pkt)
	if err != nil {
		if !errors.Is(err, rtph264.ErrMorePacketsNeeded) && !errors.Is(err, rtph265.ErrMorePacketsNeeded) &&
			!errors.Is(err, rtph264.ErrNonStartingPacketAndNoPrevious) && !errors.Is(err, rtph265.ErrNonStartingPacketAndNoPrevious) {
			a.torn(src, "a packet of the video cannot be read: "+err.Error())
		}
		return nil
	}
	sample := a.video.sample(nalus, pts, a.session.opts.Now())
	if sample == nil {
		return nil
	}
	return a.picture(src, sample)
}

func (a *attempt) picture(src *source, s *media.Sample) error {
	arrival := time.Since(a.began)
	offset := arrival - media.Duration(s.PTS, src.track.ClockRate)
	if !a.started {
		a.zero = offset
		tracks := []media.Track{src.track}
		tracks[0].Video = a.video.sets
		if a.sound != nil {
			tracks = append(tracks, a.sound.track)
		}
		if err := a.sink.Start(tracks); err != nil {
			return &Failure{Cause: ReceiverRejected, Err: err}
		}
		a.started = true
	}
	if jump := (offset - a.zero).Abs(); jump > maxJump {
		return &Failure{Cause: BadStream, Err: fmt.Errorf("its timestamps jumped by %v", jump.Round(time.Second))}
	}
	a.zero += (offset - a.zero) / 256 // follows drift, not jumps
	a.lastPicture.Store(int64(arrival))
	if err := a.sink.Write(s); err != nil {
		return &Failure{Cause: ReceiverRejected, Err: err}
	}
	return nil
}

func (a *attempt) soundPacket(src *source, pkt *rtp.Packet) error {
	pts, ok := a.client.PacketPTS2(src.media, pkt)
	if !ok {
		return nil
	}
	frames, err := src.decode(pkt)
	if err != nil && !errors.Is(err, rtpmpeg4audio.ErrMorePacketsNeeded) {
		return nil // a frame of sound is lost; the pictures go on
	}
	pts = a.soundTime(pts, src.track.ClockRate)
	for _, frame := range frames {
		at := max(pts, a.soundDTS)
		pts = at + src.frameTicks(frame)
		a.soundDTS = at + 1
		if !a.started {
			continue
		}
		s := &media.Sample{Track: 1, DTS: at, PTS: at, Units: [][]byte{frame}}
		s.Wall = a.video.clock.base.Add(media.Duration(at, src.track.ClockRate))
		if err := a.sink.Write(s); err != nil {
			return &Failure{Cause: ReceiverRejected, Err: err}
		}
	}
	return nil
}

// soundTime lays a timestamp of the sound on the time line of the pictures. A
// jump does not end the session, as that of a picture does: the sound goes on
// where the pictures are.
func (a *attempt) soundTime(pts int64, rate int) int64 {
	at := pts + a.soundLag
	if a.started {
		off := time.Since(a.began) - a.zero - media.Duration(at, rate)
		if off.Abs() > maxJump {
			a.soundLag += media.Ticks(off, rate)
			at = pts + a.soundLag
		}
	}
	return max(at, a.soundDTS)
}

// torn drops the access unit that is being put together: what is left of it must
// not pass for a picture, nor be joined to the next.
func (a *attempt) torn(src *source, cause string) {
	if decode, err := src.decoder(); err == nil { // it could be made before
		src.decode = decode
	}
	if a.video.damaged() {
		a.sink.Damaged(cause)
	}
}

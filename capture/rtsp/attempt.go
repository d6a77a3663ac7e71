package rtsp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/rtptime"
	"github.com/pion/rtp"
)

// attempt is one connection to the camera and its media.
type attempt struct {
	session *Session
	client  *gortsplib.Client
	conn    *gathering // to the camera; the last one, when it redirected
	frames  *framed    // what is read of it; nil behind TLS
	sink    Sink

	garbageTold time.Duration // when

	life  context.Context // ends when the connections have to be torn down
	abort context.CancelFunc

	began      time.Time     // the origin of the monotonic times below
	awake      time.Duration // silence counts from here on: the session plays, the process runs
	looked     time.Duration // when the watchdog did
	lastVideo  atomic.Int64  // when the last packet of a track came; 0 before the first
	lastSound  atomic.Int64
	lastSync   atomic.Int64 // when the last key frame came
	tornAt     atomic.Int64 // since when pictures are dropped for want of one; 0: they are not
	packets    atomic.Int64
	trouble    atomic.Pointer[string]   // what was last wrong with the video
	unreadable atomic.Pointer[[]string] // tracks of the session description
	ended      chan error               // the first error of a callback

	mu       sync.Mutex // the sink, and what follows
	failed   bool
	video    *video
	source   *source // of video
	sound    *source
	started  bool
	last     rtp.Header // of the video
	lastPTS  int64
	seqKnown bool
	open     bool // the depacketizer has been given something
	stamps   rtptime.GlobalDecoder2
	report   report // of the pictures
	joiner   joiner
	pictures timeline
	sounds   timeline
	jumpTold time.Duration // when
	zero     time.Duration // arrival minus stream time of pictures
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
	a.awake = time.Since(a.began)
	a.looked = a.awake
	a.conn.playing.Store(transport == TCP)
	defer a.release(0) // the client is closed by then
	return a.watch(ctx, transport)
}

func (s *Session) newAttempt(transport Transport, sink Sink) *attempt {
	a := &attempt{session: s, sink: sink, began: time.Now(), ended: make(chan error, 1)}
	a.stamps.Initialize()
	a.life, a.abort = context.WithCancel(context.Background())
	a.client = a.newClient(transport)
	return a
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
		if u := a.unreadable.Load(); u != nil {
			err = fmt.Errorf("%w; it offers what cannot be read: %s", err, short(strings.Join(*u, ", ")))
		}
		return fmt.Errorf("describe: %w", err)
	}
	chosen, err := choose(desc, &a.session.opts)
	if u := a.unreadable.Load(); u != nil {
		for _, track := range *u {
			a.session.tell(leftOut{track: track, why: "it is not described as it should be"})
		}
	}
	for _, l := range chosen.leftOut {
		a.session.tell(l)
	}
	if err != nil {
		return err
	}
	if err := a.setupTracks(ctx, transport, desc.BaseURL, chosen); err != nil {
		return err
	}
	if a.frames != nil {
		a.frames.playing.Store(transport == TCP)
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

// setupTracks sets up what is recorded. Sound that cannot be had is left out.
func (a *attempt) setupTracks(ctx context.Context, transport Transport, baseURL *base.URL, chosen selection) error {
	picture, sound := chosen.video, chosen.sound
	a.source = picture
	a.video = newVideo(&picture.track)
	if err := a.setupTrack(ctx, transport, baseURL, picture, &a.lastVideo, a.videoPacket); err != nil {
		return fmt.Errorf("set up the %s track: %w", picture.track.Codec, err)
	}
	a.client.OnPacketRTCP(picture.media, a.reported)
	if sound == nil {
		return nil
	}
	if err := a.setupTrack(ctx, transport, baseURL, sound, &a.lastSound, a.soundPacket); err != nil {
		if !concernsTrackAlone(err) || transport == UDP && a.session.opts.Transport == Auto && udpIsToBlame(err) {
			return fmt.Errorf("set up the %s track: %w", sound.track.Codec, err)
		}
		a.session.tell(leftOut{track: describe(sound.media, sound.forma, ""), why: err.Error()})
		return nil
	}
	a.sound = sound
	return nil
}

// setupTrack sets up one track, and has its packets handled in their order.
func (a *attempt) setupTrack(ctx context.Context, transport Transport, baseURL *base.URL, src *source, last *atomic.Int64, handle func(*source, *rtp.Packet) error) error {
	forma := &src.media.Formats[slices.Index(src.media.Formats, src.forma)]
	*forma = &calm{src.forma, a}
	if transport != UDP {
		if err := a.setup(ctx, transport, baseURL, src); err != nil {
			return err
		}
		a.client.OnPacketRTP(src.media, src.forma, a.guarded(last, func(pkt *rtp.Packet) error { return handle(src, pkt) }))
		return nil
	}
	order := &reorder{}
	*forma = &early{Format: *forma, arrived: a.guarded(last, func(pkt *rtp.Packet) error {
		for _, p := range order.take(pkt, time.Since(a.began)) {
			if err := handle(src, p); err != nil {
				return err
			}
		}
		return nil
	})}
	return a.setup(ctx, transport, baseURL, src)
}

// concernsTrackAlone says whether the session can go on without a track that could
// not be set up.
func concernsTrackAlone(err error) bool {
	switch classify(err) {
	case RejectedRequest, OtherTransport, LoginRefused, PathNotFound, BadStream:
		return true
	}
	return false
}

// request carries out one RTSP exchange, and closes the client when it takes too
// long or ctx ends: gortsplib has no other way to be interrupted.
func (a *attempt) request(ctx context.Context, do func() error) error {
	timed, cancel := context.WithTimeout(ctx, a.session.opts.DialTimeout+a.session.opts.RequestTimeout)
	defer cancel()
	closed := make(chan struct{})
	stop := context.AfterFunc(timed, func() {
		defer close(closed)
		a.quietly("closing the connection", func() {
			a.abort()
			a.client.Close()
		})
	})
	err := do()
	if !stop() {
		<-closed
		return timed.Err()
	}
	return err
}

// guarded runs a track's packet callback, and notes when.
func (a *attempt) guarded(last *atomic.Int64, handle func(pkt *rtp.Packet) error) gortsplib.OnPacketRTPFunc {
	return func(pkt *rtp.Packet) {
		last.Store(int64(time.Since(a.began)))
		a.packets.Add(1)
		a.safely(func() error { return handle(pkt) })
	}
}

// safely does something with what the camera has sent. What it panics or fails with
// ends this session and nothing else.
func (a *attempt) safely(do func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			a.fail(a.session.caught("reading a packet", p))
		}
	}()
	if err := do(); err != nil {
		a.fail(err)
	}
}

// fail is called with the mutex held.
func (a *attempt) fail(err error) {
	a.failed = true
	a.endWith(err)
}

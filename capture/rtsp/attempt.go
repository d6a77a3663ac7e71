package rtsp

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtp"

	"recording-agent/capture/media"
)

// attempt is one connection to the camera and its media.
type attempt struct {
	session *Session
	client  *gortsplib.Client
	conn    *gathering // to the camera; the last one, when it redirected
	sink    Sink

	life  context.Context // ends when the connections have to be torn down
	abort context.CancelFunc

	began      time.Time // the origin of the monotonic times below
	played     time.Duration
	lastVideo  atomic.Int64 // when the last packet of a track came; 0 before the first
	lastSound  atomic.Int64
	lastSync   atomic.Int64 // when the last key frame came
	tornAt     atomic.Int64 // since when pictures are dropped for want of one; 0: they are not
	packets    atomic.Int64
	trouble    atomic.Pointer[string]   // what was last wrong with the video
	unreadable atomic.Pointer[[]string] // tracks of the session description
	ended      chan error               // the first error of a callback

	mu       sync.Mutex // the sink, and what follows
	video    *video
	sound    *source
	started  bool
	lastSeq  uint16
	seqKnown bool
	pictures timeline
	sounds   timeline
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
	if err := a.setup(ctx, transport, baseURL, picture.media); err != nil {
		return fmt.Errorf("set up the %s track: %w", picture.track.Codec, err)
	}
	a.video = &video{codec: picture.track.Codec, rate: picture.track.ClockRate, sets: picture.track.Video}
	a.client.OnPacketRTP(picture.media, picture.forma, a.guarded(&a.lastVideo, func(pkt *rtp.Packet) error { return a.videoPacket(picture, pkt) }))
	if sound == nil {
		return nil
	}
	if err := a.setup(ctx, transport, baseURL, sound.media); err != nil {
		if !concernsTrackAlone(err) || transport == UDP && a.session.opts.Transport == Auto && udpIsToBlame(err) {
			return fmt.Errorf("set up the %s track: %w", sound.track.Codec, err)
		}
		a.session.tell(leftOut{track: describe(sound.media, sound.forma, ""), why: err.Error()})
		return nil
	}
	a.sound = sound
	a.client.OnPacketRTP(sound.media, sound.forma, a.guarded(&a.lastSound, func(pkt *rtp.Packet) error { return a.soundPacket(sound, pkt) }))
	return nil
}

// concernsTrackAlone says whether the session can go on without a track that could
// not be set up.
func concernsTrackAlone(err error) bool {
	switch classify(err) {
	case RejectedRequest, LoginRefused, PathNotFound, BadStream:
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

// guarded runs a track's packet callback, and notes when. What it panics or fails
// with ends this session and nothing else.
func (a *attempt) guarded(last *atomic.Int64, handle func(pkt *rtp.Packet) error) gortsplib.OnPacketRTPFunc {
	return func(pkt *rtp.Packet) {
		defer func() {
			if p := recover(); p != nil {
				a.session.opts.Log.Error().Str("stack", string(debug.Stack())).Msgf("panic while reading a packet: %v", p)
				a.fail(&Failure{Cause: BadStream, Err: fmt.Errorf("panic while reading a packet: %v", p)})
			}
		}()
		last.Store(int64(time.Since(a.began)))
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

func (a *attempt) videoPacket(src *source, pkt *rtp.Packet) error {
	if a.seqKnown && pkt.SequenceNumber != a.lastSeq+1 {
		a.torn(src, "packets of the video are missing")
	}
	a.lastSeq, a.seqKnown = pkt.SequenceNumber, true
	pts, timed := a.client.PacketPTS2(src.media, pkt)
	nalus, err := src.decode(pkt) // the first key frame may begin with what has no time yet
	if err != nil {
		if !isUnfinished(err) {
			a.torn(src, "a packet of the video cannot be read: "+err.Error())
		}
		return nil
	}
	if !timed {
		return nil
	}
	pts, jumped := a.pictures.place(pts, src.track.ClockRate, time.Since(a.began), frameTime)
	if jumped {
		a.session.opts.Log.Info().Msg("the camera's timestamps have jumped; recording goes on in a new segment")
		a.video.cut = true
	}
	sample := a.video.sample(nalus, pts, a.session.opts.Now())
	if sample == nil {
		return nil
	}
	return a.picture(src, sample)
}

// frameTime stands for the time between two pictures where it has to be made up.
const frameTime = 40 * time.Millisecond

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
	a.zero += (offset - a.zero) / 256 // follows drift, not jumps
	if s.Sync {
		a.lastSync.Store(int64(arrival))
		a.tornAt.Store(0)
	}
	if err := a.sink.Write(s); err != nil {
		return &Failure{Cause: ReceiverRejected, Err: err}
	}
	return nil
}

// torn drops the access unit that is being put together: what is left of it must
// not pass for a picture, nor be joined to the next.
func (a *attempt) torn(src *source, cause string) {
	if decode, err := src.decoder(); err == nil { // it could be made before
		src.decode = decode
	}
	a.trouble.Store(&cause)
	if a.video.damaged() {
		a.tornAt.Store(int64(time.Since(a.began)))
		a.sink.Damaged(cause)
	}
}

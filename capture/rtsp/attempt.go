package rtsp

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/rtptime"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"recording-agent/capture/media"
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
	failed   bool
	video    *video
	source   *source // of video
	sound    *source
	started  bool
	last     rtp.Header // of the video
	lastPTS  int64
	seqKnown bool
	report   report // of the pictures
	open     bool   // the depacketizer has been given something
	stamps   rtptime.GlobalDecoder2
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
	a.played = time.Since(a.began)
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
	if transport != UDP {
		if err := a.setup(ctx, transport, baseURL, src); err != nil {
			return err
		}
		a.client.OnPacketRTP(src.media, src.forma, a.guarded(last, func(pkt *rtp.Packet) error { return handle(src, pkt) }))
		return nil
	}
	order := &reorder{}
	src.media.Formats[slices.Index(src.media.Formats, src.forma)] = &early{Format: src.forma, arrived: a.guarded(last, func(pkt *rtp.Packet) error {
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
			a.session.opts.Log.Error().Str("stack", string(debug.Stack())).Msgf("panic while reading a packet: %v", p)
			a.fail(&Failure{Cause: BadStream, Err: fmt.Errorf("panic while reading a packet: %v", p)})
		}
	}()
	if err := do(); err != nil {
		a.fail(err)
	}
}

// fail is called with the mutex held.
func (a *attempt) fail(err error) {
	a.failed = true
	select {
	case a.ended <- err:
	default:
	}
}

func (a *attempt) videoPacket(src *source, pkt *rtp.Packet) error {
	if a.seqKnown && pkt.SequenceNumber != a.last.SequenceNumber+1 {
		if err := a.torn(src, "packets of the video are missing"); err != nil {
			return err
		}
	}
	before, beforePTS := a.last, a.lastPTS
	a.last, a.seqKnown = pkt.Header, true
	pts, ok := a.stamps.Decode(src, pkt)
	if !ok {
		return nil
	}
	a.lastPTS = pts
	// Where there is no marker the depacketizer would end an access unit with the next
	// one's first packet, and its time would be taken for the next one's.
	if end := delimiter(src.track.Codec); end != nil && a.open && !before.Marker && before.Timestamp != pkt.Timestamp {
		before.Marker = true
		if err := a.depacketize(src, &rtp.Packet{Header: before, Payload: end}, beforePTS); err != nil {
			return err
		}
	}
	a.open = true
	return a.depacketize(src, pkt, pts)
}

// depacketize takes a packet that is shown, or whose access unit is, at pts.
func (a *attempt) depacketize(src *source, pkt *rtp.Packet, pts int64) error {
	nalus, err := src.decode(pkt)
	switch {
	case isUnfinished(err):
		return nil
	case err != nil:
		return a.torn(src, "a packet of the video cannot be read: "+err.Error())
	}
	p := piece{
		accessUnit: takeApart(src.track.Codec, nalus), ssrc: pkt.SSRC, stamp: pkt.Timestamp, pts: pts,
		arrival: time.Since(a.began), now: a.session.opts.Now(),
	}
	if !src.track.Codec.HasNALUnits() {
		return a.accessUnit(src, &p)
	}
	return a.whole(src, a.joiner.add(p))
}

// whole takes access units of which nothing is missing.
func (a *attempt) whole(src *source, units []piece) error {
	for i := range units {
		if err := a.accessUnit(src, &units[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *attempt) accessUnit(src *source, p *piece) error {
	v := a.video
	if p.picture {
		held := v.held + heldMore
		if p.key && p.first { // all that came is shown before it
			held = 0
		}
		var jumped bool
		if p.pts, jumped = a.pictures.place(p.pts, src.track.ClockRate, p.arrival, held); jumped {
			v.cut = true
			a.jumped()
		}
	}
	sample := v.take(&p.accessUnit, p.pts, p.now)
	if sample == nil {
		return nil
	}
	sample.CameraTime = a.report.at(p.ssrc, p.stamp, src.track.ClockRate, sample.Wall)
	return a.picture(src, sample, p.arrival)
}

func (a *attempt) reported(pkt rtcp.Packet) {
	if sr, ok := pkt.(*rtcp.SenderReport); ok {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.report.take(sr)
	}
}

// heldMore is by how many pictures a camera may exceed what its parameter sets say.
const heldMore = 3

// jumped says so, but not for each picture of a clock that runs backwards.
func (a *attempt) jumped() {
	const again = time.Minute
	if now := time.Since(a.began); a.jumpTold == 0 || now-a.jumpTold > again {
		a.jumpTold = now
		a.session.opts.Log.Info().Msg("the camera's timestamps have jumped; recording goes on in a new segment")
	}
}

func (a *attempt) picture(src *source, s *media.Sample, arrival time.Duration) error {
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
func (a *attempt) torn(src *source, cause string) error {
	if decode, err := src.decoder(); err == nil { // it could be made before
		src.decode, a.open = decode, false
	}
	err := a.whole(src, a.joiner.torn())
	a.trouble.Store(&cause)
	if a.video.damaged() {
		a.tornAt.Store(int64(time.Since(a.began)))
		a.sink.Damaged(cause)
	}
	return err
}

// heldFor is how long a picture is kept back at least before the watchdog takes it for
// whole, although no other one comes.
const heldFor = 300 * time.Millisecond

// release delivers the picture that is kept back, if it has been for so long.
func (a *attempt) release(since time.Duration) {
	a.safely(func() error {
		if h := a.joiner.held; h == nil || a.failed || time.Since(a.began)-h.arrival < since {
			return nil
		}
		return a.whole(a.source, a.joiner.take())
	})
}

package rtsp

import (
	"time"

	"github.com/pion/rtp"

	"recording-agent/capture/media"
)

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

package rtsp

import (
	"errors"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmpeg4audio"
	"github.com/pion/rtp"

	"recording-agent/capture/media"
)

func (a *attempt) soundPacket(src *source, pkt *rtp.Packet) error {
	pts, ok := a.stamps.Decode(src, pkt)
	if !ok {
		return nil
	}
	frames, err := src.decode(pkt)
	if err != nil && !errors.Is(err, rtpmpeg4audio.ErrMorePacketsNeeded) {
		return nil // a frame of sound is lost; the pictures go on
	}
	pts, _ = a.sounds.place(pts, src.track.ClockRate, time.Since(a.began), anyOrder)
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

// maxApart is how far the sound may run away from the pictures.
const maxApart = 10 * time.Second

// soundTime lays a timestamp of the sound on the time line of the pictures. A
// jump does not end the session, as that of a picture does: the sound goes on
// where the pictures are.
func (a *attempt) soundTime(pts int64, rate int) int64 {
	at := pts + a.soundLag
	if a.started {
		off := time.Since(a.began) - a.zero - media.Duration(at, rate)
		if off.Abs() > maxApart {
			a.soundLag += media.Ticks(off, rate)
			at = pts + a.soundLag
		}
	}
	return max(at, a.soundDTS)
}

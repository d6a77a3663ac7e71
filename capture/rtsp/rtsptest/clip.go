package rtsptest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/pion/rtp"
)

// Clip is a short MPEG-TS file that can be played in a loop.
type Clip struct {
	desc   *description.Session
	units  []clipUnit
	length int64 // at 90 kHz
}

type clipUnit struct {
	track    int
	dts, pts int64 // at 90 kHz, from the clip's start
	key      bool
	packets  []*rtp.Packet
}

const tsRate = 90000

// ReadClip reads a clip with one H.264 or H.265 track and at most one AAC track.
// length is how long one round of the loop takes: a whole number of pictures and
// of audio frames.
func ReadClip(data []byte, length time.Duration) (*Clip, error) {
	r := &mpegts.Reader{R: bytes.NewReader(data)}
	if err := r.Initialize(); err != nil {
		return nil, fmt.Errorf("read the clip: %w", err)
	}
	c := &Clip{desc: &description.Session{}, length: int64(length) * tsRate / int64(time.Second)}
	for _, t := range r.Tracks() {
		if err := c.track(r, t); err != nil {
			return nil, err
		}
	}
	for {
		err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the clip: %w", err)
		}
	}
	if len(c.units) == 0 {
		return nil, errors.New("the clip is empty")
	}
	c.fromZero()
	return c, nil
}

// fromZero makes the first picture's decoding time 0, cuts what would reach into
// the next round (the frame by which an AAC encoder leads in), and puts the units
// in the order of their time.
func (c *Clip) fromZero() {
	first := map[int]int64{}
	for _, u := range c.units {
		if _, ok := first[u.track]; !ok {
			first[u.track] = u.dts
		}
	}
	c.units = slices.DeleteFunc(c.units, func(u clipUnit) bool { return u.dts >= first[u.track]+c.length })
	for i := range c.units {
		c.units[i].dts -= first[0]
		c.units[i].pts -= first[0]
	}
	// A transport stream holds its sound late, in lumps; a camera does not.
	slices.SortStableFunc(c.units, func(a, b clipUnit) int { return cmp.Compare(a.dts, b.dts) })
}

func (c *Clip) track(r *mpegts.Reader, t *mpegts.Track) error {
	n := len(c.desc.Medias)
	switch codec := t.Codec.(type) {
	case *mpegts.CodecH264:
		f := &format.H264{PayloadTyp: 96, PacketizationMode: 1}
		enc, err := f.CreateEncoder()
		if err != nil {
			return err
		}
		c.media(description.MediaTypeVideo, f)
		r.OnDataH264(t, func(pts, dts int64, au [][]byte) error {
			return c.unit(n, dts, pts, h264.IsRandomAccess(au), au, enc.Encode)
		})
	case *mpegts.CodecH265:
		f := &format.H265{PayloadTyp: 96}
		enc, err := f.CreateEncoder()
		if err != nil {
			return err
		}
		c.media(description.MediaTypeVideo, f)
		r.OnDataH265(t, func(pts, dts int64, au [][]byte) error {
			return c.unit(n, dts, pts, h265.IsRandomAccess(au), au, enc.Encode)
		})
	case *mpegts.CodecMPEG4Audio:
		f := &format.MPEG4Audio{PayloadTyp: 97, Config: &codec.Config, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
		enc, err := f.CreateEncoder()
		if err != nil {
			return err
		}
		c.media(description.MediaTypeAudio, f)
		r.OnDataMPEG4Audio(t, func(pts int64, aus [][]byte) error {
			for i, au := range aus {
				at := pts + int64(i)*1024*tsRate/int64(codec.SampleRate)
				if err := c.unit(n, at, at, false, [][]byte{au}, enc.Encode); err != nil {
					return err
				}
			}
			return nil
		})
	default:
		return fmt.Errorf("the clip has a track of %T", codec)
	}
	return nil
}

func (c *Clip) media(kind description.MediaType, f format.Format) {
	c.desc.Medias = append(c.desc.Medias, &description.Media{Type: kind, Formats: []format.Format{f}})
}

func (c *Clip) unit(track int, dts, pts int64, key bool, au [][]byte, encode func([][]byte) ([]*rtp.Packet, error)) error {
	packets, err := encode(au)
	if err != nil {
		return err
	}
	c.units = append(c.units, clipUnit{track: track, dts: dts, pts: pts, key: key, packets: packets})
	return nil
}

// Play serves a clip under a path until ctx ends, in real time, with timestamps
// that run on from loop to loop.
func (h *Hub) Play(ctx context.Context, path string, c *Clip) error { return h.play(ctx, path, c, nil) }

func (h *Hub) play(ctx context.Context, path string, c *Clip, t *tally) error {
	stream, err := h.publish("/"+path, &description.Session{Medias: c.desc.Medias})
	if err != nil {
		return err
	}
	began := time.Now()
	sequence := make([]uint16, len(c.desc.Medias))
	for round := int64(0); ; round++ {
		for i := range c.units {
			u := &c.units[i]
			due := began.Add(time.Duration(round*c.length+u.dts) * time.Second / tsRate)
			if !sleepUntil(ctx, due) {
				return nil
			}
			packets := u.packets
			if t != nil && u.track == 0 {
				packets = numbered(packets, u.key, t.next(u.key, time.Since(due)))
			}
			c.send(stream, u, packets, round, &sequence[u.track])
		}
	}
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (c *Clip) send(stream *gortsplib.ServerStream, u *clipUnit, packets []*rtp.Packet, round int64, sequence *uint16) {
	media := c.desc.Medias[u.track]
	rate := int64(media.Formats[0].ClockRate())
	for _, p := range packets {
		pkt := *p
		*sequence++
		pkt.SequenceNumber = *sequence
		// The packets of one unit may differ in time (several audio frames).
		pkt.Timestamp = p.Timestamp + uint32((round*c.length+u.pts)*rate/tsRate)
		_ = stream.WritePacketRTP(media, &pkt) // a reader that is too slow loses it
	}
}

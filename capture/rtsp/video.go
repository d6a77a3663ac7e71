package rtsp

import (
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"recording-agent/capture/media"
)

// extractor finds decoding times from presentation times.
type extractor interface {
	Extract(au [][]byte, pts int64) (int64, error)
}

// newExtractor returns nil for what is decoded in the order in which it is shown.
func newExtractor(codec media.Codec) extractor {
	switch codec {
	case media.H264:
		d := &h264.DTSExtractor{}
		d.Initialize()
		return d
	case media.H265:
		d := &h265.DTSExtractor{}
		d.Initialize()
		return d
	}
	return nil
}

// video turns access units into samples. It begins, and goes on after damage,
// with a sync sample.
type video struct {
	codec media.Codec
	rate  int
	clock clock

	sets    media.ParameterSets // in force
	pending media.ParameterSets // seen since the last sync sample
	started bool
	skip    bool       // until the next sync sample
	bereft  bool       // what came before the last sync sample is not there
	cut     bool       // before the next sync sample the time line broke
	carried accessUnit // messages
	held    int        // how many pictures are held back, see heldBack
	known   bool       // so it is
	dts     extractor  // nil when decoding times cannot be extracted
	order   order

	extracted media.ParameterSets // what dts knows: those in force, but for cosmetics
	timed     bool                // there was a sample
	last      int64               // its DTS
}

func newVideo(t *media.Track) *video {
	v := &video{codec: t.Codec, rate: t.ClockRate, sets: t.Video}
	v.held, v.known = heldBack(v.codec, &v.sets)
	return v
}

// take returns the sample of an access unit, or nil when there is none: before
// the first sync sample, after damage, or when the unit holds no picture.
func (v *video) take(au *accessUnit, pts int64, now time.Time) *media.Sample {
	v.keepOthers(au)
	v.pending, _ = merge(v.pending, au.sets)
	if !au.picture {
		v.carry(au)
		return nil
	}
	if c := &v.carried; len(c.units) > 0 {
		au.units = append(c.units, au.units...)
		au.recovery, au.atOnce = au.recovery || c.recovery, au.atOnce || c.atOnce
		v.carried = accessUnit{}
	}
	s := &media.Sample{PTS: pts, Sync: au.sync(), Units: au.units}
	if s.Sync {
		if !v.sync(s) {
			return nil
		}
	} else if !v.started || v.skip || v.bereft && au.leading {
		return nil
	}
	v.time(s)
	s.Wall, s.DatedAt = v.clock.at(media.Duration(s.PTS, v.rate), now), now
	return s
}

// keepOthers leaves a picture parameter set that comes by itself, and is not the one
// with the id of that in force, with the picture: see takePPS.
func (v *video) keepOthers(au *accessUnit) {
	main := v.pending.PPS
	if main == nil {
		main = v.sets.PPS
	}
	if n := au.sets.PPS; n != nil && au.sets.SPS == nil && main != nil && idOf(v.codec, n) != idOf(v.codec, main) {
		au.units = append([][]byte{n}, au.units...)
		au.sets.PPS = nil
	}
}

// maxCarried bounds what waits for a picture.
const maxCarried = 256 << 10

// carry keeps messages for the picture that follows.
func (v *video) carry(au *accessUnit) {
	c := &v.carried
	c.units = append(c.units, au.units...)
	c.recovery, c.atOnce = c.recovery || au.recovery, c.atOnce || au.atOnce
	size := 0
	for _, u := range c.units {
		size += len(u)
	}
	if len(c.units) > 64 || size > maxCarried {
		v.carried = accessUnit{}
	}
}

// sync takes over the parameter sets that a sync sample brings. It says no while
// they are not complete.
func (v *video) sync(s *media.Sample) bool {
	sets, changed := merge(v.sets, v.pending)
	if !sets.Complete(v.codec) {
		return false
	}
	if changed {
		sets = sets.Clone()
		s.Cosmetic = v.started && cosmetic(v.codec, &v.sets, &sets)
		if v.started {
			params := sets
			s.Params = &params
		}
		v.sets = sets
	}
	if changed && !s.Cosmetic || v.extracted.SPS == nil {
		v.extracted = sets
		v.held, v.known = heldBack(v.codec, &sets)
	}
	if changed && !s.Cosmetic || !v.started || v.skip || v.cut {
		v.dts = newExtractor(v.codec)
	}
	s.Cut = v.cut && v.started
	v.bereft = v.skip || !v.started
	v.pending, v.started, v.skip, v.cut = media.ParameterSets{}, true, false, false
	return true
}

// time sets the DTS. Where it cannot be extracted it follows from how many pictures
// are held back; a stream of which that is not known either is recorded in order of
// arrival. Within a track DTS always rises.
func (v *video) time(s *media.Sample) {
	v.order.add(s.PTS)
	s.DTS = s.PTS
	if v.known {
		s.DTS = v.order.decoded(v.held)
	}
	if v.dts != nil {
		units := s.Units
		if s.Sync {
			units = append([][]byte{v.extracted.SPS}, units...)
			if v.codec == media.H265 {
				units = append([][]byte{v.extracted.VPS, v.extracted.SPS, v.extracted.PPS}, s.Units...)
			}
		}
		if dts, err := v.dts.Extract(units, s.PTS); err == nil {
			s.DTS = dts
		} else {
			v.dts = nil // until the next stretch begins
		}
	}
	if v.timed && s.DTS <= v.last {
		s.DTS = v.last + 1
	}
	s.PTS = max(s.PTS, s.DTS)
	v.last, v.timed = s.DTS, true
}

// damaged drops what follows, up to the next sync sample. It says whether this
// is news.
func (v *video) damaged() bool {
	v.carried = accessUnit{}
	if !v.started || v.skip {
		return false
	}
	v.skip = true
	return true
}

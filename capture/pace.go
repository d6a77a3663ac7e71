package capture

import (
	"time"

	"recording-agent/capture/media"
)

// pace is how far apart a session's pictures are: what the parameter sets say of it may
// be wrong or missing, and a camera may send one picture every few seconds.
type pace struct {
	dts   int64
	last  [2]time.Duration // distances, the newer one first
	began bool
}

const (
	// maxPause is a pause between pictures in which none is missing, from a camera that
	// sends many; one that sends few may take so many times its pace.
	maxPause   = 1500 * time.Millisecond
	maxPauses  = 4
	firstPause = 5 * time.Second // as long as the pace is not known
	slowest    = 10 * time.Second
)

func (p *pace) picture(s *media.Sample, clockRate int) {
	if d := media.Duration(s.DTS-p.dts, clockRate); p.began && d > 0 {
		p.last = [2]time.Duration{min(d, slowest), p.last[0]}
	}
	p.dts, p.began = s.DTS, true
}

// length is how long a picture lasts that none follows. One distance may be a pause, or
// a burst, so that two have to agree on more than the parameter sets say.
func (p *pace) length(nominal time.Duration) time.Duration {
	if p.last[1] == 0 {
		return nominal
	}
	return min(p.last[0], p.last[1])
}

// pause is how long the next picture may keep one waiting. What is longer is a gap.
func (p *pace) pause() time.Duration {
	if p.last[1] == 0 {
		return firstPause
	}
	return max(maxPause, maxPauses*min(p.last[0], p.last[1]))
}

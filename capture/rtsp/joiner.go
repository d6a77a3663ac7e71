package rtsp

import "time"

// piece is what a camera marks as an access unit.
type piece struct {
	accessUnit
	ssrc    uint32 // of RTP, as stamp
	stamp   uint32
	pts     int64
	arrival time.Duration // since the attempt began
	now     time.Time
}

// maxJoined bounds what is put together, in bytes.
const maxJoined = 8 << 20

// joiner puts together what belongs together: some cameras end each slice as if it
// were a picture. A piece is kept back until the next one shows that it was whole.
type joiner struct {
	held  *piece // has a picture
	size  int    // of held
	split bool   // this camera does so
}

// add takes the next piece, and returns those that are whole.
func (j *joiner) add(p piece) (whole []piece) {
	if j.continues(&p) {
		h := j.held
		h.units = append(h.units, p.units...)
		h.sets, _ = merge(h.sets, p.sets)
		h.key, h.inter, h.leading = h.key || p.key, h.inter || p.inter, h.leading || p.leading
		j.size += sizeOf(&p)
		j.split = j.split || p.picture
		return nil
	}
	whole = j.take()
	if !p.picture {
		return append(whole, p)
	}
	j.held, j.size = &p, sizeOf(&p)
	return whole
}

// continues says whether a piece belongs to the picture that is held.
func (j *joiner) continues(p *piece) bool {
	return j.held != nil && p.stamp == j.held.stamp && (p.picture && !p.first || !p.picture && p.trails) && j.size+sizeOf(p) <= maxJoined
}

// take returns what is held.
func (j *joiner) take() []piece {
	if j.held == nil {
		return nil
	}
	out := []piece{*j.held}
	j.held = nil
	return out
}

// torn returns what is held unless more of it may be missing.
func (j *joiner) torn() []piece {
	if j.split {
		j.held = nil
	}
	return j.take()
}

func sizeOf(p *piece) (n int) {
	for _, u := range p.units {
		n += len(u)
	}
	return n
}

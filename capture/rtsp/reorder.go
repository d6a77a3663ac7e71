package rtsp

import (
	"slices"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
)

const (
	// waitFor is how long packets wait for one that is missing before them. A network
	// delays by less, and a busy host reads late by less; what waits for longer is sound
	// that comes too late for its pictures.
	waitFor = 500 * time.Millisecond
	// maxHeld is more packets than a camera sends in that time.
	maxHeld = 1024
	// maxBehind is how many packets in a row may be old ones, or another sender's, before
	// they are taken for those of a camera that has begun anew.
	maxBehind = 64
)

// reorder puts the packets of a track in order that have come over UDP, and drops
// those that come twice, too late or from another sender.
type reorder struct {
	begun  bool
	ssrc   uint32
	next   uint16
	held   []heldPacket // in order, all behind next
	behind int
}

type heldPacket struct {
	*rtp.Packet
	at time.Duration // of its arrival
}

// take takes a packet that arrives at a moment, and returns those whose turn it is.
func (r *reorder) take(pkt *rtp.Packet, now time.Duration) (turn []*rtp.Packet) {
	if !r.begun {
		r.begun, r.ssrc, r.next = true, pkt.SSRC, pkt.SequenceNumber
	}
	if pkt.SSRC != r.ssrc || int16(pkt.SequenceNumber-r.next) < 0 {
		if r.behind++; r.behind <= maxBehind {
			return nil
		}
		r.held, r.ssrc, r.next = nil, pkt.SSRC, pkt.SequenceNumber
	}
	r.behind = 0
	at, known := slices.BinarySearchFunc(r.held, pkt.SequenceNumber-r.next, func(h heldPacket, ahead uint16) int {
		return int(h.SequenceNumber-r.next) - int(ahead)
	})
	if !known {
		r.held = slices.Insert(r.held, at, heldPacket{pkt, now})
	}
	n := 0
	for _, h := range r.held {
		if h.SequenceNumber != r.next && now-h.at < waitFor && len(r.held)-n <= maxHeld {
			break
		}
		turn = append(turn, h.Packet)
		r.next = h.SequenceNumber + 1
		n++
	}
	r.held = slices.Delete(r.held, 0, n)
	return turn
}

// early is a format whose packets are handed over as they arrive. gortsplib puts
// them in order too, but to know that one is lost it waits for 64 others, which
// with sound takes many seconds, and cannot be told otherwise. It asks each packet's
// format before.
type early struct {
	format.Format
	arrived func(pkt *rtp.Packet)
	busy    bool // it asks for the packets that are in order as well
}

// PTSEqualsDTS is the question.
func (e *early) PTSEqualsDTS(pkt *rtp.Packet) bool {
	if !e.busy {
		e.busy = true
		e.arrived(pkt)
		e.busy = false
	}
	return e.Format.PTSEqualsDTS(pkt)
}

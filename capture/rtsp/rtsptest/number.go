package rtsptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/pion/rtp"
)

// Tally is what has been sent under a path.
type Tally struct {
	Pictures int           // and so the number of the last one; they count from 1
	First    int           // the number of the first key frame since a reader first began to play; 0: none yet
	Plays    int           // how often one did
	Lost     int           // packets that a reader was too slow for
	Late     time.Duration // by which a picture was sent after its time, at most
}

type tally struct {
	mu   sync.Mutex
	what Tally
}

func (t *tally) read() Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.what
}

// PlayNumbered is Play for a clip of H.264: each picture carries its number in an
// SEI message, and what is sent is counted.
func (h *Hub) PlayNumbered(ctx context.Context, path string, c *Clip) error {
	if _, ok := c.desc.Medias[0].Formats[0].(*format.H264); !ok {
		return errors.New("only pictures of H.264 can be numbered")
	}
	t := &tally{}
	h.mu.Lock()
	h.tallies["/"+path] = t
	h.mu.Unlock()
	return h.play(ctx, path, c, t)
}

// Tally is what PlayNumbered has sent under a path so far.
func (h *Hub) Tally(path string) Tally {
	if t := h.tally("/" + path); t != nil {
		return t.read()
	}
	return Tally{}
}

func (h *Hub) tally(path string) *tally {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tallies[path]
}

// played notes that a reader begins. It gets packets a moment later.
func (t *tally) played() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.what.Plays++
}

func (t *tally) lost() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.what.Lost++
}

// next counts a picture that is about to be sent, and returns its number.
func (t *tally) next(key bool, late time.Duration) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.what.Pictures++
	t.what.Late = max(t.what.Late, late)
	if key && t.what.First == 0 && t.what.Plays > 0 {
		t.what.First = t.what.Pictures
	}
	return t.what.Pictures
}

// numberMark is the UUID of the message: a NAL unit's beginning, which has no
// bytes that would have to be escaped.
var numberMark = []byte("\x06\x05\x18picture's number")

const numberDigits = 8 // hexadecimal

// numbered puts a picture's number among its packets: in front of the picture, and
// behind parameter sets, with which a stream begins.
func numbered(packets []*rtp.Packet, key bool, number int) []*rtp.Packet {
	p := &rtp.Packet{Header: packets[0].Header}
	p.Marker = false
	p.Payload = fmt.Appendf(bytes.Clone(numberMark), "%0*x\x80", numberDigits, number)
	at := 0
	if key && h264.NALUType(packets[0].Payload[0]&0x1f) == h264.NALUTypeSTAPA && len(packets) > 1 {
		at = 1
	}
	return slices.Insert(slices.Clone(packets), at, p)
}

// Numbers finds the numbers of the pictures in a file's bytes, in their order
// there. It knows nothing of the file's format.
func Numbers(data []byte) (numbers []int, err error) {
	for {
		_, rest, found := bytes.Cut(data, numberMark)
		if !found {
			return numbers, nil
		}
		var n int
		if _, err := fmt.Sscanf(string(rest[:min(len(rest), numberDigits)]), "%x", &n); err != nil {
			return numbers, fmt.Errorf("the number after picture %d cannot be read: %w", len(numbers), err)
		}
		numbers = append(numbers, n)
		data = rest
	}
}

// OnStreamWriteError counts what a reader was too slow for.
func (h *Hub) OnStreamWriteError(ctx *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	if t, ok := ctx.Session.UserData().(*tally); ok {
		t.lost()
		return
	}
	log.Println(ctx.Error)
}

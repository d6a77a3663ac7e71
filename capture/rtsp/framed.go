package rtsp

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/headers"
)

// framed is a camera's connection, of which only what RTSP is made of gets through:
// messages and interleaved frames (RFC 2326, section 10.12). While the camera plays,
// what lies between them is left out. The RTSP library would take any $ in it for a
// frame, and any two letters for a message that it cannot read.
type framed struct {
	net.Conn
	tracks  atomic.Pointer[[256]channel]
	playing atomic.Bool     // what is neither is left out
	told    func(bytes int) // garbage was left out

	// The reading goroutine's.
	block   [frameHead + 4096]byte
	ready   []byte // of block: to be handed out
	head    [frameHead]byte
	held    int    // bytes of head: one that has not arrived whole
	body    int    // bytes of a frame or a message that are still to come
	text    []byte // of a message whose head has not arrived whole
	garbage int    // bytes since the last frame
	failed  error
}

// channel is what is known of an interleaved channel.
type channel struct {
	known, sealed bool  // sealed is encrypted by the camera: not a bit may be changed
	payload       uint8 // type of the packets; RTCP follows on the next channel
}

// frameHead is what is looked at: up to the source of an RTP packet.
const frameHead = 4 + 12

// maxGarbage is after how many bytes without a frame the connection is given up.
const maxGarbage = 1 << 20

var errGarbage = errors.New("what it sends is neither RTSP nor media")

// expect learns a track's channel from the answer to its SETUP.
func (f *framed) expect(setup *base.Response, c channel) {
	var t headers.Transport
	if err := t.Unmarshal(setup.Header["Transport"]); err != nil || t.InterleavedIDs == nil {
		return
	}
	var tracks [256]channel
	if old := f.tracks.Load(); old != nil {
		tracks = *old
	}
	tracks[uint8(t.InterleavedIDs[0])] = c
	f.tracks.Store(&tracks)
}

func (f *framed) Read(p []byte) (int, error) {
	for len(f.ready) == 0 {
		if f.failed != nil {
			return 0, f.failed
		}
		n, err := f.Conn.Read(f.block[frameHead:])
		f.failed = err
		from := frameHead - f.held
		copy(f.block[from:], f.head[:f.held])
		f.ready = f.scan(f.block[from : frameHead+n])
		if f.garbage > maxGarbage {
			f.failed = errGarbage
		}
	}
	n := copy(p, f.ready)
	f.ready = f.ready[n:]
	return n, nil
}

// scan returns what gets through, in place. A head that is not whole is kept for the
// next time.
func (f *framed) scan(in []byte) []byte {
	out := in[:0]
	f.held = 0
	for len(in) > 0 {
		switch {
		case f.body > 0:
			n := min(f.body, len(in))
			out, in, f.body = append(out, in[:n]...), in[n:], f.body-n
			continue
		case f.text != nil:
			n := f.message(in)
			out, in = append(out, in[:n]...), in[n:]
			continue
		}
		n, whole := f.frame(in)
		switch {
		case !whole || n == 0 && beginsMessage(in) == undecided:
			f.held = copy(f.head[:], in)
			return out
		case n > 0:
			f.body = n
			f.found()
		case beginsMessage(in) == yes:
			f.text = make([]byte, 0, 256)
			f.found()
		case f.playing.Load():
			in = in[1:]
			f.garbage++
		default:
			out, in = append(out, in[0]), in[1:]
		}
	}
	return out
}

func (f *framed) found() {
	if f.garbage > 0 {
		f.told(f.garbage)
		f.garbage = 0
	}
}

// frame returns the size of the frame that b begins with, 0 if that is none. whole
// says that it could be told.
func (f *framed) frame(b []byte) (size int, whole bool) {
	if b[0] != '$' {
		return 0, true
	}
	if len(b) < 4 {
		return 0, false
	}
	size = 4 + int(b[2])<<8 + int(b[3])
	if size < 8 {
		return 0, true
	}
	if len(b) < min(size, frameHead) {
		return 0, false
	}
	if !f.plausible(b[1], b[4:], size-4) {
		return 0, true
	}
	return size, true
}

// plausible says whether packets of a channel look like that (RFC 3550, sections 5.1
// and 6.4). Behind garbage they have to look just like those that are expected.
func (f *framed) plausible(number uint8, packet []byte, size int) bool {
	const version, two = 0xc0, 0x80
	if packet[0]&version != two {
		return false
	}
	tracks := f.tracks.Load()
	if tracks == nil {
		return !f.playing.Load()
	}
	media, control := tracks[number], channel{}
	if number > 0 {
		control = tracks[number-1]
	}
	switch {
	case media.known:
		if size < 12 || f.garbage > 0 && packet[1]&0x7f != media.payload {
			return false
		}
		// The library ignores what another source sends, and a camera that begins anew
		// on the same connection is one.
		if !media.sealed {
			clear(packet[8:12])
		}
		return true
	case control.known:
		const most = 512
		return f.garbage == 0 || packet[1] >= 200 && packet[1] <= 206 && size <= most && 4+4*(int(packet[2])<<8+int(packet[3])) <= size
	}
	const low = 16 // tracks that nobody has set up, of cameras that send them all the same
	return f.garbage == 0 && number < low
}

// message takes the bytes of a message, up to the end of its head.
func (f *framed) message(in []byte) (n int) {
	const most = 64 << 10
	for n < len(in) {
		f.text = append(f.text, in[n])
		n++
		if bytes.HasSuffix(f.text, []byte("\n\r\n")) || bytes.HasSuffix(f.text, []byte("\n\n")) || len(f.text) > most {
			f.body, f.text = bodySize(string(f.text)), nil
			return n
		}
	}
	return n
}

func bodySize(head string) int {
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err == nil && n > 0 && n < 1<<20 {
				return n
			}
		}
	}
	return 0
}

type verdict int

const (
	no verdict = iota
	undecided
	yes
)

// messages are what a camera's messages begin with.
var messages = []string{
	"RTSP/1.0 ", "OPTIONS ", "ANNOUNCE ", "DESCRIBE ", "GET_PARAMETER ", "SET_PARAMETER ", "REDIRECT ", "TEARDOWN ", "PAUSE ", "PLAY ", "RECORD ", "SETUP ",
}

func beginsMessage(b []byte) verdict {
	for _, m := range messages {
		n := min(len(b), len(m))
		if string(b[:n]) == m[:n] {
			if n == len(m) {
				return yes
			}
			return undecided
		}
	}
	return no
}

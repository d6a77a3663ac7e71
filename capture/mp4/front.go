package mp4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"recording-agent/capture/media"
)

// The front of a segment, in file order. What is fixed has a fixed place, so that
// the file can be read back whatever a crash left in the one header that changes.
//
//	ftyp                   32 bytes
//	free                   16 bytes; becomes the mdat header when the tables are put at the end
//	moov (init)            its 8-byte header becomes a free box's when the file is finished
//	free                   up to the end of the front; the final moov is staged in here
const (
	ftypSize   = 32
	spareSize  = 16
	initOffset = ftypSize + spareSize
	maxFront   = 4 << 20 // below the smallest upload part, 5 MiB
	frontAlign = 4096
	sector     = 512 // the least that a disk writes: a power cut leaves zeros in place of whole ones
)

// longHeader is the size of a box header with a 64-bit size.
const longHeader = 16

// Reserve is how many bytes to keep free in front of the media for the tables of
// a segment of the given length. Frame rate 0 means unknown; sound is the audio
// track, if there is one.
func Reserve(duration time.Duration, frameRate float64, sound []media.Track) int {
	if frameRate <= 0 {
		frameRate = 30
	}
	const perSecond = 2*(12+8) + 8 // chunks of both tracks, key frames
	perVideo, perAudio := 20.0, 0.0
	for i := range sound {
		perAudio += 12 * framesPerSecond(&sound[i])
	}
	rate := perSecond + 1.25*frameRate*perVideo + perAudio
	return int(min(rate*(duration.Seconds()+5), maxFront-16<<10)) + 1024
}

// framesPerSecond is how many samples a track of sound has, or somewhat more.
func framesPerSecond(t *media.Track) float64 {
	if t.Codec != media.LPCM {
		return 50
	}
	const packet = 1280 // bytes; what a camera puts into one becomes a sample
	return max(50, float64(t.SampleRate*t.ChannelCount*t.BitDepth/8)/packet)
}

var (
	// ErrNotSegment says that a file was not made by this package.
	ErrNotSegment = errors.New("not a segment file")
	// ErrEmpty says that a file ends before its first whole part, or is torn there.
	ErrEmpty = errors.New("no whole part in it")
)

func ftyp() []byte {
	w := &boxes{}
	w.box("ftyp", func() {
		w.str("isom")
		w.u32(0x200)
		w.str("isomiso6iso2mp41")
	})
	return w.b
}

// newFront lays out the front of a file that is about to be recorded.
func newFront(m *movie, reserve int) []byte {
	w := &boxes{b: ftyp()}
	w.leaf("free", make([]byte, spareSize-boxHeader))
	w.raw(m.initMoov())
	total := (len(w.b) + boxHeader + reserve + frontAlign - 1) / frontAlign * frontAlign
	w.leaf("free", make([]byte, total-len(w.b)-boxHeader))
	return w.b
}

// front is what readFront found: the movie and the places that finishing writes.
type front struct {
	movie  *movie
	initAt int64 // payload size of the init moov
	stage  int64 // where the final moov goes
	end    int64 // where the first part begins
}

// readFront reads the front of a segment in any state: being recorded, staged,
// finished, or torn between two of them.
func readFront(f io.ReaderAt, size int64) (*front, error) {
	p := make([]byte, min(size, 64<<10))
	if _, err := f.ReadAt(p, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the front: %w", err)
	}
	if want := ftyp(); !bytes.HasPrefix(p, want[:min(len(p), len(want))]) {
		if torn := p[:min(len(p), sector)]; len(bytes.Trim(torn, "\x00")) == 0 {
			return nil, ErrEmpty
		}
		return nil, ErrNotSegment
	}
	// The header at initOffset is not believed: it is the one that changes.
	at := int64(initOffset + boxHeader)
	for at+boxHeader <= int64(len(p)) {
		n, kind := kindOf(p[at:])
		if kind == "free" {
			return parseFront(p, at, n, size)
		}
		if n < boxHeader || (kind != "mvhd" && kind != "trak" && kind != "mvex" && kind != "udta") {
			return nil, ErrEmpty
		}
		at += n
	}
	return nil, ErrEmpty
}

func parseFront(p []byte, at, free, size int64) (*front, error) {
	end := at + free
	if free < boxHeader+longHeader || end > size {
		return nil, ErrEmpty
	}
	m, err := parseInit(p[initOffset+boxHeader : at])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEmpty, err)
	}
	return &front{movie: m, initAt: at - initOffset - boxHeader, stage: at + boxHeader, end: end}, nil
}

// finished describes the bytes that turn a recorded file into a finished one: the
// staged write, which no reader sees, and the flip, which is one small write.
type finished struct {
	stageAt int64
	staged  []byte
	flipAt  int64
	flip    []byte
	size    int64 // of the finished file
}

// layout decides where the final moov goes: into the reserved front, or behind
// the last part when the front is too small for it.
func (fr *front) layout(moov []byte, mediaEnd int64) finished {
	room := fr.end - fr.stage - longHeader
	if pad := room - int64(len(moov)); pad == 0 || pad >= boxHeader {
		w := &boxes{b: moov}
		if pad > 0 {
			w.leaf("free", make([]byte, pad-boxHeader))
		}
		w.longMdat(mediaEnd - fr.end + longHeader)
		flip := &boxes{}
		flip.u32(uint32(boxHeader + fr.initAt + boxHeader))
		flip.str("free")
		return finished{stageAt: fr.stage, staged: w.b, flipAt: initOffset, flip: flip.b, size: mediaEnd}
	}
	flip := &boxes{}
	flip.longMdat(mediaEnd - ftypSize)
	return finished{stageAt: mediaEnd, staged: moov, flipAt: ftypSize, flip: flip.b, size: mediaEnd + int64(len(moov))}
}

// longMdat appends an mdat header with a 64-bit size.
func (w *boxes) longMdat(size int64) {
	w.u32(1)
	w.str("mdat")
	w.u64(uint64(min(size, math.MaxInt64)))
}

// done says whether the file holds all of it already.
func (d finished) done(f io.ReaderAt, size int64) bool {
	return size == d.size && holds(f, d.stageAt, d.staged) && holds(f, d.flipAt, d.flip)
}

func holds(f io.ReaderAt, at int64, want []byte) bool {
	got := make([]byte, len(want))
	_, err := f.ReadAt(got, at)
	return (err == nil || err == io.EOF) && bytes.Equal(got, want)
}

package mp4

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"recording-agent/capture/media"
)

const (
	video = "vide"
	sound = "soun"
)

// foreignTrack is what the index says of one track.
type foreignTrack struct {
	id      uint32
	handler string
	scale   uint32
	created uint64
	entry   []byte // the first sample entry, a whole box or the beginning of one
	edit    edits

	samples    int64
	begin, end int64 // in ticks: of the first sample, and of the last one's end
	fragments  bool  // it goes on in them

	duration, size uint32 // of samples in fragments that do not say

	pauses []pause // some of the first
}

// pause is a run of samples that last for long.
type pause struct{ at, lasts, times int64 } // in ticks

// maxPauses is how many are kept of what may be the length of the file.
const maxPauses = 1000

// edits is what an edit list says (ISO/IEC 14496-12 section 8.6.6).
type edits struct {
	delay, shown int64 // in ticks of the movie
	start        int64 // in ticks of the media
}

// wanted is what is read of a trak, and the boxes that lead there.
var wanted = map[string]bool{
	"tkhd": true, "mdhd": true, "hdlr": true, "elst": true, "dref": true, "stsd": true,
	"stts": true, "stsc": true, "stsz": true, "stz2": true, "stco": true, "co64": true,
}
var containers = map[string]bool{"edts": true, "mdia": true, "minf": true, "dinf": true, "stbl": true}

func (r *foreignFile) addTrack(trak span) error {
	if len(r.tracks) == maxForeignTracks {
		return notVideo("it has more than %d tracks", maxForeignTracks)
	}
	boxes := map[string]span{}
	var collect visitor
	collect = func(kind string, _ int64, payload span) error {
		if containers[kind] {
			return r.walk(payload, collect)
		}
		if _, twice := boxes[kind]; wanted[kind] && !twice {
			boxes[kind] = payload
		}
		return nil
	}
	if err := r.walk(trak, collect); err != nil {
		return err
	}
	t := &foreignTrack{}
	r.tracks = append(r.tracks, t)
	return r.readTrack(t, boxes)
}

func (r *foreignFile) readTrack(t *foreignTrack, boxes map[string]span) error {
	for _, kind := range []string{"tkhd", "mdhd", "hdlr", "stsd"} {
		if _, ok := boxes[kind]; !ok {
			return notWhole("a track of its index has no %s", kind)
		}
	}
	var err error
	if t.created, t.scale, err = r.times(boxes["mdhd"]); err != nil {
		return err
	}
	if err := r.readHeaders(t, boxes); err != nil {
		return err
	}
	if t.handler != video && t.handler != sound {
		return nil // times of day, captions, positions: they come along as they are
	}
	if err := r.readEdits(t, boxes["elst"]); err != nil {
		return err
	}
	if err := r.inThisFile(boxes["dref"]); err != nil {
		return err
	}
	if err := r.readTimes(t, boxes["stts"]); err != nil {
		return err
	}
	return r.placeSamples(t, boxes)
}

func (r *foreignFile) readHeaders(t *foreignTrack, boxes map[string]span) error {
	p, err := r.head(boxes["tkhd"], 24)
	if err != nil {
		return err
	}
	if version := p.u32() >> 24; version == 1 {
		p.take(16)
	} else {
		p.take(8)
	}
	t.id = p.u32()
	if p, err = r.head(boxes["hdlr"], 12); err != nil {
		return err
	}
	p.take(8)
	t.handler = string(p.take(4))
	if p, err = r.head(boxes["stsd"], 8+maxForeignEntry); err != nil {
		return err
	}
	p.take(8)
	if t.entry = p.p; len(t.entry) >= boxHeader {
		if size, _ := kindOf(t.entry); size < int64(len(t.entry)) {
			t.entry = t.entry[:max(size, 0)]
		}
	}
	return nil
}

// pictureSize is what a video sample entry says.
func pictureSize(entry []byte) (width, height int) {
	const at = boxHeader + 24
	if len(entry) < at+4 {
		return 0, 0
	}
	return int(binary.BigEndian.Uint16(entry[at:])), int(binary.BigEndian.Uint16(entry[at+2:]))
}

// inThisFile refuses a track whose media lies in another file.
func (r *foreignFile) inThisFile(dref span) error {
	if dref.len() == 0 {
		return nil
	}
	p, err := r.head(dref, 20)
	if err != nil {
		return err
	}
	p.take(16)
	if flags := p.u32(); !p.short && flags&1 == 0 {
		return notVideo("its media lies in another file")
	}
	return nil
}

// column reads a table of the index from its beginning, whatever its length.
type column struct {
	in    *bufio.Reader
	count int64
	err   error
}

// table begins to read a table: a full box with skip bytes before a count, and
// entries of the size given. It is not believed to be longer than its box.
func (r *foreignFile) table(kind string, s span, skip, entry int64) (*column, error) {
	lead := 4 + skip + 4
	if s.len() < lead {
		return nil, notWhole("the table %s of its index is missing", kind)
	}
	c := &column{in: bufio.NewReaderSize(io.NewSectionReader(r.f, s.from+4+skip, s.len()-4-skip), 32<<10)}
	if c.count = int64(c.u32()); c.err != nil {
		return nil, c.err
	}
	if c.count*entry > s.len()-lead {
		return nil, notWhole("the table %s of its index claims %d entries and has room for %d", kind, c.count, (s.len()-lead)/entry)
	}
	return c, nil
}

// bytes takes the next n bytes, 8 at most.
func (c *column) bytes(n int) []byte {
	p, err := c.in.Peek(n)
	if err != nil {
		c.err = fmt.Errorf("read the index: %w", err)
		return make([]byte, n)
	}
	_, _ = c.in.Discard(n) // they are in the buffer
	return p
}

func (c *column) u32() uint32 { return binary.BigEndian.Uint32(c.bytes(4)) }
func (c *column) u64() uint64 { return binary.BigEndian.Uint64(c.bytes(8)) }

func (r *foreignFile) readEdits(t *foreignTrack, elst span) error {
	if elst.len() == 0 {
		return nil
	}
	p, err := r.head(elst, 4)
	if err != nil {
		return err
	}
	long, entry := p.u32()>>24 == 1, int64(12)
	if long {
		entry = 20
	}
	c, err := r.table("elst", elst, 0, entry)
	if err != nil {
		return err
	}
	for first := true; c.count > 0 && c.err == nil; c.count-- {
		lasts, start := int64(0), int64(0)
		if long {
			lasts, start = int64(min(c.u64(), math.MaxInt64)), int64(c.u64())
		} else {
			lasts, start = int64(c.u32()), int64(int32(c.u32()))
		}
		c.u32() // rate
		if start < 0 {
			t.edit.delay = add(t.edit.delay, lasts)
			continue
		}
		t.edit.shown = add(t.edit.shown, lasts)
		if first {
			t.edit.start, first = start, false
		}
	}
	return c.err
}

// add and mul, of what is not negative, stop at the largest number.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func mul(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

// readTimes sums up how long the samples last.
func (r *foreignFile) readTimes(t *foreignTrack, stts span) error {
	if stts.len() == 0 {
		return nil
	}
	c, err := r.table("stts", stts, 0, 8)
	if err != nil {
		return err
	}
	for ; c.count > 0 && c.err == nil; c.count-- {
		times, lasts := int64(c.u32()), int64(c.u32())
		if lasts > longestDelta(int64(t.scale), 0) && len(t.pauses) < maxPauses {
			t.pauses = append(t.pauses, pause{t.end, lasts, times})
		}
		t.end = add(t.end, mul(times, lasts))
	}
	return c.err
}

// holes are those pauses that are no habit of the stream.
func (t *foreignTrack) holes() (holes []Hole) {
	usual, scale := usualDelta(t.end-t.begin, t.samples), int64(t.scale)
	for _, p := range t.pauses {
		if p.lasts <= longestDelta(scale, usual) {
			continue
		}
		for at := p.at; p.times > 0 && len(holes) < maxPauses; p.times, at = p.times-1, add(at, p.lasts) {
			from := max(0, add(at, usual)-t.edit.start)
			if from/scale > int64(maxForeignLength/time.Second) {
				return holes
			}
			holes = append(holes, Hole{media.Duration(from, int(scale)), media.Duration(p.lasts-usual, int(scale))})
		}
	}
	return holes
}

// presented is how long a track is played.
func (r *foreignFile) presented(t *foreignTrack) (time.Duration, error) {
	media, err := length(t.end-t.begin, t.scale)
	if err != nil || r.scale == 0 {
		return media, err
	}
	delay, err := length(t.edit.delay, r.scale)
	if err != nil {
		return 0, err
	}
	if t.edit.shown > 0 && !t.fragments {
		shown, err := length(t.edit.shown, r.scale)
		return min(shown, media) + delay, err
	}
	before, err := length(min(t.edit.start, t.end-t.begin), t.scale)
	return media - before + delay, err
}

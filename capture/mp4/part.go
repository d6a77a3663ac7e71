package mp4

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"recording-agent/capture/media"
)

// A part's moof is written into the space in front of the pictures, so that a
// part leaves with one write and is not copied for it.
const (
	partHeadroom = 16 << 10
	// MaxPartSamples is how many samples of all tracks fit into one part.
	MaxPartSamples = (partHeadroom - 512) / videoTrunEntry
)

const (
	videoTrunEntry = 16 // duration, size, flags, composition offset
	audioTrunEntry = 8  // duration, size
)

// Part collects the samples of one moof and mdat in memory. It can be reset and
// used again, also for another segment.
type Part struct {
	tracks  [2]partTrack
	samples int
	lengths bool // pictures are made of NAL units, each behind its length
}

type partTrack struct {
	first   int64 // DTS of the first sample, on the session's timeline
	firstAt int64 // PTS of the first sample
	last    int64 // DTS of the last sample
	samples []partSample
	data    []byte
	bytes   int // of the samples; data holds more once the part is encoded
}

type partSample struct {
	duration uint32
	size     uint32
	offset   int32
	sync     bool
}

// NewPart returns a part. It has to be reset before it is used.
func NewPart() *Part { return &Part{} }

// Reset empties the part, for a segment with such video, and keeps its memory.
func (p *Part) Reset(video media.Codec) {
	p.lengths = video.HasNALUnits()
	for i := range p.tracks {
		p.tracks[i].samples = p.tracks[i].samples[:0]
		p.tracks[i].data = p.tracks[i].data[:0]
		p.tracks[i].bytes = 0
	}
	if cap(p.tracks[0].data) < partHeadroom {
		p.tracks[0].data = make([]byte, partHeadroom, 8*partHeadroom)
	}
	p.tracks[0].data = p.tracks[0].data[:partHeadroom]
	p.samples = 0
}

// Len is the number of samples of all tracks, Size their bytes.
func (p *Part) Len() int { return p.samples }

// Size is the number of media bytes in the part.
func (p *Part) Size() int { return p.tracks[0].bytes + p.tracks[1].bytes }

// Add appends a sample, copying its bytes. Track 0 is video. The caller keeps to
// MaxPartSamples and adds no sample whose DTS is before its predecessor's.
func (p *Part) Add(s *media.Sample) {
	t := &p.tracks[s.Track]
	if len(t.samples) == 0 {
		t.first, t.firstAt = s.DTS, s.PTS
	}
	p.Until(s.Track, s.DTS)
	size := 0
	for _, u := range s.Units {
		if s.Track == 0 && p.lengths {
			t.data = binary.BigEndian.AppendUint32(t.data, uint32(len(u)))
			size += 4
		}
		size += len(u)
		t.data = append(t.data, u...)
	}
	t.samples = append(t.samples, partSample{
		size:   uint32(size),
		offset: int32(min(max(s.PTS-s.DTS, 0), 1<<30)),
		sync:   s.Sync,
	})
	t.last = s.DTS
	t.bytes += size
	p.samples++
}

// Until sets how long the last sample of a track lasts: to dts, the decoding
// time of the one that follows. Without it, the sample before is the measure.
func (p *Part) Until(track int, dts int64) {
	t := &p.tracks[track]
	if n := len(t.samples); n > 0 && dts > t.last {
		t.samples[n-1].duration = uint32(min(dts-t.last, 1<<31))
	}
}

// from drops the sound that belongs before origin. Late as it comes, it would else be
// put to where it was not heard.
func (p *Part) from(origin int64) {
	t := &p.tracks[1]
	n, size := 0, 0
	for ; n < len(t.samples) && t.first < origin; n++ {
		t.first += int64(t.samples[n].duration)
		size += int(t.samples[n].size)
	}
	t.samples, t.data = slices.Delete(t.samples, 0, n), slices.Delete(t.data, 0, size)
	t.bytes -= size
	p.samples -= n
}

// nominal gives the last sample of a track a duration if it has none yet, and
// returns it for the next part.
func (t *partTrack) nominal(fallback uint32) uint32 {
	n := len(t.samples)
	if n == 0 {
		return fallback
	}
	if n > 1 {
		fallback = t.samples[n-2].duration
	}
	if t.samples[n-1].duration == 0 {
		t.samples[n-1].duration = fallback
	}
	return t.samples[n-1].duration
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The last box of every moof is a free box of ours: a CRC-32C over the whole
// part without this field, and how much of the file had been synced before.
// After a power cut it tells a whole part from one whose sectors never arrived.
const (
	sealSize      = boxHeader + sealPayload
	sealPayload   = 12
	sealFromEnd   = 12 // where the CRC stands, from the end of the moof
	mdatHeaderLen = boxHeader
)

// encode returns the part as one moof and one mdat. origins are the DTS that
// become 0 in each track's media. The bytes are valid until the part is reset.
func (p *Part) encode(sequence uint32, origins []int64, synced int64) []byte {
	head := &boxes{b: make([]byte, 0, 1024)}
	head.box("moof", func() {
		head.full("mfhd", 0, 0, func() { head.u32(sequence) })
		offset := p.moofSize() + mdatHeaderLen
		for i := range p.tracks {
			if t := &p.tracks[i]; len(t.samples) > 0 {
				t.traf(head, i, t.first-origins[i], offset)
				offset += t.bytes
			}
		}
		head.box("free", func() {
			head.u32(0)
			head.u64(uint64(synced))
		})
	})
	moof := len(head.b)
	head.u32(uint32(mdatHeaderLen + p.Size()))
	head.str("mdat")

	video := &p.tracks[0]
	video.data = append(video.data[:partHeadroom+video.bytes], p.tracks[1].data...)
	start := partHeadroom - len(head.b)
	whole := video.data[start:]
	copy(whole, head.b)
	binary.BigEndian.PutUint32(whole[moof-sealFromEnd:], seal(whole, moof))
	return whole
}

// seal is the CRC-32C of a part but for the four bytes that hold it.
func seal(part []byte, moof int) uint32 {
	crc := crc32.Update(0, castagnoli, part[:moof-sealFromEnd])
	return crc32.Update(crc, castagnoli, part[moof-sealFromEnd+4:])
}

func (p *Part) moofSize() int {
	size := boxHeader + 16 + sealSize
	for i := range p.tracks {
		if n := len(p.tracks[i].samples); n > 0 {
			size += boxHeader + 16 + 20 + 20 + n*trunEntry(i)
		}
	}
	return size
}

func trunEntry(track int) int {
	if track == 0 {
		return videoTrunEntry
	}
	return audioTrunEntry
}

// Sample flags of ISO/IEC 14496-12 section 8.8.3.1.
const (
	flagsSync    = 0x02000000 // depends on no other
	flagsNotSync = 0x01010000 // depends on others, is no sync sample
)

// traf writes one track's fragment: tfhd with default-base-is-moof, tfdt, trun.
func (t *partTrack) traf(w *boxes, track int, decodeTime int64, dataOffset int) {
	w.box("traf", func() {
		w.full("tfhd", 0, 0x020000, func() { w.u32(uint32(track + 1)) })
		w.full("tfdt", 1, 0, func() { w.u64(uint64(decodeTime)) })
		flags := uint32(0x000301) // data offset, durations, sizes
		if track == 0 {
			flags |= 0x000c00 // flags, composition offsets
		}
		w.full("trun", 1, flags, func() {
			w.u32(uint32(len(t.samples)))
			w.u32(uint32(dataOffset))
			for _, s := range t.samples {
				w.u32(s.duration)
				w.u32(s.size)
				if track != 0 {
					continue
				}
				if s.sync {
					w.u32(flagsSync)
				} else {
					w.u32(flagsNotSync)
				}
				w.u32(uint32(s.offset))
			}
		})
	})
}

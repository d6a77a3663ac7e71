package mp4

import (
	"encoding/binary"
	"math"
)

// table collects one track's samples in file order; it becomes the sample table
// of the finished file (ISO/IEC 14496-12 section 8.5 to 8.7).
type table struct {
	samples []tableSample
	chunks  []chunk
}

type tableSample struct {
	dts      int64 // in the track's timescale, from the start of its media
	size     uint32
	duration uint32 // as stated in the fragment; the tables use the distance to the next sample
	offset   int32  // composition offset
	sync     bool
}

// chunk is a run of samples that lie side by side in the file.
type chunk struct {
	offset int64
	count  uint32
}

// delta is how long sample i lasts: to the next one's decoding time, the last
// one for its nominal duration.
func (t *table) delta(i int) uint32 {
	if i+1 == len(t.samples) {
		return t.samples[i].duration
	}
	return uint32(min(max(0, t.samples[i+1].dts-t.samples[i].dts), math.MaxUint32))
}

// duration is that of the media, without what edits add or take.
func (t *table) duration() int64 {
	if len(t.samples) == 0 {
		return 0
	}
	last := t.samples[len(t.samples)-1]
	return last.dts + int64(last.duration) - t.samples[0].dts
}

// recorded is how long there are pictures.
func (t *table) recorded(timescale int64) int64 {
	sum := t.duration()
	t.holes(timescale, func(_ int, missing int64) { sum -= missing })
	return sum
}

// holes visits the samples behind which pictures are missing, with for how long: where
// the next one begins later than a part says that its last one ends; and where it comes
// much later than pictures usually do.
func (t *table) holes(timescale int64, visit func(i int, missing int64)) {
	usual := usualDelta(t.duration(), int64(len(t.samples)))
	for i := range t.samples {
		d, stated := int64(t.delta(i)), int64(t.samples[i].duration)
		switch {
		case d-stated > stated/2:
			visit(i, d-stated)
		case d > longestDelta(timescale, usual):
			visit(i, d-usual)
		}
	}
}

func usualDelta(duration, samples int64) int64 { return max(1, duration/max(1, samples)) }

// longestDelta is how long a picture may last, of a stream in which they usually last
// so long, before some are taken to be missing.
func longestDelta(timescale, usual int64) int64 { return max(timescale*3/2, 4*usual) }

// end is the latest end of a sample's presentation.
func (t *table) end() int64 {
	end := int64(0)
	// Only samples within one reordering window of the last can be the latest.
	for i := max(0, len(t.samples)-32); i < len(t.samples); i++ {
		s := t.samples[i]
		end = max(end, s.dts+int64(s.offset)+int64(t.delta(i)))
	}
	return end
}

func (t *table) write(w *boxes) {
	t.stts(w)
	t.ctts(w)
	t.stss(w)
	t.stsc(w)
	w.full("stsz", 0, 0, func() {
		w.u32(0)
		w.u32(uint32(len(t.samples)))
		for i := range t.samples {
			w.u32(t.samples[i].size)
		}
	})
	t.chunkOffsets(w)
}

// runs writes a counted table of run-length pairs.
func runs(w *boxes, kind string, version uint8, n int, value func(i int) uint32) {
	w.full(kind, version, 0, func() {
		at := len(w.b)
		w.u32(0)
		entries, run := uint32(0), uint32(0)
		for i := range n {
			run++
			if i+1 == n || value(i+1) != value(i) {
				w.u32(run)
				w.u32(value(i))
				entries, run = entries+1, 0
			}
		}
		binary.BigEndian.PutUint32(w.b[at:], entries)
	})
}

func (t *table) stts(w *boxes) { runs(w, "stts", 0, len(t.samples), t.delta) }

func (t *table) ctts(w *boxes) {
	for i := range t.samples {
		if t.samples[i].offset != 0 {
			runs(w, "ctts", 1, len(t.samples), func(i int) uint32 { return uint32(t.samples[i].offset) })
			return
		}
	}
}

// stss lists the samples from which decoding can start; it is left out when that
// is each of them, which is what its absence means.
func (t *table) stss(w *boxes) {
	count := uint32(0)
	for i := range t.samples {
		if t.samples[i].sync {
			count++
		}
	}
	if int(count) == len(t.samples) {
		return
	}
	w.full("stss", 0, 0, func() {
		w.u32(count)
		for i := range t.samples {
			if t.samples[i].sync {
				w.u32(uint32(i + 1))
			}
		}
	})
}

func (t *table) stsc(w *boxes) {
	w.full("stsc", 0, 0, func() {
		at := len(w.b)
		w.u32(0)
		entries := uint32(0)
		for i := range t.chunks {
			if i == 0 || t.chunks[i].count != t.chunks[i-1].count {
				w.u32(uint32(i + 1))
				w.u32(t.chunks[i].count)
				w.u32(1)
				entries++
			}
		}
		binary.BigEndian.PutUint32(w.b[at:], entries)
	})
}

func (t *table) chunkOffsets(w *boxes) {
	wide := len(t.chunks) > 0 && t.chunks[len(t.chunks)-1].offset > math.MaxUint32
	kind := "stco"
	if wide {
		kind = "co64"
	}
	w.full(kind, 0, 0, func() {
		w.u32(uint32(len(t.chunks)))
		for _, c := range t.chunks {
			if wide {
				w.u64(uint64(c.offset))
			} else {
				w.u32(uint32(c.offset))
			}
		}
	})
}

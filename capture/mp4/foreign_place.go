package mp4

import (
	"math"
)

// placeSamples checks that each sample of the tables lies inside the file. It
// reads the three tables side by side.
func (r *foreignFile) placeSamples(t *foreignTrack, boxes map[string]span) error {
	sizes, err := r.sizes(boxes)
	if err != nil || sizes == nil || sizes.left == 0 {
		return err
	}
	t.samples = sizes.left
	chunks, wide, err := r.chunks(boxes)
	if err != nil {
		return err
	}
	runs, err := r.table("stsc", boxes["stsc"], 0, 12)
	if err != nil {
		return err
	}
	run := chunkRun{table: runs}
	for number := int64(1); number <= chunks.count && sizes.left > 0; number++ {
		offset := uint64(0)
		if wide {
			offset = chunks.u64()
		} else {
			offset = uint64(chunks.u32())
		}
		if r.samples != nil {
			if err := r.readChunk(t, offset, run.samples(number), sizes); err != nil {
				return firstOf(chunks.err, runs.err, err)
			}
			continue
		}
		bytes := sizes.sum(run.samples(number))
		if chunks.err != nil || runs.err != nil || sizes.err() != nil {
			return firstOf(chunks.err, runs.err, sizes.err())
		}
		if offset > uint64(r.size) || bytes > r.size-int64(offset) {
			return notWhole("its index points to bytes %d to %d, the file has %d", offset, add(int64(min(offset, math.MaxInt64)), bytes), r.size)
		}
	}
	if sizes.left > 0 {
		return notWhole("its index does not say where the last %d samples of a track are", sizes.left)
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *foreignFile) chunks(boxes map[string]span) (c *column, wide bool, err error) {
	if s, ok := boxes["co64"]; ok {
		c, err = r.table("co64", s, 0, 8)
		return c, true, err
	}
	c, err = r.table("stco", boxes["stco"], 0, 4)
	return c, false, err
}

// chunkRun tells how many samples a chunk has (stsc).
type chunkRun struct {
	table     *column
	per, next uint32 // samples of a chunk; the one from which on next is known
	after     int64  // the chunk at which next takes effect
	read      bool
}

func (c *chunkRun) samples(chunk int64) int64 {
	for {
		if !c.read && c.table.count > 0 && c.table.err == nil {
			c.after, c.next = int64(c.table.u32()), c.table.u32()
			c.table.u32() // sample description
			c.table.count--
			c.read = true
		}
		if !c.read || c.after > chunk {
			return int64(c.per)
		}
		c.per, c.read = c.next, false
	}
}

// sampleSizes yields the sizes of samples one after the other.
type sampleSizes struct {
	table *column // nil when all have the same
	bits  uint32
	same  int64
	left  int64
	half  int // of a byte that holds two sizes of 4 bits: the second, -1 when there is none
}

// sizes is nil when there are neither samples nor a table for them.
func (r *foreignFile) sizes(boxes map[string]span) (*sampleSizes, error) {
	kind, bits := "stsz", uint32(32)
	s, ok := boxes[kind]
	if !ok {
		kind = "stz2"
		if s, ok = boxes[kind]; !ok {
			return nil, nil
		}
	}
	p, err := r.head(s, 12)
	if err != nil {
		return nil, err
	}
	p.take(4)
	field, count := p.u32(), int64(p.u32())
	switch {
	case p.short:
		return nil, notWhole("the table %s of its index is missing", kind)
	case kind == "stsz" && field > 0:
		return &sampleSizes{same: int64(field), left: count, half: -1}, nil
	case kind == "stz2":
		if bits = field & 0xff; bits != 4 && bits != 8 && bits != 16 {
			return nil, notWhole("the table stz2 of its index has fields of %d bits", bits)
		}
	}
	if (count*int64(bits)+7)/8 > s.len()-12 {
		return nil, notWhole("the table %s of its index claims %d entries, which do not fit into it", kind, count)
	}
	table, err := r.table(kind, s, 4, 0)
	return &sampleSizes{table: table, bits: bits, left: count, half: -1}, err
}

// sum takes the next n sizes, as far as there are so many.
func (s *sampleSizes) sum(n int64) (bytes int64) {
	n = min(n, s.left)
	s.left -= n
	if s.table == nil {
		return mul(n, s.same)
	}
	for ; n > 0 && s.table.err == nil; n-- {
		bytes += s.next()
	}
	return bytes
}

func (s *sampleSizes) next() int64 {
	switch s.bits {
	case 16:
		p := s.table.bytes(2)
		return int64(p[0])<<8 | int64(p[1])
	case 8:
		return int64(s.table.bytes(1)[0])
	case 4:
		if s.half >= 0 {
			v := s.half
			s.half = -1
			return int64(v)
		}
		b := s.table.bytes(1)[0]
		s.half = int(b & 15)
		return int64(b >> 4)
	}
	return int64(s.table.u32())
}

func (s *sampleSizes) err() error {
	if s.table == nil {
		return nil
	}
	return s.table.err
}

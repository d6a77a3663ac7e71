package mp4

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// scan is what walking a file's fragments yields: the tables of the finished
// file and where each part lies.
type scan struct {
	tables []table
	parts  []partSpan
	end    int64 // end of the last whole part
}

// partSpan is where a part lies, and how long the tables were before it.
type partSpan struct {
	start, moof, end int64
	synced           int64 // how much of the file was synced when it was written
	crc              uint32
	samples, chunks  []int
}

const (
	maxMoof       = 4 << 20
	maxSampleSize = 64 << 20
)

// scanParts walks the parts from offset from. It stops, without error, at the
// first thing that is not a whole part: that is the torn tail. Box size 0 does
// not mean "to the end of the file" here.
func scanParts(f io.ReaderAt, from, size int64, tracks int) (*scan, error) {
	s := &scan{tables: make([]table, tracks), end: from}
	buf := make([]byte, 16<<10)
	for {
		span, moof, err := readMoof(f, s.end, size, &buf)
		if err != nil {
			return nil, err
		}
		if moof == nil {
			return s, nil
		}
		for i := range s.tables {
			span.samples = append(span.samples, len(s.tables[i].samples))
			span.chunks = append(span.chunks, len(s.tables[i].chunks))
		}
		if !s.add(span, moof) {
			s.rewind(span)
			return s, nil
		}
		s.parts = append(s.parts, span)
		s.end = span.end
	}
}

// readMoof reads the moof at offset at, and the header of the mdat behind it. A
// nil moof means that no whole part begins there.
func readMoof(f io.ReaderAt, at, size int64, buf *[]byte) (partSpan, []byte, error) {
	n, err := f.ReadAt((*buf)[:min(int64(len(*buf)), max(0, size-at))], at)
	if err != nil && err != io.EOF {
		return partSpan{}, nil, fmt.Errorf("read the part at %d: %w", at, err)
	}
	if n < boxHeader {
		return partSpan{}, nil, nil
	}
	moofSize, kind := kindOf(*buf)
	if kind != "moof" || moofSize < boxHeader+sealSize || moofSize > maxMoof || at+moofSize+mdatHeaderLen > size {
		return partSpan{}, nil, nil
	}
	if need := int(moofSize) + mdatHeaderLen; need > n {
		*buf = make([]byte, need)
		if _, err := f.ReadAt(*buf, at); err != nil && err != io.EOF {
			return partSpan{}, nil, fmt.Errorf("read the part at %d: %w", at, err)
		}
	}
	mdatSize, kind := kindOf((*buf)[moofSize:])
	if kind != "mdat" || mdatSize < boxHeader || at+moofSize+mdatSize > size {
		return partSpan{}, nil, nil
	}
	moof := (*buf)[:moofSize]
	return partSpan{
		start:  at,
		moof:   moofSize,
		end:    at + moofSize + mdatSize,
		crc:    binary.BigEndian.Uint32(moof[moofSize-sealFromEnd:]),
		synced: int64(min(binary.BigEndian.Uint64(moof[moofSize-sealFromEnd+4:]), math.MaxInt64)),
	}, moof, nil
}

// add puts the samples of one moof into the tables. It says no when they do not
// fill the mdat exactly, or are otherwise not what Part.encode writes.
func (s *scan) add(span partSpan, moof []byte) bool {
	at := span.start + span.moof + mdatHeaderLen
	err := children(moof[boxHeader:], func(kind string, p []byte) error {
		if kind != "traf" {
			return nil
		}
		n, err := s.addTraf(p, at)
		at += n
		return err
	})
	return err == nil && at == span.end
}

// addTraf returns how many bytes the fragment's samples take.
func (s *scan) addTraf(traf []byte, at int64) (int64, error) {
	track, decodeTime, total := -1, int64(0), int64(0)
	err := children(traf, func(kind string, p []byte) error {
		r := &reader{p: p}
		switch kind {
		case "tfhd":
			r.take(4)
			track = int(r.u32()) - 1
		case "tfdt":
			r.take(4)
			decodeTime = int64(r.u64())
		case "trun":
			if track < 0 || track >= len(s.tables) || decodeTime < 0 || decodeTime > math.MaxInt64/2 {
				return fmt.Errorf("fragment of track %d at %d", track, decodeTime)
			}
			n, err := s.tables[track].addTrun(r, trunEntry(track), decodeTime)
			s.tables[track].chunks = append(s.tables[track].chunks, chunk{offset: at, count: uint32(n.samples)})
			total = n.bytes
			return err
		}
		return r.err(kind)
	})
	return total, err
}

type trunTotal struct {
	samples int
	bytes   int64
}

func (t *table) addTrun(r *reader, entry int, dts int64) (trunTotal, error) {
	r.take(4)
	count := int(r.u32())
	r.take(4)
	if count < 1 || count*entry != len(r.p) {
		return trunTotal{}, fmt.Errorf("%d samples in %d bytes", count, len(r.p))
	}
	total := trunTotal{samples: count}
	for range count {
		s := tableSample{dts: dts, duration: r.u32(), size: r.u32(), sync: true}
		if entry == videoTrunEntry {
			s.sync = r.u32() == flagsSync
			s.offset = int32(r.u32())
		}
		if s.size > maxSampleSize || s.duration > 1<<31 {
			return total, fmt.Errorf("sample of %d bytes, %d ticks", s.size, s.duration)
		}
		if n := len(t.samples); n > 0 && s.dts < t.samples[n-1].dts {
			s.dts = t.samples[n-1].dts // a nominal duration reached past its successor
		}
		t.samples = append(t.samples, s)
		total.bytes += int64(s.size)
		dts += int64(s.duration)
	}
	return total, nil
}

// rewind takes a part and all that follow it out of the tables.
func (s *scan) rewind(span partSpan) {
	for i := range s.tables {
		s.tables[i].samples = s.tables[i].samples[:span.samples[i]]
		s.tables[i].chunks = s.tables[i].chunks[:span.chunks[i]]
	}
	s.end = span.start
}

// verify checks the parts that were not yet known to be synced, and cuts at the
// first whose bytes are not those that were written. The last part that is
// intact tells how far the file had been synced; all before that is believed.
func (s *scan) verify(f io.ReaderAt) error {
	synced := int64(0)
	for i := len(s.parts) - 1; i >= 0; i-- {
		ok, err := s.parts[i].intact(f)
		if err != nil {
			return err
		}
		if ok {
			synced = s.parts[i].synced
			break
		}
	}
	return s.keepIntact(f, synced)
}

// keepIntact cuts at the first part behind from whose bytes are not those that
// were written.
func (s *scan) keepIntact(f io.ReaderAt, from int64) error {
	for i, span := range s.parts {
		if span.end <= from {
			continue
		}
		ok, err := span.intact(f)
		if err != nil {
			return err
		}
		if !ok {
			s.rewind(span)
			s.parts = s.parts[:i]
			return nil
		}
	}
	return nil
}

// intact reads a part and compares it with its seal.
func (p partSpan) intact(f io.ReaderAt) (bool, error) {
	part := make([]byte, p.end-p.start)
	if _, err := f.ReadAt(part, p.start); err != nil && err != io.EOF {
		return false, fmt.Errorf("read the part at %d: %w", p.start, err)
	}
	return seal(part, int(p.moof)) == p.crc, nil
}

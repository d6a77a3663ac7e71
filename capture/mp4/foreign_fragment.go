package mp4

import (
	"math"
)

// Flags of tfhd and trun (ISO/IEC 14496-12 sections 8.8.7 and 8.8.8).
const (
	tfhdBase        = 0x000001
	tfhdDescription = 0x000002
	tfhdDuration    = 0x000008
	tfhdSize        = 0x000010
	tfhdBaseIsMoof  = 0x020000

	trunOffset     = 0x000001
	trunFirstFlags = 0x000004
	trunDuration   = 0x000100
	trunSize       = 0x000200
	trunFlags      = 0x000400
	trunShift      = 0x000800
)

func (r *foreignFile) inMvex(kind string, _ int64, payload span) error {
	if kind != "trex" {
		return nil
	}
	p, err := r.head(payload, 24)
	if err != nil {
		return err
	}
	p.take(4)
	t := r.track(p.u32())
	p.u32() // sample description
	duration, size := p.u32(), p.u32()
	if t != nil && !p.short {
		t.duration, t.size = duration, size
	}
	return nil
}

func (r *foreignFile) track(id uint32) *foreignTrack {
	for _, t := range r.tracks {
		if t.id == id {
			return t
		}
	}
	return nil
}

// fragment adds the samples of a moof.
func (r *foreignFile) fragment(at int64, payload span) error {
	r.fragmented = true
	if r.tracks == nil {
		return notWhole("it has fragments without an index (moov) before them: it is a part of a stream, and its beginning is missing")
	}
	if payload.len() > maxForeignMoof {
		return notVideo("the index of a fragment takes %d bytes", payload.len())
	}
	if int64(cap(r.moof)) < payload.len() {
		r.moof = make([]byte, payload.len())
	}
	p := r.moof[:payload.len()]
	if err := r.read(p, payload.from); err != nil {
		return err
	}
	run := fragmentRun{file: r, moof: at, data: at}
	err := children(p, func(kind string, p []byte) error {
		if kind != "traf" {
			return nil
		}
		run.track, run.time = nil, -1
		return children(p, run.box)
	})
	if err != nil {
		return notWhole("the fragment at byte %d: %v", at, err)
	}
	return nil
}

// fragmentRun goes through the runs of samples of one moof.
type fragmentRun struct {
	file           *foreignFile
	moof           int64 // where it begins
	track          *foreignTrack
	duration, size uint32
	base           int64 // what offsets count from
	data           int64 // where the last run ended: without an offset the next begins there
	time           int64 // of the next sample; -1: not told
}

func (f *fragmentRun) box(kind string, p []byte) error {
	r := &reader{p: p}
	switch kind {
	case "tfhd":
		return f.header(r)
	case "tfdt":
		version := r.u32() >> 24
		at := uint64(0)
		if version == 1 {
			at = r.u64()
		} else {
			at = uint64(r.u32())
		}
		f.time = int64(min(at, math.MaxInt64))
	case "trun":
		if f.track != nil {
			return f.samples(r)
		}
	}
	return r.err(kind)
}

func (f *fragmentRun) header(r *reader) error {
	flags := r.u32() & 0xffffff
	f.track = f.file.track(r.u32())
	if f.track != nil {
		f.duration, f.size = f.track.duration, f.track.size
	}
	switch {
	case flags&tfhdBase != 0:
		f.base = int64(min(r.u64(), uint64(f.file.size)))
		f.data = f.base
	case flags&tfhdBaseIsMoof != 0:
		f.base = f.moof
	default: // the first counts from the moof, the others from the end of the one before
		f.base = f.data
	}
	if flags&tfhdDescription != 0 {
		r.u32()
	}
	if flags&tfhdDuration != 0 {
		f.duration = r.u32()
	}
	if flags&tfhdSize != 0 {
		f.size = r.u32()
	}
	return r.err("tfhd")
}

// samples adds a run, and checks that it lies inside the file.
func (f *fragmentRun) samples(r *reader) error {
	flags, count := r.u32()&0xffffff, int64(r.u32())
	if flags&trunOffset != 0 {
		f.data = f.base + int64(int32(r.u32()))
	}
	if flags&trunFirstFlags != 0 {
		r.u32()
	}
	entry := int64(0)
	for _, flag := range []uint32{trunDuration, trunSize, trunFlags, trunShift} {
		if flags&flag != 0 {
			entry += 4
		}
	}
	if r.short || count*entry > int64(len(r.p)) {
		return notWhole("%d samples do not fit into %d bytes", count, len(r.p))
	}
	entries := *r
	ticks, bytes := mul(count, int64(f.duration)), mul(count, int64(f.size))
	if flags&(trunDuration|trunSize) != 0 {
		ticks, bytes = f.sum(r, flags, count)
	}
	if f.data < 0 || f.data > f.file.size || bytes > f.file.size-f.data || count > f.file.size {
		return notWhole("it points to %d bytes at %d, the file has %d", bytes, f.data, f.file.size)
	}
	if f.file.samples != nil {
		if err := f.read(&entries, flags, count); err != nil {
			return err
		}
	}
	f.data += bytes
	f.track.grow(count, ticks, f.time)
	if f.time >= 0 {
		f.time = add(f.time, ticks)
	}
	return nil
}

// sum adds up what a run says of each sample.
func (f *fragmentRun) sum(r *reader, flags uint32, count int64) (ticks, bytes int64) {
	for range count {
		duration, size := f.entry(r, flags)
		ticks, bytes = ticks+int64(duration), bytes+int64(size)
	}
	return ticks, bytes
}

// entry takes what a run says of its next sample.
func (f *fragmentRun) entry(r *reader, flags uint32) (duration, size uint32) {
	duration, size = f.duration, f.size
	if flags&trunDuration != 0 {
		duration = r.u32()
	}
	if flags&trunSize != 0 {
		size = r.u32()
	}
	if flags&trunFlags != 0 {
		r.u32()
	}
	if flags&trunShift != 0 {
		r.u32()
	}
	return duration, size
}

// read reads the samples of a run that lies inside the file.
func (f *fragmentRun) read(r *reader, flags uint32, count int64) error {
	at := f.data
	for range count {
		_, size := f.entry(r, flags)
		if err := f.file.readSample(f.track, at, int64(size)); err != nil {
			return err
		}
		at += int64(size)
	}
	return nil
}

// grow adds samples that begin at a time of the media, or where the last ended.
func (t *foreignTrack) grow(count, ticks, at int64) {
	if count == 0 {
		return
	}
	if at < 0 {
		at = t.end
	}
	if t.samples == 0 {
		t.begin, t.end = at, at
	}
	t.fragments = true
	t.samples = add(t.samples, count)
	t.end = max(t.end, add(at, ticks))
}

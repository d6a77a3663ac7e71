package mp4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"recording-agent/capture/media"
)

// tallied counts what is read of a file.
type tallied struct {
	io.ReaderAt
	bytes int64
}

func (c *tallied) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	c.bytes += int64(n)
	return n, err
}

// What a glance says is what recovery then finds, wherever a file was cut and whatever of
// its end a power cut has torn.
func TestGlanceAgreesWithRecover(t *testing.T) {
	for name, reserve := range map[string]int{"index in front": 64 << 10, "index at the end": 0} {
		t.Run(name, func(t *testing.T) {
			data, ends := recorded(t, reserve)
			compareGlance(t, data)
			random := rand.New(rand.NewPCG(1, 2))
			for range 60 {
				cut := bytes.Clone(data[:ends[0]+random.Int64N(int64(len(data))-ends[0])])
				if random.IntN(2) == 0 { // a sector of what was not synced is zeros
					last := 0
					for last+1 < len(ends) && ends[last+1] <= int64(len(cut)) {
						last++
					}
					if from := ends[max(0, last-2)]; from+sector < int64(len(cut)) {
						at := from + random.Int64N(int64(len(cut))-from-sector)
						clear(cut[at : at+sector])
					}
				}
				compareGlance(t, cut)
			}
		})
	}
}

// compareGlance compares what is said of a file that was not finished, then of the same
// file when it is.
func compareGlance(t *testing.T, data []byte) {
	t.Helper()
	f := tempFile(t)
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	before, finished, err := Glance(f, int64(len(data)))
	r, rerr := Recover(f, int64(len(data)))
	if errors.Is(rerr, ErrEmpty) && errors.Is(err, ErrEmpty) {
		return
	}
	if rerr != nil || err != nil || finished {
		t.Fatalf("%d bytes: glance %v, %v; recovery %v", len(data), finished, err, rerr)
	}
	if before.Info != r.Info || (before.Pictures-r.Pictures).Abs() > time.Millisecond {
		t.Errorf("%d bytes: a glance says %v of %+v, recovery %v of %+v", len(data), before.Pictures, before.Info, r.Pictures, r.Info)
	}
	after, finished, err := Glance(f, r.Size)
	if err != nil || !finished {
		t.Fatalf("finished: %v, %v", finished, err)
	}
	r.Checksum, r.Cut = "", 0
	for _, d := range []*time.Duration{&after.Pictures, &after.Duration, &after.Recorded, &r.Pictures, &r.Duration, &r.Recorded} {
		*d = d.Round(time.Millisecond)
	}
	after.FrameRate, r.FrameRate = 0, 0
	if after != r {
		t.Errorf("a glance says\n%+v, recovery\n%+v", after, r)
	}
}

// Where pictures stay away and sound goes on, the parts at the end hold none.
func TestGlanceAtSoundAlone(t *testing.T) {
	c, f := makeClip(t, "8", h264Args, aacArgs), tempFile(t)
	from := slices.IndexFunc(c.samples, func(s media.Sample) bool {
		return media.Duration(s.DTS, c.tracks[s.Track].ClockRate) > 4*time.Second
	})
	sound := c.samples[from:]
	c.samples = c.samples[:from]
	w := c.segment(t, f, time.Second, 0, nil)
	p := NewPart()
	for i := range 20 {
		p.Reset(c.tracks[0].Codec)
		for _, s := range sound[i*len(sound)/20 : (i+1)*len(sound)/20] {
			if s.Track == 1 {
				p.Add(&s)
			}
		}
		if err := errors.Join(w.Append(p), w.Sync()); err != nil {
			t.Fatal(err)
		}
	}
	compareGlance(t, contents(t, f))
}

// A glance reads little, also of a large file.
func TestGlanceReadsLittle(t *testing.T) {
	data, ends := recorded(t, 0)
	f := tempFile(t)
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	part, size := bytes.Clone(data[ends[len(ends)-2]:]), int64(len(data))
	moof, _ := kindOf(part)
	for ; size < 40<<20; size += int64(len(part)) { // each synced but for the last
		at := part[moof-sealFromEnd:]
		binary.BigEndian.PutUint64(at[4:], uint64(size-int64(len(part))))
		binary.BigEndian.PutUint32(at, seal(part, int(moof)))
		if _, err := f.WriteAt(part, size); err != nil {
			t.Fatal(err)
		}
	}
	open := &tallied{ReaderAt: f}
	if _, finished, err := Glance(open, size); err != nil || finished || open.bytes > 10<<20 {
		t.Errorf("open: %v, %v; %d bytes of %d were read", finished, err, open.bytes, size)
	}
	r, err := Recover(f, size)
	if err != nil {
		t.Fatal(err)
	}
	done := &tallied{ReaderAt: f}
	if _, finished, err := Glance(done, r.Size); err != nil || !finished || done.bytes > 1<<20 {
		t.Errorf("finished: %v, %v; %d bytes of %d were read", finished, err, done.bytes, r.Size)
	}
}

func TestGlanceAtOthers(t *testing.T) {
	for name, data := range map[string][]byte{"nothing": nil, "zeros": make([]byte, 8192), "text": bytes.Repeat([]byte("no video "), 999)} {
		_, _, err := Glance(bytes.NewReader(data), int64(len(data)))
		if !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrNotSegment) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzGlance: whatever a file holds, a glance ends, and is no later than what it says.
func FuzzGlance(f *testing.F) {
	for _, reserve := range []int{2000, 0} {
		file := &memoryFile{}
		w := syntheticClip().segment(f, file, 200*time.Millisecond, reserve, nil)
		f.Add(bytes.Clone(file.data))
		f.Add(bytes.Clone(file.data[:len(file.data)-100]))
		if _, err := w.Finish(); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(file.data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, _, err := Glance(bytes.NewReader(data), int64(len(data))); err == nil && r.Pictures < 0 {
			t.Errorf("%+v", r)
		}
	})
}

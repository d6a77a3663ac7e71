package mp4

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"recording-agent/capture/media"
)

// memoryFile is a disk that can be told to fail.
type memoryFile struct {
	data     []byte
	room     int64 // bytes that may still be added; 0 means no limit
	failSync bool
}

var errFull = errors.New("no space left on device")

func (m *memoryFile) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes what fits, as a full disk does.
func (m *memoryFile) WriteAt(p []byte, at int64) (int, error) {
	fits := len(p)
	if m.room > 0 {
		fits = int(min(int64(fits), max(0, m.room-at)))
	}
	m.data = apply(m.data, at, p[:fits])
	if fits < len(p) {
		return fits, errFull
	}
	return fits, nil
}

func (m *memoryFile) Sync() error {
	if m.failSync {
		return errors.New("input/output error")
	}
	return nil
}

func (m *memoryFile) Truncate(size int64) error {
	m.data = m.data[:size]
	return nil
}

// syntheticClip needs no encoder: two seconds of pictures and sound whose bytes
// mean nothing.
func syntheticClip() *clip {
	c := &clip{tracks: []media.Track{
		{Codec: media.H264, ClockRate: 90000, Video: media.ParameterSets{
			SPS: []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20},
			PPS: []byte{0x68, 0xcb, 0x8c, 0xb2},
		}},
		{Codec: media.AAC, ClockRate: 48000, SampleRate: 48000, ChannelCount: 2, AudioConfig: []byte{0x11, 0x90}},
	}}
	for i := range int64(50) {
		c.samples = append(c.samples,
			media.Sample{DTS: i * 3600, PTS: i * 3600, Sync: i%25 == 0, Units: [][]byte{bytes.Repeat([]byte{byte(i)}, 100)}},
			media.Sample{Track: 1, DTS: i * 1920, PTS: i * 1920, Units: [][]byte{{byte(i), 1, 2, 3}}})
	}
	return c
}

// otherClips are syntheticClip in the formats whose entries have another form.
func otherClips() map[string]*clip {
	out := map[string]*clip{}
	for codec, sets := range map[media.Codec]media.ParameterSets{
		media.MJPEG: {Width: 640, Height: 360},
		media.AV1:   {SequenceHeader: []byte{0x08, 0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x36, 0xbe, 0x40, 0x10}},
	} {
		c := syntheticClip()
		c.tracks[0].Codec, c.tracks[0].Video = codec, sets
		c.tracks[1] = media.Track{Codec: media.LPCM, ClockRate: 48000, SampleRate: 48000, ChannelCount: 1, BitDepth: 16}
		for i := range c.samples {
			c.samples[i].Sync = c.samples[i].Sync || codec == media.MJPEG
		}
		out[string(codec)] = c
	}
	return out
}

func TestFullDiskKeepsWhatWasWritten(t *testing.T) {
	c := syntheticClip()
	whole := &memoryFile{}
	c.segment(t, whole, 200*time.Millisecond, 4000, nil)

	file := &memoryFile{}
	w, err := NewWriter(file, testInfo(), c.tracks, 4000)
	if err != nil {
		t.Fatal(err)
	}
	file.room = int64(len(whole.data)) - 100
	p, failed := NewPart(), 0
	p.Reset(c.tracks[0].Codec)
	for i := range c.samples {
		p.Add(&c.samples[i])
		if i%10 != 9 {
			continue
		}
		if err := w.Append(p); errors.Is(err, errFull) {
			failed++
		} else if err != nil {
			t.Fatal(err)
		}
		p.Reset(c.tracks[0].Codec)
	}
	if failed == 0 {
		t.Fatal("the disk was never full")
	}
	r, err := w.Finish() // needs no room: the front was reserved
	if err != nil {
		t.Fatal(err)
	}
	again, err := Recover(file, int64(len(file.data)))
	if err != nil || again != r {
		t.Fatalf("recovery of the finished file: %+v, %v, want %+v", again, err, r)
	}
	if want := int64(50 - 5*failed); r.Frames != want {
		t.Errorf("%d pictures, want %d", r.Frames, want)
	}
}

func TestAppendCanBeRepeated(t *testing.T) {
	c := syntheticClip()
	file := &memoryFile{}
	w, err := NewWriter(file, testInfo(), c.tracks, 4000)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPart()
	p.Reset(c.tracks[0].Codec)
	for i := range c.samples {
		p.Add(&c.samples[i])
	}
	file.room = 6000
	if err := w.Append(p); !errors.Is(err, errFull) {
		t.Fatalf("append to a full disk: %v", err)
	}
	file.room = 0
	if err := w.Append(p); err != nil {
		t.Fatal(err)
	}
	r, err := w.Finish()
	if err != nil || r.Frames != 50 {
		t.Fatalf("%+v, %v", r, err)
	}
	if again, err := Recover(file, int64(len(file.data))); err != nil || again != r {
		t.Fatalf("recovery of the finished file: %+v, %v", again, err)
	}
}

// Sound without pictures goes into a file that has begun, and begins none: whatever the
// memory of the part was used for before.
func TestPartOfSoundAlone(t *testing.T) {
	c := syntheticClip()
	used := NewPart()
	used.Reset(c.tracks[0].Codec)
	used.Add(&media.Sample{DTS: 90000, PTS: 93600, Sync: true, Units: [][]byte{{1}}})
	for name, p := range map[string]*Part{"new": NewPart(), "used": used} {
		t.Run(name, func(t *testing.T) {
			sound := func(dts int64) *Part {
				p.Reset(c.tracks[0].Codec)
				p.Add(&media.Sample{Track: 1, DTS: dts, PTS: dts, Units: [][]byte{{1, 2, 3}}})
				return p
			}
			file := &memoryFile{}
			w, err := NewWriter(file, testInfo(), c.tracks, 4000)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Append(sound(0)); err != nil || w.Size() != 0 {
				t.Fatalf("the file begins with sound: %d bytes, %v", w.Size(), err)
			}
			picture := NewPart()
			picture.Reset(c.tracks[0].Codec)
			picture.Add(&c.samples[0])
			if err := w.Append(picture); err != nil {
				t.Fatal(err)
			}
			before := w.Size()
			if err := w.Append(sound(48000)); err != nil || w.Size() == before {
				t.Errorf("sound behind the pictures is left out: %v", err)
			}
		})
	}
}

func TestWatermarkFollowsSync(t *testing.T) {
	c := syntheticClip()
	file := &memoryFile{}
	w := c.segment(t, file, time.Second, 4000, nil)
	if w.Watermark() != 0 {
		t.Fatalf("watermark %d before any sync", w.Watermark())
	}
	file.failSync = true
	if err := w.Sync(); err == nil || w.Watermark() != 0 {
		t.Fatalf("watermark %d after a failed sync (%v)", w.Watermark(), err)
	}
	file.failSync = false
	if err := w.Sync(); err != nil || w.Watermark() != w.Size() {
		t.Fatalf("watermark %d of %d after a sync (%v)", w.Watermark(), w.Size(), err)
	}
}

func TestWritingAPartDoesNotAllocatePerSample(t *testing.T) {
	c := syntheticClip()
	file := &memoryFile{}
	w, err := NewWriter(file, testInfo(), c.tracks, 4000)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPart()
	p.Reset(c.tracks[0].Codec)
	fill := func() {
		p.Reset(c.tracks[0].Codec)
		for i := range c.samples {
			p.Add(&c.samples[i])
		}
	}
	fill()
	if n := testing.AllocsPerRun(20, fill); n > 0 {
		t.Errorf("filling a part allocates %v times", n)
	}
	if n := testing.AllocsPerRun(20, func() { p.encode(1, []int64{0, 0}, 0) }); n > 4 {
		t.Errorf("encoding a part of %d samples allocates %v times", p.Len(), n)
	}
	_ = w
}

func TestJoinCRC64(t *testing.T) {
	a, b := []byte("the front of the file"), bytes.Repeat([]byte("and the rest of it"), 1000)
	for n := range len(b) / 1000 {
		rest := b[:n*1000]
		got := joinCRC64(updateCRC64(0, a), updateCRC64(0, rest), int64(len(rest)))
		if want := updateCRC64(0, append(bytes.Clone(a), rest...)); got != want {
			t.Fatalf("join over %d bytes: %x, want %x", len(rest), got, want)
		}
	}
}

package mp4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// recorded is a segment as it lies on the disk before it is finished, and where
// each of its parts ends.
func recorded(t testing.TB, reserve int) (data []byte, ends []int64) {
	t.Helper()
	c := makeClip(t, "8", h264Args, aacArgs)
	f := tempFile(t)
	c.segment(t, f, time.Second, reserve, func(w *Writer) {
		if len(ends)%2 == 1 {
			if err := w.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		ends = append(ends, w.Size())
	})
	return contents(t, f), ends
}

func contents(t testing.TB, f *os.File) []byte {
	t.Helper()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// recoverFrom writes data to a file, recovers it twice, and checks the outcome
// with ffprobe.
func recoverFrom(t testing.TB, data []byte, probe bool) (Result, error) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.mp4")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	r, err := Recover(f, int64(len(data)))
	if err != nil {
		return r, err
	}
	once := contents(t, f)
	if int64(len(once)) != r.Size {
		t.Fatalf("size %d, the file has %d", r.Size, len(once))
	}
	again, err := Recover(f, int64(len(once)))
	if err != nil || !bytes.Equal(contents(t, f), once) {
		t.Fatalf("a second recovery changed the file (%v)", err)
	}
	again.Cut = r.Cut
	if again != r {
		t.Fatalf("a second recovery says otherwise:\n%+v\n%+v", again, r)
	}
	if probe {
		checkResult(t, f, r)
	} else if got := fileChecksum(t, f); got != r.Checksum {
		t.Fatalf("checksum %s, the file has %s", r.Checksum, got)
	}
	return r, nil
}

// wholeParts is how many parts lie below size.
func wholeParts(ends []int64, size int64) int {
	n := 0
	for n < len(ends) && ends[n] <= size {
		n++
	}
	return n
}

const picturesPerPart = 25

func TestRecoverTruncatedAtAnyByte(t *testing.T) {
	need(t, "ffprobe")
	for name, reserve := range map[string]int{"index in front": 40000, "index at the end": 64} {
		t.Run(name, func(t *testing.T) {
			data, ends := recorded(t, reserve)
			cuts := []int64{0, 1, ftypSize, initOffset, initOffset + 8, ends[0] - 1, ends[0], ends[0] + 1, int64(len(data)) - 1, int64(len(data))}
			rng := rand.New(rand.NewPCG(1, 2))
			for range 600 {
				cuts = append(cuts, rng.Int64N(int64(len(data))))
			}
			for i, cut := range cuts {
				r, err := recoverFrom(t, data[:cut], i%20 == 0)
				checkCut(t, fmt.Sprintf("cut at %d of %d", cut, len(data)), r, err, wholeParts(ends, cut))
			}
		})
	}
}

func checkCut(t testing.TB, what string, r Result, err error, parts int) {
	t.Helper()
	if parts == 0 {
		if !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrNotSegment) {
			t.Errorf("%s, before the first whole part: %v", what, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if r.Frames != int64(parts*picturesPerPart) {
		t.Errorf("%s: %d pictures, want those of %d parts", what, r.Frames, parts)
	}
}

// After a power cut the file may have its full length, with sectors behind the
// last sync that never arrived.
func TestRecoverUnwrittenSectors(t *testing.T) {
	data, ends := recorded(t, 40000)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		torn := bytes.Clone(data)
		synced := ends[5] // the last sync that the last part knows of came after six parts
		from := synced + rng.Int64N(int64(len(data))-synced-1)
		to := min(from+1+rng.Int64N(8192), int64(len(torn)))
		if bytes.Equal(torn[from:to], make([]byte, to-from)) {
			continue
		}
		clear(torn[from:to])
		r, err := recoverFrom(t, torn, false)
		checkCut(t, fmt.Sprintf("zeros from %d to %d", from, to), r, err, wholeParts(ends, from))
	}
}

func TestRecoverTornFinish(t *testing.T) {
	need(t, "ffprobe")
	for name, reserve := range map[string]int{"index in front": 40000, "index at the end": 64} {
		t.Run(name, func(t *testing.T) {
			data, ends := recorded(t, reserve)
			frames := int64(len(ends) * picturesPerPart)
			fr, err := readFront(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			s, err := scanParts(bytes.NewReader(data), fr.end, int64(len(data)), 2)
			if err != nil {
				t.Fatal(err)
			}
			d := fr.layout(fr.movie.finalMoov(s.tables), s.end)
			whole := apply(apply(data, d.stageAt, d.staged), d.flipAt, d.flip)
			steps := map[string][]byte{}
			for k := 0; k <= len(d.flip); k++ {
				steps[fmt.Sprintf("flip torn after %d bytes", k)] = apply(apply(data, d.stageAt, d.staged), d.flipAt, d.flip[:k])
			}
			rng := rand.New(rand.NewPCG(5, 6))
			for range 200 {
				k := rng.IntN(len(d.staged))
				steps[fmt.Sprintf("stage torn after %d bytes", k)] = apply(data, d.stageAt, d.staged[:k])
			}
			n := 0
			for step, torn := range steps {
				r, err := recoverFrom(t, torn, n%20 == 0)
				if err != nil || r.Frames != frames || r.Size != int64(len(whole)) {
					t.Fatalf("%s: %d pictures in %d bytes, want %d in %d (%v)", step, r.Frames, r.Size, frames, len(whole), err)
				}
				n++
			}
		})
	}
}

// What a segment holds makes no difference to recovery.
func TestRecoverOtherFormats(t *testing.T) {
	for name, c := range otherClips() {
		t.Run(name, func(t *testing.T) {
			file, ends := &memoryFile{}, []int64{}
			c.segment(t, file, 200*time.Millisecond, 2000, func(w *Writer) { ends = append(ends, w.Size()) })
			for n, end := range ends {
				cut := &memoryFile{data: bytes.Clone(file.data[:min(end+7, int64(len(file.data)))])}
				seen, err := Inspect(cut, int64(len(cut.data)))
				if err != nil || seen.Frames != int64(5*(n+1)) || seen.Width != 640 || seen.Height != 360 {
					t.Fatalf("%d parts are inspected as %+v, %v", n+1, seen, err)
				}
				r, err := Recover(cut, int64(len(cut.data)))
				if err != nil || r.Frames != seen.Frames || r.VideoCodec != map[string]string{"mjpeg": "jpeg", "av1": "av01.0.01M.08"}[name] || r.AudioCodec != "twos" {
					t.Fatalf("%d parts are recovered as %+v, %v", n+1, r, err)
				}
				again, err := Inspect(cut, int64(len(cut.data)))
				if err != nil || !again.Finished || again.Frames != r.Frames {
					t.Fatalf("what was recovered is inspected as %+v, %v", again, err)
				}
			}
		})
	}
}

// apply returns data with p written at offset at.
func apply(data []byte, at int64, p []byte) []byte {
	out := bytes.Clone(data)
	if grow := at + int64(len(p)) - int64(len(out)); grow > 0 {
		out = append(out, make([]byte, grow)...)
	}
	copy(out[at:], p)
	return out
}

func TestHoldsFootage(t *testing.T) {
	data, ends := recorded(t, 0)
	for _, c := range []struct {
		data []byte
		want bool
	}{
		{nil, false}, {data[:1000], false}, {data[:ends[0]], false}, {data[:ends[1]], true}, {data, true},
		{append(make([]byte, 256<<10-2), "moof....moof"...), true}, // across what is read at once
		{append(make([]byte, 256<<10-2), "moof"...), false},
	} {
		if got, err := HoldsFootage(bytes.NewReader(c.data)); err != nil || got != c.want {
			t.Errorf("%d bytes: %v, %v, want %v", len(c.data), got, err, c.want)
		}
	}
}

func FuzzRecover(f *testing.F) {
	clips := otherClips()
	clips["h264"] = syntheticClip()
	for _, c := range clips {
		file := &memoryFile{}
		w := c.segment(f, file, 200*time.Millisecond, 2000, nil)
		f.Add(bytes.Clone(file.data))
		if _, err := w.Finish(); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(file.data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := &memoryFile{data: bytes.Clone(data)}
		r, err := Recover(file, int64(len(data)))
		if err != nil {
			return
		}
		if r.Size != int64(len(file.data)) {
			t.Fatalf("size %d, the file has %d", r.Size, len(file.data))
		}
		before := bytes.Clone(file.data)
		if _, err := Recover(file, r.Size); err != nil || !bytes.Equal(before, file.data) {
			t.Fatalf("a second recovery changed the file (%v)", err)
		}
	})
}

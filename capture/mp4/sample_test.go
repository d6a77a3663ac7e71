package mp4

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"recording-agent/capture/media"
)

func readSamples(data []byte) (Foreign, error) {
	return ReadSamples(bytes.NewReader(data), int64(len(data)))
}

// What encoders and other programs write is whole, each sample of it.
func TestSamplesOfRealFilesAreRead(t *testing.T) {
	files := map[string][]byte{}
	for name, data := range foreignFiles(t) {
		files[name] = data
	}
	for name, args := range map[string][]string{"own h264": h264Args, "own h265": h265Args, "own av1": av1Args, "own mjpeg": mjpegArgs} {
		f := tempFile(t)
		makeClip(t, "2", args, nil).segment(t, f, time.Second, 40000, nil)
		files[name] = contents(t, f)
		files[name+", finished"] = finishedForm(t, files[name])
	}
	for name, data := range files {
		want, err := readForeign(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := readSamples(data); err != nil || got.Result != want.Result || !slices.Equal(got.Holes, want.Holes) || len(got.Holes) > 0 {
			t.Errorf("%s: %+v, want %+v (%v)", name, got, want, err)
		}
	}
}

// The first picture is overwritten, as by a disk that lost a sector: the index does
// not show it.
func TestSampleThatItsCodecCannotHaveMade(t *testing.T) {
	for name, args := range map[string][]string{"h264": h264Args, "h265": h265Args, "av1": av1Args, "mjpeg": mjpegArgs} {
		c := makeClip(t, "1", args, nil)
		f := tempFile(t)
		c.segment(t, f, time.Second, 40000, nil)
		live := contents(t, f)
		for form, data := range map[string][]byte{"live": live, "finished": finishedForm(t, live)} {
			at := bytes.LastIndex(data, []byte("mdat")) + 4
			data = apply(data, int64(at), bytes.Repeat([]byte{0xff}, 100))
			if _, err := readForeign(data); err != nil {
				t.Errorf("%s, %s: the index: %v", name, form, err)
			}
			var unfit *UnfitError
			if _, err := readSamples(data); !errors.As(err, &unfit) {
				t.Errorf("%s, %s: an overwritten picture passes: %v", name, form, err)
			}
		}
	}
}

// Pictures of four seconds are missing in the middle of a file; Inspect finds that in
// its parts, and ReadForeign in its index.
func TestHolesBetweenPictures(t *testing.T) {
	c := makeClip(t, "10", h264Args, nil)
	kept := []media.Sample{}
	rate := c.tracks[0].ClockRate
	for _, s := range c.samples {
		if at := media.Duration(s.DTS-c.samples[0].DTS, rate); at < 3*time.Second || at >= 7*time.Second {
			kept = append(kept, s)
		}
	}
	c.samples = kept
	f := tempFile(t)
	c.segment(t, f, time.Second, 40000, nil)
	live := contents(t, f)
	near := func(got, want time.Duration) bool { return (got - want).Abs() < 200*time.Millisecond }
	for form, data := range map[string][]byte{"live": live, "finished": finishedForm(t, live)} {
		got, err := Inspect(bytes.NewReader(data), int64(len(data)))
		if err != nil || len(got.Holes) != 1 || !near(got.Holes[0].At, 3*time.Second) || !near(got.Holes[0].Lasts, 4*time.Second) {
			t.Errorf("%s: %+v, %v", form, got, err)
		}
		if missing := got.Duration - got.Recorded; len(got.Holes) == 1 && !near(missing, got.Holes[0].Lasts) {
			t.Errorf("%s: %v are missing in all", form, missing)
		}
		foreign, err := readForeign(data)
		if form == "live" {
			continue // fragments do not say
		}
		if err != nil || len(foreign.Holes) != 1 || !near(foreign.Holes[0].At, 3*time.Second) || !near(foreign.Holes[0].Lasts, 4*time.Second) {
			t.Errorf("%s, by its index: %+v, %v", form, foreign, err)
		}
	}
}

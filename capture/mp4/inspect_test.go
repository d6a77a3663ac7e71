package mp4

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What the store of a lost host may hold: the file in each of its forms, cut
// anywhere. What Inspect says of it is held against ffprobe.
func TestInspectEveryFormCutAnywhere(t *testing.T) {
	need(t, "ffprobe")
	for name, reserve := range map[string]int{"index in front": 40000, "index at the end": 64} {
		t.Run(name, func(t *testing.T) {
			live, ends := recorded(t, reserve)
			whole := finishedForm(t, live)
			// A part of an upload that was sent again after the segment was finished.
			mixed := apply(bytes.Clone(whole), 0, live[:ends[0]])
			for form, data := range map[string][]byte{"live": live, "finished": whole, "live front, finished end": mixed} {
				for _, cut := range []int64{ends[2], ends[2] + 5000, ends[len(ends)-1] - 1, int64(len(data))} {
					data := bytes.Clone(data[:min(cut, int64(len(data)))])
					got, err := Inspect(bytes.NewReader(data), int64(len(data)))
					parts := wholeParts(ends, int64(len(data)))
					if err != nil || got.Frames != int64(parts*picturesPerPart) || got.CameraID != testInfo().CameraID || !got.Start.Equal(testInfo().Start) {
						t.Fatalf("%s cut at %d: %d pictures of %q from %v, want those of %d parts (%v)", form, cut, got.Frames, got.CameraID, got.Start, parts, err)
					}
					if finished := form == "finished" && len(data) == len(whole); got.Finished != finished || finished && got.Cut != 0 {
						t.Errorf("%s cut at %d: finished %v, %d bytes cut", form, cut, got.Finished, got.Cut)
					}
					if open := form == "live" || form == "live front, finished end"; got.Open != open {
						t.Errorf("%s cut at %d: open %v", form, cut, got.Open)
					}
					packets := packetsOf(t, data)
					if got.Plays != (packets > 0) || got.Plays && (packets < got.Frames || packets > got.Frames+picturesPerPart) {
						t.Errorf("%s cut at %d: plays %v with %d pictures, ffprobe finds %d", form, cut, got.Plays, got.Frames, packets)
					}
				}
			}
		})
	}
}

func finishedForm(t *testing.T, live []byte) []byte {
	t.Helper()
	f := tempFile(t)
	if _, err := f.Write(live); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(f, int64(len(live))); err != nil {
		t.Fatal(err)
	}
	return contents(t, f)
}

// packetsOf counts the pictures that ffprobe finds.
func packetsOf(t *testing.T, data []byte) int64 {
	t.Helper()
	f := tempFile(t)
	if err := os.WriteFile(f.Name(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("ffprobe", "-v", "quiet", "-select_streams", "v:0", "-show_entries", "packet=codec_type", "-of", "csv=p=0", f.Name()).Output()
	return int64(strings.Count(string(out), "video"))
}

func TestInspectChangedBytes(t *testing.T) {
	live, ends := recorded(t, 40000)
	live[ends[3]-100] ^= 1
	got, err := Inspect(bytes.NewReader(live), int64(len(live)))
	if err != nil || got.Frames != 3*picturesPerPart || got.Cut != int64(len(live))-ends[2] {
		t.Errorf("%d pictures, %d bytes cut, want those of 3 parts (%v)", got.Frames, got.Cut, err)
	}
	if _, err := Inspect(strings.NewReader("not a video"), 11); !errors.Is(err, ErrNotSegment) {
		t.Errorf("something else: %v", err)
	}
	if _, err := Inspect(bytes.NewReader(live[:ends[0]-1]), ends[0]-1); !errors.Is(err, ErrEmpty) {
		t.Errorf("less than a part: %v", err)
	}
}

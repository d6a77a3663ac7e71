package check

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// numbered makes a clip of 20 pictures, and a file in which it is played from one
// number up to another, but for those that are left out.
func numbered(t *testing.T, from, to int, leftOut ...int) (clip Pictures, file string) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal("ffmpeg is required and not installed")
		}
		t.Skip("ffmpeg is not installed")
	}
	dir := t.TempDir()
	ts, raw, file := filepath.Join(dir, "clip.ts"), filepath.Join(dir, "numbered.h264"), filepath.Join(dir, "file.mp4")
	run(t, "-f lavfi -i testsrc2=size=320x180:rate=25,format=yuv420p -frames:v 20 -c:v libx264 -bf 0 -g 10 -x264-params slices=1:threads=1 -f mpegts "+ts)
	clip, err := ReadClip(t.Context(), ts)
	if err != nil || len(clip) != 20 {
		t.Fatalf("%d pictures, %v", len(clip), err)
	}
	stream, _, err := ffmpeg(t.Context(), ts, copied...)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for n := from; n <= to; {
		for unit := range units(stream) { // the clip, round and round
			if n > to {
				break
			}
			if unit[0]&0x1f == 9 { // a delimiter would stay behind where a picture is left out
				continue
			}
			if isSlice(unit) {
				if n++; slices.Contains(leftOut, n-1) {
					continue
				}
				out = fmt.Appendf(out, "\x00\x00\x00\x01%s%08x\x80", mark, n-1)
			}
			out = append(append(out, 0, 0, 0, 1), unit...)
		}
	}
	if err := os.WriteFile(raw, out, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "-r 25 -i "+raw+" -c copy "+file)
	return clip, file
}

func run(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ffmpeg", strings.Fields("-nostdin -v error "+args)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", args, err, out)
	}
}

func TestInspect(t *testing.T) {
	clip, file := numbered(t, 1, 50)
	numbers, damage := inspect(t.Context(), file, clip)
	if len(numbers) != 50 || numbers[0] != 1 || numbers[49] != 50 || damage != "" {
		t.Errorf("numbers %v, damage %q", numbers, damage)
	}
}

func TestInspectMissing(t *testing.T) {
	clip, file := numbered(t, 1, 50, 44, 45)
	numbers, damage := inspect(t.Context(), file, clip)
	if len(numbers) != 48 || slices.Contains(numbers, 44) || damage != "" {
		t.Errorf("numbers %v, damage %q", numbers, damage)
	}
}

// TestInspectDamage: whichever byte of the pictures is changed, it is found.
func TestInspectDamage(t *testing.T) {
	clip, file := numbered(t, 1, 50)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.Index(whole, []byte("mdat")) + 4
	end := bytes.LastIndex(whole, mark) // of the last picture but one
	damage := func(name string, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if numbers, damage := inspect(t.Context(), file, clip); damage == "" {
			t.Errorf("%s: not found; numbers %v", name, numbers)
		}
	}
	for i := range 20 {
		place := begin + 2000 + i*(end-begin-4000)/20
		data := bytes.Clone(whole)
		data[place] ^= 0x10
		damage(fmt.Sprintf("byte %d", place), data)
	}
	damage("cut off in the middle", whole[:len(whole)/2])
	damage("empty", nil)
	damage("no picture", []byte("this is no video"))
}

// A file of another camera is damage as well.
func TestInspectAnother(t *testing.T) {
	clip, file := numbered(t, 1, 50)
	clip[3], clip[4] = clip[4], clip[3]
	if _, damage := inspect(t.Context(), file, clip); damage != "picture 4 is not what the camera has sent" {
		t.Errorf("found %q", damage)
	}
}

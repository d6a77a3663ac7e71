package mp4

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"
)

// crashing is a file whose host goes down at the nth write.
type crashing struct {
	*os.File
	writes int
}

var errCrashed = errors.New("crashed")

func (c *crashing) WriteAt(p []byte, at int64) (int, error) {
	if c.writes--; c.writes < 0 {
		return 0, errCrashed
	}
	return c.File.WriteAt(p, at)
}

// A finished file gets another start in place, whatever crash comes in between, and
// is the file that it would have been.
func TestRestamp(t *testing.T) {
	need(t, "ffprobe")
	c := makeClip(t, "4", h264Args, aacArgs)
	for _, reserve := range []int{Reserve(4*time.Second, 25, c.tracks[1:]), 64} { // tables in front, tables at the end
		f := tempFile(t)
		r, err := c.segment(t, f, time.Second, reserve, nil).Finish()
		if err != nil {
			t.Fatal(err)
		}
		right := contents(t, f)
		unset := time.Date(1970, 1, 1, 0, 3, 9, 1000, time.UTC)
		if err := Restamp(f, r.Size, unset); err != nil {
			t.Fatal(err)
		}
		wrong := contents(t, f)
		if got := probe(t, f.Name()).tags["creation_time"]; got != "1970-01-01T00:03:09.000000Z" {
			t.Errorf("ffprobe says that it was created %s", got)
		}
		if got, err := Recover(f, r.Size); err != nil || !got.Start.Equal(unset) || !bytes.Equal(contents(t, f), wrong) {
			t.Errorf("recovered as of %v, %v; recovering must not change it", got.Start, err)
		}
		crash, crashed := 0, true
		for ; crashed; crash += 7 {
			if err := os.WriteFile(f.Name(), wrong, 0o600); err != nil {
				t.Fatal(err)
			}
			err := Restamp(&crashing{f, crash}, r.Size, testInfo().Start)
			if crashed = errors.Is(err, errCrashed); crashed {
				run(t, "ffprobe", "-v", "error", "-show_packets", f.Name()) // no complaint
				err = Restamp(f, r.Size, testInfo().Start)
			}
			if err != nil || !bytes.Equal(contents(t, f), right) {
				t.Fatalf("after a crash at write %d it is not the file it would have been: %v", crash, err)
			}
		}
		if crash < 8 {
			t.Errorf("it took only %d writes", crash)
		}
		checkResult(t, f, r)
	}
}

// What another program, or another version, has finished in its own way stays as it is.
func TestRestampLeavesOtherFormsAlone(t *testing.T) {
	c := makeClip(t, "2", h264Args, nil)
	f := tempFile(t)
	r, err := c.segment(t, f, time.Second, 4000, nil).Finish()
	if err != nil {
		t.Fatal(err)
	}
	data := contents(t, f)
	data[bytes.LastIndex(data[:8192], []byte("mvhd"))+5]++ // a flag
	if err := os.WriteFile(f.Name(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restamp(f, r.Size, time.Unix(2e9, 0)); !errors.Is(err, ErrOtherForm) || !bytes.Equal(contents(t, f), data) {
		t.Errorf("%v, or the file was changed", err)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recording-agent/capture/mp4"
)

func TestVerdictLines(t *testing.T) {
	v := fileVerdict("a\x1b[2J\nok b.mp4")
	v.found = mp4.Result{Info: mp4.Info{CameraID: "7", CameraName: "Gate\x1b[31m"}, Duration: 10 * time.Minute, Frames: 100, VideoCodec: "avc1.64001f", Size: 2_000_000}
	v.holes = []mp4.Hole{{At: 3 * time.Second, Lasts: 4 * time.Second}, {At: 61 * time.Second, Lasts: 5500 * time.Millisecond}}
	v.checkedBy, v.unchecked = []string{"its index"}, "pictures and sound"
	want := `ok    "a\x1b[2J\nok b.mp4": 10m00s of Gate?[31m, 2 gaps inside of 9.5s, the longest of 5.5s after 1m01s, 100 pictures of avc1.64001f, 2.0 MB; checked: its index; not checked: pictures and sound (--deep does)`
	if got := v.line(); got != want {
		t.Errorf("said\n%s\nwant\n%s", got, want)
	}
	if j := v.json(); !j.OK || len(j.Gaps) != 2 || j.Gaps[1] != (holeJSON{61, 5.5}) || *j.Seconds != 600 {
		t.Errorf("%+v", j)
	}
	v.fault("it has %d bytes", 3)
	v.holeless = true
	if got := v.line(); !strings.HasPrefix(got, "FAULT ") || !strings.Contains(got, ": it has 3 bytes; 10m00s") || !strings.Contains(got, "gaps inside are not known") || strings.Contains(got, "checked") {
		t.Errorf("said\n%s", got)
	}
	if j := v.json(); j.OK || j.Gaps != nil || len(j.Faults) != 1 {
		t.Errorf("%+v", j)
	}
}

// A file that lies where the ledger says is compared by its place: files of other
// programs do not say which segment they are.
func TestVerifyFindsTheSegmentByThePlaceOfItsFile(t *testing.T) {
	c := newCounter(t)
	seg := c.finished(1, gate, "Front gate") // its file holds nothing
	c.close()
	file := filepath.Join(c.data(), filepath.FromSlash(seg.Path))
	out, _, code := c.do("verify", file)
	wantVerdict(t, out, code, true, "it holds nothing that is whole", "it has 1000 bytes, by the ledger 20971520")
	link := filepath.Join(c.dir, "link.mp4")
	c.ok(os.Symlink(file, link))
	out, _, code = c.do("verify", link)
	wantVerdict(t, out, code, true, "by the ledger 20971520")
}

func TestVerifyWhatCannotBeChecked(t *testing.T) {
	c := newCounter(t)
	c.close()
	for name, want := range map[string]string{
		c.dir:                       "it is no file: name those in it",
		"nothing.mp4":               `there is no object "nothing.mp4"`,
		strings.Repeat("a/", 2000):  "there is no object",
		filepath.Join(c.dir, "x/y"): "there is no object",
	} {
		out, aside, code := c.do("verify", name)
		wantVerdict(t, out, code, true, want)
		if !strings.Contains(aside, "1 of 1 at fault, or not to be checked") {
			t.Errorf("%.50q: said aside: %s", name, aside)
		}
	}
	if out, aside, code := c.do("verify", "x", "--destination", "nowhere"); code != exitFailed || !strings.Contains(out, "it has: primary, onsite") {
		t.Errorf("no such destination: %d, %s%s", code, out, aside)
	}
	c.put("footage", "text.mp4", []byte("some bytes"))
	c.put("footage", "empty.mp4", nil)
	out, _, code := c.do("verify", "text.mp4", "--deep")
	wantVerdict(t, out, code, true, "it does not begin like an MP4 file")
	out, _, code = c.do("verify", "empty.mp4")
	wantVerdict(t, out, code, true, "it is empty")
	// A file of the key's name comes first, unless a destination is named.
	c.ok(os.WriteFile(filepath.Join(c.dir, "text.mp4"), nil, 0o600))
	out, _, code = c.do("verify", "text.mp4")
	wantVerdict(t, out, code, true, "it holds nothing that is whole")
	out, _, code = c.do("verify", "text.mp4", "--destination", "primary")
	wantVerdict(t, out, code, true, "it does not begin like an MP4 file")

	said, code := verify(t, "nothing.mp4")
	wantVerdict(t, said, code, true, "there is no such file here; as a key of an object it cannot be checked: no configuration")
	if said, code := verify(t, "nothing.mp4", "--config", "nowhere.toml"); code != exitUnusable || !strings.Contains(said, "nowhere.toml does not exist") {
		t.Errorf("a configuration that is not there: %d, %s", code, said)
	}
	if said, code := verify(t); code != exitUnusable || !strings.Contains(said, "verify --help") {
		t.Errorf("nothing named: %d, %s", code, said)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/uploader/wiretest"
)

// verify runs the command in a directory without a configuration.
func verify(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"verify"}, args...)...)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "RUN_AS_AGENT=1")
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func (h *host) verify(args ...string) (said string, code int) {
	h.t.Helper()
	return verify(h.t, append(args, "--config", h.config())...)
}

// wantVerdict checks one name, and wants a line that says so.
func wantVerdict(t *testing.T, said string, code int, fault bool, want ...string) {
	t.Helper()
	word, exit := "ok    ", 0
	if fault {
		word, exit = "FAULT ", exitFailed
	}
	line, _, _ := strings.Cut(said, "\n")
	if code != exit || !strings.HasPrefix(line, word) {
		t.Errorf("exit code %d, want %d and %q:\n%s", code, exit, word, said)
	}
	for _, text := range want {
		if !strings.Contains(line, text) {
			t.Errorf("%q is not said:\n%s", text, said)
		}
	}
}

func (h *host) put(key string, data []byte) {
	h.t.Helper()
	bucket := hostBucket
	if _, err := h.objects.PutObject(h.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) bytes(key string) []byte {
	h.t.Helper()
	bucket := hostBucket
	out, err := h.objects.GetObject(h.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		h.t.Fatal(err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return data
}

// Real segments, while the agent records, uploads and removes them, after it was
// killed, and as objects; and each of them damaged.
func TestVerifyRealSegments(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	h := newHost(t)
	h.toStore.Set(wiretest.Fault{Cut: true}) // so that finished files stay
	h.start()
	var kept []segmentJSON // finished ones, of either camera
	h.until(60*time.Second, func() string {
		if kept = nil; len(h.shows()) == 0 { // before it answers it makes the ledger
			return "an agent that answers"
		}
		for _, camera := range h.cameras {
			of := h.listed("--camera", camera, "--state", "finished")
			if len(of) < 2 {
				return "two finished segments of each camera"
			}
			kept = append(kept, of[1])
		}
		return ""
	})
	open := 0
	for round := range 6 { // at different moments of the recording
		args := h.files()
		if round%2 == 1 {
			args = append(args, "--deep")
		}
		if said, code := h.verify(args...); code != 0 || strings.Count(said, "ok    ") != strings.Count(said, "\n") || !strings.Contains(said, "crc64nvme of the ledger") {
			t.Errorf("while it runs, %v: exit code %d\n%s", args[len(args)-1:], code, said)
		} else {
			open += strings.Count(said, "it is being recorded")
		}
		time.Sleep(700 * time.Millisecond)
	}
	if open == 0 {
		t.Error("no segment was verified while it was recorded")
	}
	for _, seg := range kept {
		h.verifyDamaged(seg)
	}
	h.toStore.Set(wiretest.Fault{})
	var stored []segmentJSON
	h.until(60*time.Second, func() string {
		if stored = h.listed("--state", "deleted"); len(stored) < 4 {
			return "four segments that are nowhere but in the store"
		}
		return ""
	})
	h.verifyObjects(stored[:4])

	h.kill()
	before := h.untouched()
	if said, code := h.verify(append(h.files(), "--deep")...); code != 0 {
		t.Errorf("after a kill: exit code %d\n%s", code, said)
	}
	if after := h.untouched(); !slices.Equal(before, after) {
		t.Error("verify has changed the data directory")
	}
}

// verifyDamaged verifies copies of a finished segment, elsewhere.
func (h *host) verifyDamaged(seg segmentJSON) {
	h.t.Helper()
	data, err := os.ReadFile(seg.File)
	if err != nil {
		h.t.Fatal(err)
	}
	dir := h.t.TempDir()
	middle := len(data) / 2
	moof := middle + bytes.Index(data[middle:], []byte("moof"))
	mdat := moof + bytes.Index(data[moof:], []byte("mdat"))
	flipped := func(at int) []byte {
		out := bytes.Clone(data)
		out[at] ^= 0x10
		return out
	}
	for name, c := range map[string]struct {
		data  []byte
		fault string // without a ledger
	}{
		"whole.mp4":     {data, ""},
		"truncated.mp4": {data[:middle], "or cut off"},
		"cut.mp4":       {data[:100], "it holds nothing that is whole"},
		"mdat.mp4":      {flipped(mdat + 1000), "it is damaged at byte "},
		"moof.mp4":      {flipped(moof + 30), "it is damaged at byte "},
		"index.mp4":     {flipped(bytes.LastIndex(data[:moof], []byte("stsz")) + 40), "its index is damaged"},
		"longer.mp4":    {append(bytes.Clone(data), "more"...), "it is damaged at byte "},
		"text\x1b.mp4":  {[]byte("no video"), "it does not begin like an MP4 file"},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, c.data, 0o600); err != nil {
			h.t.Fatal(err)
		}
		for _, deep := range [][]string{{file}, {file, "--deep"}} {
			alone, code := verify(h.t, deep...)
			wantVerdict(h.t, alone, code, c.fault != "", c.fault)
			if strings.Contains(alone, "\x1b") {
				h.t.Errorf("a terminal would obey: %q", alone)
			}
			if c.fault == "" && !strings.Contains(alone, "there is no configuration") {
				h.t.Errorf("without a configuration:\n%s", alone)
			}
			if len(c.data) < 1000 {
				continue // it does not say what it is
			}
			said, code := h.verify(deep...)
			want := "by the ledger"
			if c.fault == "" {
				want = ", no gaps, "
			}
			wantVerdict(h.t, said, code, c.fault != "", c.fault, want)
		}
	}
	h.verifyWrongChecksum(seg, data, dir)
}

// verifyWrongChecksum changes a byte that nothing but the checksum covers.
func (h *host) verifyWrongChecksum(seg segmentJSON, data []byte, dir string) {
	h.t.Helper()
	spare := bytes.Clone(data)
	spare[44] ^= 1 // in the free box behind ftyp
	file := filepath.Join(dir, "spare.mp4")
	if err := os.WriteFile(file, spare, 0o600); err != nil {
		h.t.Fatal(err)
	}
	said, code := h.verify(file)
	wantVerdict(h.t, said, code, true, "its crc64nvme is ", "by the ledger "+*seg.Checksum)
}

// verifyObjects verifies objects, as they are and replaced by damaged ones.
func (h *host) verifyObjects(segments []segmentJSON) {
	h.t.Helper()
	var keys []string
	for _, seg := range segments {
		keys = append(keys, seg.Deliveries[0].Key)
	}
	for _, deep := range []string{"--deep=false", "--deep"} {
		said, code := h.verify(append(slices.Clone(keys), deep, "--json")...)
		var all []verdictJSON
		if err := json.Unmarshal([]byte(said), &all); code != 0 || err != nil || len(all) != len(keys) {
			h.t.Fatalf("objects, %s: exit code %d, %v\n%s", deep, code, err, said)
		}
		for i, v := range all {
			by := "the store's crc64nvme, which is that of the ledger"
			if !v.OK || v.Kind != object || !v.InLedger || *v.Segment != segments[i].ID || *v.Frames != *segments[i].Frames || v.Gaps == nil || len(v.Gaps) > 0 || !slices.Contains(v.CheckedBy, by) {
				h.t.Errorf("%s: %+v", deep, v)
			}
			if deep == "--deep" && !slices.Contains(v.CheckedBy, "each sample") {
				h.t.Errorf("%s: %+v", deep, v)
			}
		}
	}
	data := h.bytes(keys[0])
	flipped := bytes.Clone(data)
	flipped[len(data)/2] ^= 1
	h.put(keys[0], data[:len(data)/2])
	h.put(keys[1], flipped)
	said, code := h.verify(keys[0])
	wantVerdict(h.t, said, code, true, fmt.Sprintf("it has %d bytes, by the ledger %d", len(data)/2, len(data)), "its index points to bytes")
	said, code = h.verify(keys[1])
	wantVerdict(h.t, said, code, true, "by the ledger")
	// The store has a checksum of what it has: only reading it shows that it is damaged.
	h.put("elsewhere.mp4", flipped)
	said, code = h.verify("elsewhere.mp4")
	wantVerdict(h.t, said, code, false, "ledger does not know it")
	said, code = h.verify("elsewhere.mp4", "--deep")
	wantVerdict(h.t, said, code, true, "it is damaged at byte ")
	said, code = h.verify("nothing\x1b[2J.mp4", keys[2])
	wantVerdict(h.t, said, code, true, "there is no object")
	if strings.Contains(said, "\x1b") || !strings.Contains(said, "\nok    ") {
		h.t.Errorf("one of two:\n%q", said)
	}
}

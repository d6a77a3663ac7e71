package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/central/centraltest"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
)

// brought is a file that another recorder has made, and where it says it begins.
type brought struct {
	camera string
	start  time.Time
	data   []byte
}

// bring makes files that differ, of 1 s each, of cameras in turn.
func (h *host) bring(n int) []brought {
	h.t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		rtsptest.Missing(h.t, "ffmpeg")
	}
	forms := []string{"", "-movflags faststart", "-movflags empty_moov+default_base_moof+frag_keyframe"}
	var out []brought
	for i := range n {
		file := filepath.Join(h.t.TempDir(), "brought.mp4")
		args := fmt.Sprintf("-v error -f lavfi -i testsrc2=size=160x120:rate=25:duration=1 -c:v libx264 -pix_fmt yuv420p -metadata comment=%d %s %s", i, forms[i%len(forms)], file)
		if said, err := exec.Command("ffmpeg", strings.Fields(args)...).CombinedOutput(); err != nil {
			h.t.Fatalf("ffmpeg: %v\n%s", err, said)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			h.t.Fatal(err)
		}
		out = append(out, brought{h.cameras[i%len(h.cameras)], time.Date(2026, 3, 1, 10, 0, i, 0, time.UTC), data})
	}
	return out
}

func (h *host) putIntoInbox(b brought) {
	h.t.Helper()
	dir := filepath.Join(h.data(), "inbox", b.camera)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, b.start.Format("2006-01-02T15-04-05Z")+".mp4"), b.data, 0o640); err != nil {
		h.t.Fatal(err)
	}
}

// arrived wants each file to be at central and in the store, once, as it was,
// and nowhere else.
func (h *host) arrived(files []brought) {
	h.t.Helper()
	const stamp = "2006-01-02T15:04:05.000000Z"
	rows := map[string][]centraltest.Recording{}
	for _, r := range h.central.Recordings() {
		if r.Status == "completed" {
			start, _ := r.Extra["start_time"].(string)
			rows[r.CameraID+" "+start] = append(rows[r.CameraID+" "+start], r)
		}
	}
	for _, b := range files {
		name := b.camera + " " + b.start.Format(stamp)
		if n := len(rows[name]); n != 1 {
			h.t.Errorf("%s is completed %d times at central", name, n)
			continue
		}
		r := rows[name][0]
		if r.Extra["end_time"] != b.start.Add(time.Second).Format(stamp) || r.Extra["duration_seconds"] != 1.0 || r.FileSize != int64(len(b.data)) {
			h.t.Errorf("central has %s as %+v", name, r.Extra)
		}
		path, err := h.object(r.FilePath)
		if err != nil {
			h.t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, b.data) {
			h.t.Errorf("%s: the object has %d bytes, the file had %d, and they are not the same (%v)", name, len(got), len(b.data), err)
		}
	}
	if left := h.inbox(); len(left) > 0 {
		h.t.Errorf("still in the inbox: %v", left)
	}
}

// takenOver counts the rows of files that were taken over.
func (h *host) takenOver() (n int) {
	h.t.Helper()
	ledger, err := spool.Open(context.Background(), spool.Options{Dir: h.data(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		h.t.Fatal(err)
	}
	defer ledger.Close()
	for _, state := range []spool.State{spool.Finished, spool.Deleted, spool.Missing} {
		segs, err := ledger.Segments(context.Background(), state)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, s := range segs {
			if s.ID[14] == '5' {
				n++
			}
		}
	}
	return n
}

// The whole way of a file that was there before the agent, and of one that comes.
func TestInboxToCentral(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.silence()
	files := h.bring(4)
	h.putIntoInbox(files[0])
	h.start()
	h.until(20*time.Second, func() string {
		if _, err := os.Stat(filepath.Join(h.data(), "inbox", h.cameras[1])); err != nil {
			return err.Error()
		}
		return ""
	})
	for _, b := range files[1:] {
		h.putIntoInbox(b)
	}
	h.untilArrived(files)
	h.stop()
	h.arrived(files)
	if n := h.takenOver(); n != len(files) {
		t.Errorf("%d rows of %d files", n, len(files))
	}
}

func (h *host) untilArrived(files []brought) {
	h.t.Helper()
	h.until(60*time.Second, func() string {
		left, done := h.inbox(), 0
		for _, r := range h.central.Recordings() {
			if r.Status == "completed" && r.FileSize > 0 {
				done++
			}
		}
		if len(left) > 0 || done < len(files) {
			return fmt.Sprintf("%d files in the inbox, %d completed of %d", len(left), done, len(files))
		}
		return h.backlog()
	})
}

// Killed at any moment while files are taken over: each is there once in the end.
func TestKilledWhileTakingOver(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a minute and a half")
	}
	h := newHost(t)
	h.silence()
	files := h.bring(40)
	for _, b := range files {
		h.putIntoInbox(b)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 5 {
		before := len(h.inbox())
		h.start()
		for deadline := time.Now().Add(60 * time.Second); len(h.inbox()) == before && before > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("none of %d files was taken over", before)
			}
		}
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		h.kill()
		t.Logf("killed with %d files in the inbox", len(h.inbox()))
	}
	h.start()
	h.untilArrived(files)
	h.stop()
	h.arrived(files)
	if n := h.takenOver(); n != len(files) {
		t.Errorf("%d rows of %d files", n, len(files))
	}
}

func (h *host) inbox() []string {
	left, err := filepath.Glob(filepath.Join(h.data(), "inbox", "*", "*"))
	if err != nil {
		h.t.Fatal(err)
	}
	return left
}

package capture_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture"
	"recording-agent/capture/mp4"
	"recording-agent/capture/rtsp"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
)

// The tests hard_*_test.go take a camera that does what it should not the whole way:
// from the wire through a session and a recorder to files in a spool. What the files
// hold is asked of ffmpeg, and of our own reader.

// hard is what is done with such a camera.
type hard struct {
	script rtsptest.Script // Play is play's
	play   func(s *sender)
	cut    capture.Segmenting
	audio  bool
	stall  time.Duration // rtsp.Options.StallTimeout
}

// recorded is what a camera left behind.
type recorded struct {
	t        *testing.T
	dir      string
	segments []spool.Segment
	gaps     []spool.Gap // that are over, but for those before the first picture
	status   capture.Status
	log      string
	began    time.Time // on the recorder's clock
	ended    time.Time
	took     time.Duration // all pictures: longer than they say where the host was slow
}

// record runs a camera until its play is over and all of it has been taken.
func record(t *testing.T, h hard) *recorded {
	t.Helper()
	now := clock()
	out := &recorded{t: t, dir: t.TempDir(), began: now()}
	var log bytes.Buffer
	logger := zerolog.New(zerolog.SyncWriter(&log))
	sp, err := spool.Open(t.Context(), spool.Options{Dir: out.dir, ClientName: "host", Log: zerolog.Nop(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	played := make(chan struct{})
	var once sync.Once
	script := h.script
	script.Play = func(p *rtsptest.Player) {
		s := &sender{t: t, player: p}
		h.play(s)
		if !s.gone {
			once.Do(func() {
				out.took = time.Since(s.first)
				close(played)
			})
		}
	}
	session, err := rtsp.NewSession(rtsp.Options{
		URL: "rtsp://" + rtsptest.Scripted(t, script) + "/cam", Transport: rtsp.TCP, Audio: h.audio, Log: logger, Now: now, StallTimeout: h.stall,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := capture.New(capture.Options{
		ID: "gate", Name: "Gate", ClientName: "host", Plan: capture.NewPlan(nil), Spool: sp, Buffers: capture.NewBuffers(),
		Stream: func(ctx context.Context, r *capture.Recorder) error { return session.Run(ctx, r) },
		Segmenting: capture.Segmenting{
			Duration: cmp.Or(h.cut.Duration, 10*time.Minute), Part: 200 * time.Millisecond,
			Sync: time.Second, MaxBytes: h.cut.MaxBytes,
		},
		Log: logger, Now: now,
	})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	select {
	case <-played:
		settle(c)
	case <-time.After(40 * time.Second):
		t.Error("the camera has not come to the end of its script")
	}
	stop()
	running.Wait()
	out.ended, out.status, out.log = now(), c.Status(), log.String()
	if out.segments, err = sp.Segments(context.Background(), spool.Finished); err != nil {
		t.Fatal(err)
	}
	gaps, err := sp.Gaps(context.Background(), "gate")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps {
		if g.Cause != spool.Connecting {
			out.gaps = append(out.gaps, g)
		}
	}
	if err := sp.Close(); err != nil {
		t.Error(err)
	}
	slices.SortFunc(out.segments, func(a, b spool.Segment) int { return a.Start.Compare(b.Start) })
	if t.Failed() {
		t.Log(out.log)
	}
	return out
}

// clock begins a minute after a boundary of all segments' lengths, so that none is
// cut there.
func clock() func() time.Time {
	real := time.Now()
	ahead := real.Truncate(time.Hour).Add(time.Hour + time.Minute).Sub(real)
	return func() time.Time { return time.Now().Add(ahead) }
}

// settle waits until nothing comes any more.
func settle(c *capture.Camera) {
	for last, quiet := int64(-1), 0; quiet < 4; time.Sleep(75 * time.Millisecond) {
		if n := c.Status().Frames; n != last {
			last, quiet = n, 0
		} else {
			quiet++
		}
	}
}

// held is what a segment's file holds, as ffmpeg shows it.
type held struct {
	ids      []int           // of the pictures, in the order in which they are shown; -1: none of the film's
	at       []time.Duration // when each is shown
	length   time.Duration   // by ffprobe
	packets  int
	width    int
	codec    string
	sound    int // packets of sound
	complain string
}

// open decodes each segment's file, and has our own reader agree with it and with the
// ledger. Damage that was to be expected is for the caller to allow.
func (r *recorded) open(f *film) []held {
	r.t.Helper()
	if len(r.segments) == 0 {
		r.t.Fatal("there is no segment")
	}
	var out []held
	for _, seg := range r.segments {
		path := filepath.Join(r.dir, filepath.FromSlash(seg.Path))
		r.own(path, seg)
		h := r.decode(path, f)
		r.probe(path, &h)
		if h.packets != int(seg.Frames) {
			r.t.Errorf("ffprobe counts %d pictures, the ledger %d", h.packets, seg.Frames)
		}
		if d := (h.length - seg.Duration).Abs(); d > 30*time.Millisecond {
			r.t.Errorf("ffprobe says that the segment lasts %v, the ledger %v", h.length, seg.Duration)
		}
		out = append(out, h)
	}
	return out
}

func (r *recorded) own(path string, seg spool.Segment) {
	r.t.Helper()
	file, err := os.Open(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	found, err := mp4.Inspect(file, seg.Size)
	if err != nil || !found.Finished || !found.Plays || found.Frames != seg.Frames || (found.Duration-seg.Duration).Abs() > time.Millisecond {
		r.t.Errorf("Inspect finds %+v (%v), the ledger has %d pictures, %v", found, err, seg.Frames, seg.Duration)
	}
	foreign, err := mp4.ReadForeign(file, seg.Size)
	if err != nil || foreign.Frames != seg.Frames || (foreign.Duration-seg.Duration).Abs() > 40*time.Millisecond { // it does not count what is held back
		r.t.Errorf("ReadForeign finds %+v (%v), the ledger has %d pictures, %v", foreign, err, seg.Frames, seg.Duration)
	}
}

func (r *recorded) decode(path string, f *film) (h held) {
	r.t.Helper()
	hashes, at, complaints := decoded(r.t, path)
	h.at, h.complain = at, complaints
	for _, hash := range hashes {
		id, known := f.ids[hash]
		if !known {
			id = -1
		}
		h.ids = append(h.ids, id)
	}
	return h
}

func (r *recorded) probe(path string, h *held) {
	r.t.Helper()
	for line := range strings.Lines(ask(r.t, "ffprobe", "-v", "error", "-count_packets", "-show_entries",
		"stream=codec_type,codec_name,width,nb_read_packets:format=duration", "-of", "compact=nk=1", path)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		switch {
		case cells[0] == "format":
			seconds, _ := strconv.ParseFloat(cells[1], 64)
			h.length = time.Duration(seconds * float64(time.Second))
		case cells[2] == "video":
			h.codec = cells[1]
			h.width, _ = strconv.Atoi(cells[3])
			h.packets, _ = strconv.Atoi(cells[4])
		case cells[2] == "audio":
			h.sound, _ = strconv.Atoi(cells[3])
		}
	}
}

// decoded returns the MD5 of each picture of a file and when it is shown.
func decoded(t *testing.T, path string) (hashes []string, at []time.Duration, complaints string) {
	t.Helper()
	c := exec.Command("ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f", "framemd5", "-")
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		t.Fatalf("ffmpeg does not read %s: %v: %s", path, err, said.String())
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(line, ",")
		ticks, err := strconv.ParseInt(strings.TrimSpace(cells[2]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, strings.TrimSpace(cells[5]))
		at = append(at, time.Duration(ticks)*time.Second/90000)
	}
	return hashes, at, said.String()
}

// even says that each picture is shown 10 ms after the one before.
func (h *held) even(t *testing.T) {
	t.Helper()
	for i := range h.at {
		if off := (h.at[i] - h.at[0] - time.Duration(i)*10*time.Millisecond).Abs(); off > 2*time.Millisecond {
			t.Fatalf("picture %d is shown %v off its time", i, off)
		}
	}
}

func ask(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", program, strings.Join(args, " "), err)
	}
	return string(out)
}

// whole says that the segments hold the pictures from to to of the film, in order,
// each once, undamaged, and no other.
func (r *recorded) whole(f *film, from, to int) []held {
	r.t.Helper()
	segments := r.open(f)
	var got []int
	for i, h := range segments {
		got = append(got, h.ids...)
		if h.complain != "" {
			r.t.Errorf("ffmpeg complains of segment %d: %s", i, h.complain)
		}
		if !slices.IsSortedFunc(h.at, cmp.Compare[time.Duration]) {
			r.t.Errorf("pictures of segment %d are shown at %v", i, h.at)
		}
	}
	want := make([]int, 0, to-from)
	for n := from; n < to; n++ {
		want = append(want, n)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("the files show the pictures %v, want %d to %d", got, from, to-1)
	}
	r.disjoint()
	return segments
}

// disjoint says that the ledger's segments do not overlap and are dated inside of the
// time in which they were recorded.
func (r *recorded) disjoint() {
	r.t.Helper()
	for i, s := range r.segments {
		if s.Start.Before(r.began.Add(-100*time.Millisecond)) || s.End.After(r.ended.Add(100*time.Millisecond)) {
			r.t.Errorf("segment %d is dated %v to %v, recorded between %v and %v", i, s.Start, s.End, r.began, r.ended)
		}
		if i > 0 && s.Start.Before(r.segments[i-1].End) {
			r.t.Errorf("segment %d begins %v before the end of the one before", i, r.segments[i-1].End.Sub(s.Start))
		}
	}
}

// count says how many segments there are to be.
func (r *recorded) count(n int) {
	r.t.Helper()
	if len(r.segments) != n {
		var all []string
		for _, s := range r.segments {
			all = append(all, fmt.Sprintf("%d pictures, %v", s.Frames, s.Duration))
		}
		r.t.Fatalf("%d segments (%s), want %d", len(r.segments), strings.Join(all, "; "), n)
	}
}

// lasts says how much time the segments cover together.
func (r *recorded) lasts(want, tolerance time.Duration) {
	r.t.Helper()
	if sum := r.length(); (sum - want).Abs() > tolerance {
		r.t.Errorf("the segments last %v together, want %v", sum, want)
	}
}

// lastsAsTaken says that the segments cover as much time as the pictures say or took.
func (r *recorded) lastsAsTaken(want, tolerance time.Duration) {
	r.t.Helper()
	if sum := r.length(); sum < min(want, r.took)-tolerance || sum > max(want, r.took)+tolerance {
		r.t.Errorf("the segments last %v together, want %v to %v", sum, want, r.took)
	}
}

func (r *recorded) length() (sum time.Duration) {
	for _, s := range r.segments {
		sum += s.Duration
	}
	return sum
}

// noGap says that nothing is missing.
func (r *recorded) noGap() {
	r.t.Helper()
	if len(r.gaps) > 0 {
		r.t.Errorf("gaps: %+v", r.gaps)
	}
}

package inbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// world is a spool and an inbox, with a clock that stands still.
type world struct {
	t     *testing.T
	spool *spool.Spool
	inbox *Inbox
	said  bytes.Buffer
	now   time.Time
	unset bool  // the clock is
	fault error // of the spool
}

var epochTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: epochTime}
	var err error
	w.spool, err = spool.Open(t.Context(), spool.Options{
		Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: func() time.Time { return w.now },
		Destinations: []spool.Destination{{Name: "primary", Bucket: "footage", Key: func(s spool.Segment) string { return s.ID + ".mp4" }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.spool.Close() })
	w.restart()
	w.inbox.follow()
	return w
}

// restart forgets what only memory knows.
func (w *world) restart() {
	w.inbox = New(Options{
		Dir: filepath.Join(w.spool.Dir(), "inbox"), Cameras: func() []Camera { return []Camera{{ID: "gate", Name: "Front gate"}, {ID: "yard", Name: "Yard"}} }, ClientName: "host",
		MaxBytes: 10 << 20, Zone: func() *time.Location { return time.FixedZone("host", 3600) }, Spool: w, Log: zerolog.New(&w.said), Now: func() time.Time { return w.now },
		ClockSet: func() bool { return !w.unset },
	})
}

func (w *world) TakeOver(ctx context.Context, seg spool.Segment, source string, check func(string) error) (bool, error) {
	if w.fault != nil {
		return false, w.fault
	}
	return w.spool.TakeOver(ctx, seg, source, check)
}

func (w *world) path(name string) string { return filepath.Join(w.inbox.opts.Dir, name) }

func (w *world) put(name string, data []byte) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), data, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// pass lets time go by, and looks as often as the inbox wants to.
func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		again := w.inbox.scan(w.t.Context())
		if w.now.Add(again).After(end) {
			w.now = end
			return
		}
		w.now = w.now.Add(again)
	}
}

func (w *world) segments() []spool.Segment {
	w.t.Helper()
	segs, err := w.spool.Segments(w.t.Context(), spool.Finished)
	if err != nil {
		w.t.Fatal(err)
	}
	return segs
}

// stays wants a file to be left as it is, and the log to say why, once.
func (w *world) stays(name, why string) {
	w.t.Helper()
	if _, err := os.Lstat(w.path(name)); err != nil {
		w.t.Errorf("it is gone: %v", err)
	}
	if n := len(w.segments()); n != 0 {
		w.t.Errorf("%d segments were made of it", n)
	}
	if n := strings.Count(w.said.String(), why); n != 1 || !strings.Contains(w.said.String(), `"remedy":"`) {
		w.t.Errorf("%q is said %d times in:\n%s", why, n, &w.said)
	}
	if n := strings.Count(w.said.String(), "\n"); n != 1 {
		w.t.Errorf("%d lines are said:\n%s", n, &w.said)
	}
}

var made []byte

// video is a file of one second, as ffmpeg makes it.
func video(t testing.TB) []byte {
	t.Helper()
	if made != nil {
		return made
	}
	made = encode(t, "-movflags", "faststart")
	return made
}

func encode(t testing.TB, options ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal("ffmpeg is required and not installed")
		}
		t.Skip("ffmpeg is not installed")
	}
	file := filepath.Join(t.TempDir(), "made.mp4")
	args := append(strings.Fields("-v error -f lavfi -i testsrc2=size=160x120:rate=25:duration=1 -c:v libx264 -pix_fmt yuv420p"), options...)
	if out, err := exec.Command("ffmpeg", append(args, file)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTakenOverOnceItIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.put("gate/2026-11-23_10-00-00-123456.mp4", video(t))
	w.pass(settleFor - time.Second)
	if segs := w.segments(); len(segs) != 0 {
		t.Fatalf("taken over before it had settled: %+v", segs)
	}
	w.pass(2 * time.Second)
	segs := w.segments()
	if len(segs) != 1 {
		t.Fatalf("%d segments; the log says:\n%s", len(segs), &w.said)
	}
	s, start := segs[0], time.Date(2026, 11, 23, 9, 0, 0, 123e6, time.UTC)
	if s.CameraID != "gate" || s.CameraName != "Front gate" || s.ClientName != "host" || !s.Start.Equal(start) || !s.End.Equal(start.Add(time.Second)) ||
		s.Duration != time.Second || s.Frames != 25 || s.Width != 160 || s.Height != 120 || !strings.HasPrefix(s.VideoCodec, "avc1.") || s.Size != int64(len(video(t))) {
		t.Errorf("the segment is %+v", s)
	}
	if got, err := os.ReadFile(filepath.Join(w.spool.Dir(), s.Path)); err != nil || !bytes.Equal(got, video(t)) {
		t.Errorf("its bytes are not the same (%v)", err)
	}
	if _, err := os.Stat(w.path("gate/2026-11-23_10-00-00-123456.mp4")); !os.IsNotExist(err) {
		t.Errorf("the original: %v", err)
	}
	w.pass(time.Hour)
	if n := strings.Count(w.said.String(), "\n"); n != 1 || !strings.Contains(w.said.String(), `"start_from":"name"`) {
		t.Errorf("the log says:\n%s", &w.said)
	}
}

func TestTimesThatAreBelieved(t *testing.T) {
	data := encode(t, "-metadata", "creation_time=2026-11-23T08:00:00Z")
	changed := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		data []byte
		want time.Time
		from string
	}{
		"20261123T060000Z.mp4": {data, time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC), "name"},
		"holiday.MP4":          {data, time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), "media"},
		"20991123T060000Z.mp4": {data, time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), "media"}, // the future
		"19700101_000000.mp4":  {data, time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), "media"}, // a clock that was not set
		"holiday2.mp4":         {video(t), changed.Add(-time.Second), "time of modification"},
	} {
		w := newWorld(t)
		w.put("gate/"+name, c.data)
		if err := os.Chtimes(w.path("gate/"+name), changed, changed); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if segs := w.segments(); len(segs) != 1 || !segs[0].Start.Equal(c.want) || !strings.Contains(w.said.String(), `"start_from":"`+c.from+`"`) {
			t.Errorf("%s: %+v, want a start at %v, from %s\n%s", name, segs, c.want, c.from, &w.said)
		}
	}
}

// Whoever writes may pause, and nobody may see that he has not finished.
func TestFileThatIsStillWritten(t *testing.T) {
	whole := encode(t, "-g", "5", "-movflags", "empty_moov+default_base_moof+frag_keyframe")
	for name, open := range map[string]bool{"kept open": true, "opened for each write": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			half := bytes.LastIndex(whole[:len(whole)*3/4], []byte("moof")) - 4 // between two fragments: whole as it is
			if !open {
				half += 100 // only this can be seen
			} else if held := heldHere(t); !held {
				t.Skip("this system does not say that a file is open for writing")
			}
			w.put("gate/1.mp4", whole[:half])
			f, err := os.OpenFile(w.path("gate/1.mp4"), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if !open {
				f.Close()
			}
			w.pass(5 * time.Minute)
			if n := len(w.segments()); n != 0 || w.said.Len() != 0 {
				t.Fatalf("%d segments of a half\n%s", n, &w.said)
			}
			if !open {
				if f, err = os.OpenFile(w.path("gate/1.mp4"), os.O_WRONLY|os.O_APPEND, 0); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := f.Write(whole[half:]); err != nil {
				t.Fatal(err)
			}
			f.Close()
			w.pass(time.Minute)
			if segs := w.segments(); len(segs) != 1 || segs[0].Frames != 25 {
				t.Errorf("%+v\n%s", segs, &w.said)
			}
		})
	}
}

// heldHere says whether this system tells who writes to a file.
func heldHere(t *testing.T) bool {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "written"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := openFile(f.Name())
	if err != nil {
		return errors.Is(err, errHeld)
	}
	defer g.Close()
	return held(g)
}

func TestFileThatIsHeldForEver(t *testing.T) {
	if !heldHere(t) {
		t.Skip("this system does not say that a file is open for writing")
	}
	w := newWorld(t)
	w.put("gate/1.mp4", video(t))
	f, err := os.OpenFile(w.path("gate/1.mp4"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w.pass(heldFor + time.Hour)
	w.stays("gate/1.mp4", "open for writing")
	f.Close()
	w.pass(time.Minute)
	if n := len(w.segments()); n != 1 {
		t.Errorf("%d segments once it is closed", n)
	}
}

func TestRenamedIntoPlace(t *testing.T) {
	w := newWorld(t)
	w.put("gate/.1.mp4.Xy12", video(t)[:100]) // as rsync does
	w.pass(time.Hour)
	if n := len(w.segments()); n != 0 || w.said.Len() > 0 {
		t.Fatalf("a hidden file is not left alone:\n%s", &w.said)
	}
	w.put("gate/.1.mp4.Xy12", video(t))
	if err := os.Rename(w.path("gate/.1.mp4.Xy12"), w.path("gate/1.mp4")); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if n := len(w.segments()); n != 1 {
		t.Errorf("%d segments\n%s", n, &w.said)
	}
}

// The same name twice is two files, the same file twice is one.
func TestSameNameAndSameFile(t *testing.T) {
	w := newWorld(t)
	other := encode(t)
	for _, data := range [][]byte{video(t), other, video(t)} {
		w.put("gate/20261123T060000Z.mp4", data)
		w.pass(time.Minute)
	}
	w.put("yard/20261123T060000Z.mp4", video(t)) // of another camera
	w.pass(time.Minute)
	if segs := w.segments(); len(segs) != 3 || !strings.Contains(w.said.String(), "had been taken over before") {
		t.Errorf("%d segments, want 3\n%s", len(segs), &w.said)
	}
	for _, dir := range []string{"gate", "yard"} {
		if left, err := os.ReadDir(w.path(dir)); err != nil || len(left) != 0 {
			t.Errorf("in %s there is still %v (%v)", dir, left, err)
		}
	}
}

func TestRefusedOnceAndLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		put func(w *world)
		why string
	}{
		"gate/notes.mp4":  {func(w *world) { w.put("gate/notes.mp4", []byte("these are only notes")) }, "does not begin like an MP4"},
		"gate/empty.mp4":  {func(w *world) { w.put("gate/empty.mp4", nil) }, "it is empty"},
		"gate/cut.mp4":    {func(w *world) { w.put("gate/cut.mp4", video(w.t)[:len(video(w.t))-10]) }, "the file has"},
		"gate/video.mkv":  {func(w *world) { w.put("gate/video.mkv", video(w.t)) }, "does not end in .mp4"},
		"gate/huge.mp4":   {func(w *world) { w.put("gate/huge.mp4", make([]byte, 11<<20)) }, "the destinations take"},
		"gate/dir.mp4":    {func(w *world) { w.put("gate/dir.mp4/1.mp4", video(w.t)) }, "is a directory"},
		"gate/link.mp4":   {func(w *world) { w.link("gate/link.mp4") }, "symbolic link"},
		"link":            {func(w *world) { w.link("link") }, "symbolic link"},
		"1.mp4":           {func(w *world) { w.put("1.mp4", video(w.t)) }, "directory of a camera"},
		"unknown/1.mp4":   {func(w *world) { w.put("unknown/1.mp4", video(w.t)) }, "no camera with this id"},
		"Gäte !/1.mp4":    {func(w *world) { w.put("Gäte !/1.mp4", video(w.t)) }, "no camera with this id"},
		"gate/\x1b[2J\n ": {func(w *world) { w.put("gate/\x1b[2J\n ", []byte("hostile")) }, `\u001b[2J\n `},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.put(w)
			w.pass(2 * time.Hour)
			w.stays(name, c.why)
			w.said.Reset()
			w.restart()
			w.pass(2 * time.Hour)
			w.stays(name, c.why) // a restart may say it once more
		})
	}
}

// link makes a symbolic link to a good file outside.
func (w *world) link(name string) {
	w.t.Helper()
	outside := filepath.Join(w.t.TempDir(), "outside.mp4")
	if err := os.WriteFile(outside, video(w.t), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink(outside, w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

func TestRefusedFileThatIsMended(t *testing.T) {
	w := newWorld(t)
	w.put("gate/1.mp4", video(t)[:1000])
	w.pass(time.Hour)
	w.stays("gate/1.mp4", "claims")
	w.put("gate/1.mp4", video(t))
	w.pass(time.Minute)
	if n := len(w.segments()); n != 1 {
		t.Errorf("%d segments of the whole file\n%s", n, &w.said)
	}
}

// What is not the file's fault is tried again, and said once.
func TestTroubleIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.fault = fmt.Errorf("take over: %w", os.ErrPermission)
	w.put("gate/1.mp4", video(t))
	w.pass(time.Hour)
	w.stays("gate/1.mp4", "permission denied")
	w.fault = nil
	w.pass(2 * time.Minute)
	if n := len(w.segments()); n != 1 {
		t.Errorf("%d segments once the trouble is over", n)
	}
}

func TestOtherTimeForTheSameBytes(t *testing.T) {
	w := newWorld(t)
	w.put("gate/20261123T060000Z.mp4", video(t))
	w.pass(time.Minute)
	w.said.Reset()
	w.put("gate/20261123T070000Z.mp4", video(t))
	w.pass(time.Hour)
	if _, err := os.Stat(w.path("gate/20261123T070000Z.mp4")); err != nil || strings.Count(w.said.String(), "which starts at 20261123T060000.000Z") != 1 {
		t.Errorf("%v\n%s", err, &w.said)
	}
}

// The system's hints bring a look forward; nothing depends on them.
func TestRunTakesOverAndEnds(t *testing.T) {
	w := newWorld(t)
	w.inbox.opts.Now = time.Now
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	changed := w.spool.Subscribe()
	w.put("gate/1.mp4", video(t))
	go func() { ended <- w.inbox.Run(ctx) }()
	select {
	case <-changed:
	case <-time.After(3 * settleFor):
		t.Error("not taken over")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(w.segments()); n != 1 {
		t.Errorf("%d segments\n%s", n, &w.said)
	}
}

// While the host's clock is not set, each time that a name says is one of the future.
func TestFilesWaitForTheClock(t *testing.T) {
	w := newWorld(t)
	w.now, w.unset = time.Unix(60, 0), true
	w.put("gate/2026-11-20_10-00-00.mp4", video(t))
	if err := os.Chtimes(w.path("gate/2026-11-20_10-00-00.mp4"), w.now, w.now); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	w.stays("gate/2026-11-20_10-00-00.mp4", "before the host's clock is set")
	w.now, w.unset = epochTime, false
	w.pass(time.Minute)
	segs := w.segments()
	if want := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC); len(segs) != 1 || !segs[0].Start.Equal(want) {
		t.Errorf("taken over: %+v", segs)
	}
}

// Where footage goes nowhere else, what is too old to be kept is not taken at all: it
// may be the only copy.
func TestTooOldToBeKept(t *testing.T) {
	w := newWorld(t)
	w.inbox.opts.MaxAge = 72 * time.Hour
	w.put("gate/2026-11-20_10-00-00.mp4", video(t))
	w.pass(time.Minute)
	w.stays("gate/2026-11-20_10-00-00.mp4", "longer ago than retention.max_age")
	if err := os.Rename(w.path("gate/2026-11-20_10-00-00.mp4"), w.path("gate/2026-11-21_10-00-00.mp4")); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if n := len(w.segments()); n != 1 {
		t.Errorf("%d segments of a file that is young enough", n)
	}
}

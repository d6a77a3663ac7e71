package page

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"recording-agent/agent/demo/clips"
	"recording-agent/agent/journal"
	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

// browser is Chromium with one page, and all that it complained about or asked others for.
type browser struct {
	ctx context.Context
	t   testing.TB

	mu       sync.Mutex
	said     []string
	requests []string
}

func openBrowser(t testing.TB, args ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal("chromium is required and not installed")
		}
		t.Skip("chromium is not installed")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath("chromium"), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-background-networking", true))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(options, args...)...)
	t.Cleanup(cancel)
	b := &browser{t: t}
	b.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	return b
}

func call[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatalf("chromium: %v", err)
	}
}

func (b *browser) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, fmt.Sprintf("exception: %+v", ev.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, fmt.Sprintf("console.%s: %+v", ev.Type, ev.Args))
	case *log.EventEntryAdded:
		b.said = append(b.said, fmt.Sprintf("%s: %s %s", ev.Entry.Level, ev.Entry.Text, ev.Entry.URL))
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, ev.Request.URL)
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("chromium: %v; it has said %q", err, b.said)
	}
}

func evaluate[T any](b *browser, script string) T {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("chromium: %s: %v", script, err)
	}
	return out
}

// until waits for a script to be true, also while the page loads itself anew.
func (b *browser) until(script string) {
	b.t.Helper()
	var err error
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		var yes bool
		if yes, err = chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+script+")")); yes {
			return
		}
	}
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	b.t.Fatalf("chromium: waited for %s: %v; it has said %q; the page says %q", script, err, b.said, text)
}

func (b *browser) look(width int, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(chromedp.EmulateViewport(int64(width), 900))
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// keep saves a screenshot where PAGE_SCREENSHOTS says.
func (b *browser) keep(name string) {
	b.t.Helper()
	dir := os.Getenv("PAGE_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	must(b.t, err)
	must(b.t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
}

// clean fails if the browser complained, or asked anybody but the agent and the
// stores named.
func (b *browser) clean(allowed ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.said {
		b.t.Errorf("the browser says: %s", s)
	}
	for _, r := range b.requests {
		if !slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(r, a) }) {
			b.t.Errorf("the page has asked %s", r)
		}
	}
}

// day scripts a day of four cameras: one that is well, one that went away twice and
// is away, one that is recorded by a schedule, and one whose disk and backlog are in trouble.
func scriptedDay(t testing.TB) *world {
	w := newWorld(t,
		status.Camera{ID: "gate", Name: "Front gate", State: "recording", Codec: "h264", AudioCodec: "aac", Width: 1920, Height: 1080, Bitrate: 4.5e6, FrameRate: 25, LastFrame: noon, SegmentStart: noon.Add(-31 * time.Second)},
		status.Camera{ID: "yard", Name: "Yard", State: "waiting", LastFrame: noon.Add(-20 * time.Minute), Reconnects: 3, LastError: "dial tcp 10.0.0.5:554: i/o timeout", LastErrorAt: noon.Add(-5 * time.Second)},
		status.Camera{ID: "office", Name: "Office", State: "off schedule", LastFrame: noon.Add(-4 * time.Hour)},
		status.Camera{ID: "hall", Name: "Loading hall, bay 12 (north)", State: "recording", Codec: "h265", Width: 3840, Height: 2160, Bitrate: 11.3e6, FrameRate: 12.5, LastFrame: noon, SegmentStart: noon.Add(-31 * time.Second)},
	)
	ctx := t.Context()
	w.change(func() {
		w.problems = []status.Problem{{What: "camera Yard (yard) delivers nothing", Cause: "dial tcp 10.0.0.5:554: i/o timeout", Since: noon.Add(-20 * time.Minute), Remedy: "look whether the camera has power and is on the network: ping 10.0.0.5"}}
		w.wanted = func(camera string, from, to time.Time) []spool.Stretch {
			if camera != "office" {
				return always(camera, from, to)
			}
			midnight := noon.Truncate(day)
			var out []spool.Stretch
			for _, s := range []spool.Stretch{{Start: midnight.Add(-16 * time.Hour), End: midnight.Add(-6 * time.Hour)}, {Start: midnight.Add(6 * time.Hour), End: midnight.Add(8 * time.Hour)}} {
				if s.End.After(from) && s.Start.Before(to) {
					out = append(out, spool.Stretch{Start: later(s.Start, from), End: earlier(s.End, to)})
				}
			}
			return out
		}
	})
	hours := func(camera string, from, to float64, sent bool) {
		for at := from; at < to; at += 0.5 {
			length := time.Duration(min(0.5, to-at) * float64(time.Hour))
			w.row(camera, noon.Truncate(time.Minute).Add(-time.Duration((24-at)*float64(time.Hour))), length, sent)
		}
	}
	ago := func(hours float64) time.Time {
		return noon.Truncate(time.Minute).Add(-time.Duration(hours * float64(time.Hour)))
	}
	w.change(func() { w.snap.Started = ago(11.5) })
	for _, e := range []journal.Entry{
		{At: ago(11.5), Kind: journal.AgentStarted, Cause: "the run before did not end cleanly (a crash, a kill or a power cut): 4 segments were settled"},
		{At: ago(3.2), Kind: journal.UploadsFail, Subject: "primary", Cause: "the connection was reset"},
		{At: ago(3), Kind: journal.UploadsWork, Subject: "primary", Lasted: 12 * time.Minute},
		{At: noon.Add(-20 * time.Minute), Kind: journal.CameraLost, Subject: "yard", Name: "Yard", Cause: "dial tcp 10.0.0.5:554: i/o timeout"},
	} {
		w.journal.Note(e)
	}
	hours("gate", -1, 24, true)
	hours("yard", -1, 9, true)
	must(t, w.spool.GapBetween(ctx, "yard", ago(15), ago(14.2), spool.Unreachable, "no route to host"))
	hours("yard", 9.8, 20, true)
	must(t, w.spool.GapBetween(ctx, "yard", ago(4), ago(3.99), spool.Stalled, ""))
	hours("yard", 20.01, 23.67, true)
	must(t, w.spool.GapOpened(ctx, "yard", noon.Add(-20*time.Minute), spool.Unreachable, "dial tcp 10.0.0.5:554: i/o timeout"))
	hours("office", -4, 6, true)
	hours("office", 18, 20, true)
	hours("hall", -1, 12, true)
	must(t, w.spool.GapBetween(ctx, "hall", ago(12), ago(11.5), spool.AgentStopped, ""))
	hours("hall", 12.5, 16, true)
	must(t, w.spool.GapBetween(ctx, "hall", ago(8), ago(7.9), spool.DiskSlow, ""))
	must(t, w.spool.GapBetween(ctx, "hall", ago(7.9), ago(7.5), spool.GivenUp, "the disk was full"))
	hours("hall", 16.5, 20.5, true)
	hours("hall", 20.5, 24, false)
	return w
}

// TestPageInChromium looks at a scripted day as people do: wide and narrow, by day
// and by night, with mouse and keys.
func TestPageInChromium(t *testing.T) {
	w := scriptedDay(t)
	stop := w.serve(t)
	b := openBrowser(t)
	b.do(chromedp.Navigate(w.url + "/"))
	for _, dark := range []bool{false, true} {
		for _, width := range []int{390, 1280} {
			b.look(width, dark)
			b.until("document.querySelectorAll('.bar[role=slider]').length === 4")
			if wide := evaluate[int](b, "document.documentElement.scrollWidth"); wide > width {
				t.Errorf("the page is %d pixels wide on a screen of %d", wide, width)
			}
			b.keep(fmt.Sprintf("page-%d-%s", width, map[bool]string{false: "light", true: "dark"}[dark]))
			checkAxe(t, b)
		}
	}
	if title := evaluate[string](b, "document.title"); !strings.Contains(title, "⚠") {
		t.Errorf("the title %q does not tell of the camera that is away", title)
	}

	t.Run("by keyboard", func(t *testing.T) {
		b.look(1280, false)
		b.do(chromedp.Focus(chromedp.CSS("#camera-yard-bar")), chromedp.KeyEvent(kb.Home))
		b.until("document.activeElement.getAttribute('aria-valuenow') === '0'")
		for range 9 {
			b.do(chromedp.KeyEvent(kb.PageUp))
		}
		for range 5 {
			b.do(chromedp.KeyEvent(kb.ArrowRight))
		}
		if text := evaluate[string](b, "document.activeElement.getAttribute('aria-valuetext')"); !strings.Contains(text, "not recorded: camera unreachable (no route to host)") {
			t.Errorf("in the gap the screen reader is told %q", text)
		}
		if text := evaluate[string](b, "[...document.querySelectorAll('.tip:not([hidden])')].map(e => e.innerText).join()"); !strings.Contains(text, "camera unreachable (no route to host)") {
			t.Errorf("the tip says %q", text)
		}
		b.keep("tip")
	})

	t.Run("it follows", func(t *testing.T) {
		b.do(chromedp.Focus(chromedp.CSS("#camera-gate-bar")))
		w.change(func() {
			w.snap.Cameras[1].State, w.problems = "recording", nil
			w.snap.Cameras[1].LastFrame = noon
		})
		must(t, w.spool.GapClosed(t.Context(), "yard", noon))
		b.until("document.querySelector('#camera-yard-now').innerText.includes('Recording') && !document.querySelector('#problems li')")
		if id := evaluate[string](b, "document.activeElement.id"); id != "camera-gate-bar" {
			t.Errorf("after an update the focus is on %q", id)
		}
	})
	b.clean(w.url, "data:")

	t.Run("the agent restarts", func(t *testing.T) {
		address := strings.TrimPrefix(w.url, "http://")
		stop()
		b.until("!document.querySelector('#stale').hidden")
		w.build(nil)
		w.change(func() { w.snap.Cameras[2].State, w.snap.Cameras[2].Name = "recording", hostile })
		w.serveAt(t, address)
		b.until("document.querySelector('#stale').hidden && document.querySelector('#camera-office-now').innerText.includes('Recording')")
		if name := evaluate[string](b, "document.querySelector('#camera-office-name').innerText"); name != strings.Join(strings.Fields(hostile), " ") {
			t.Errorf("a camera is called %q", name)
		}
	})
}

// TestPlaysInChromium plays a moment of a finished segment, seeks, and goes on with
// the segment that follows it.
func TestPlaysInChromium(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "gate", Name: "Gate", State: "recording", LastFrame: noon}, status.Camera{ID: "yard", Name: "Yard", State: "recording", LastFrame: noon})
	c, c265 := readClip(t, clips.H264), readClip(t, clips.H265)
	length := 5 * clips.Length // 16 s
	first := w.record("gate", c, noon.Add(-2*length), 5, true)
	second := w.record("gate", c, first.End, 5, false)
	grow := w.grow
	w.record("yard", c265, noon.Add(-2*length), 5, true)
	w.serve(t)
	b := openBrowser(t, chromedp.Flag("autoplay-policy", "user-gesture-required"))
	b.look(1280, false)
	b.do(chromedp.Navigate(w.url + "/"))
	b.until("document.querySelectorAll('.bar[role=slider]').length === 2")

	at := first.Start.Add(11500 * time.Millisecond)
	// The moment is clicked on where it lies in the line of an hour.
	x := evaluate[float64](b, fmt.Sprintf("(() => { const e = byId('camera-gate-bar'), r = e.getBoundingClientRect(), [from, to] = range(e); return Math.ceil(r.left + r.width * (%d - from) / (to - from)) })()", at.UnixMilli()))
	y := evaluate[float64](b, "byId('camera-gate-bar').getBoundingClientRect().top + 10")
	b.do(chromedp.MouseClickXY(x, y))
	b.until("byId('video').currentTime > 0 && !byId('video').paused && byId('video').getVideoPlaybackQuality().totalVideoFrames > 0")
	if now := evaluate[float64](b, "byId('video').currentTime"); math.Abs(now-13.5) > 2.5 {
		t.Errorf("it plays from %.1f s, the click was at 11.5 s, or a pixel behind (which is %.1f s)", now, 3600/1000.)
	}
	if title := evaluate[string](b, "byId('player-title').textContent"); !strings.Contains(title, "2026-11-23 12:00:1") {
		t.Errorf("the player says that it shows %q", title)
	}
	b.keep("player")
	checkAxe(t, b)
	b.do(chromedp.Click(chromedp.CSS("[data-by='-10']")))
	b.until("byId('video').currentTime < 8 && !byId('video').seeking")

	// At its end the next segment follows, which is still being recorded.
	evaluate[bool](b, "byId('video').currentTime = byId('video').duration - 0.5, true")
	b.until(fmt.Sprintf("found.segment === %q && byId('video').currentTime > 0.2 && byId('video').getVideoPlaybackQuality().totalVideoFrames > 0", second.ID))
	if text := evaluate[string](b, "byId('player-said').textContent"); !strings.Contains(text, "still being recorded") {
		t.Errorf("of the open segment it says %q", text)
	}
	evaluate[bool](b, "byId('video').currentTime = byId('video').duration - 0.5, true")
	b.until("byId('player-said').textContent.includes('goes on by itself')")
	grow(2)
	b.until(fmt.Sprintf("byId('video').currentTime > %.1f && !byId('video').paused", length.Seconds()+0.2))
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until("!byId('player').open && document.activeElement.id === 'camera-gate-bar'")

	// Enter plays as well.
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until("byId('player').open && byId('video').currentTime > 0")
	b.do(chromedp.Click(chromedp.CSS("#player-close")))

	// What the browser cannot play it says, with a way out.
	evaluate[bool](b, fmt.Sprintf("play('yard', %q), true", stamp(at)))
	b.until("byId('player-said').textContent.includes('cannot play H.265')")
	if link := evaluate[string](b, "byId('player-download').hidden ? '' : byId('player-download').href"); !strings.HasPrefix(link, w.url+"/play/segment/") {
		t.Errorf("it is to be downloaded from %q", link)
	}
	evaluate[bool](b, fmt.Sprintf("play('gate', %q), true", stamp(noon.Add(-time.Hour))))
	b.until("byId('player-said').textContent.includes('Nothing was recorded at 11:00:31')")
	b.do(chromedp.Click(chromedp.CSS("#player-on")))
	b.until(fmt.Sprintf("found.segment === %q && byId('video').currentTime > 0.2", first.ID))
	b.clean(w.url, "data:")
}

// TestPlaysWithoutScript: the page shows the same, and plays, where there is no script.
func TestPlaysWithoutScript(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "gate", Name: "Gate", State: "recording", LastFrame: noon})
	w.record("gate", readClip(t, clips.H264), noon.Add(-16*time.Second), 5, true)
	w.serve(t)
	b := openBrowser(t)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.do(chromedp.Navigate(w.url + "/"))
	text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("#state")))
	if err != nil || !strings.Contains(text, "The camera is recording.") {
		t.Errorf("the page says %q, %v", text, err)
	}
	b.do(chromedp.Navigate(w.url+"/play/camera/gate?at=2026-11-23T12:00:20"), chromedp.WaitReady(chromedp.CSS("video[src*='#t=5.']")))
	b.clean(w.url, "data:")
}

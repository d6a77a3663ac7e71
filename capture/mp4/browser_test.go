package mp4

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// counted draws the number of each picture as 16 blocks, least significant bit
// left, so that a script can read it.
func counted() []string { return append([]string{"-vf", counters()}, h264Args...) }

func counters() string {
	filter := "drawbox=x=0:y=0:w=iw:h=32:color=black:t=fill"
	for bit := range 16 {
		filter += fmt.Sprintf(",drawbox=x=%d:y=0:w=32:h=32:color=white:t=fill:enable='mod(floor(n/pow(2,%d)),2)'", 32*bit, bit)
	}
	return filter
}

// watch is run in the page: it waits for the duration, plays, and seeks.
const watch = `
<!doctype html><video id=v muted preload=metadata width=640 height=360></video><script>
const v = document.getElementById('v')
const once = name => new Promise((done, failed) => {
	v.addEventListener(name, done, {once: true})
	v.addEventListener('error', () => failed(new Error('video error: ' + v.error.message)), {once: true})
})
function counter() {
	const c = document.createElement('canvas'); c.width = 640; c.height = 360
	const g = c.getContext('2d'); g.drawImage(v, 0, 0)
	let n = 0
	for (let bit = 0; bit < 16; bit++)
		if (g.getImageData(32 * bit + 16, 16, 1, 1).data[1] > 128) n |= 1 << bit
	return n
}
async function watch(times) {
	const out = {seeks: []}
	const loaded = once('loadedmetadata')
	v.src = '/segment.mp4'
	await loaded
	out.duration = v.duration
	out.requests = +await (await fetch('/requests')).text()
	await v.play()
	const began = v.currentTime
	await new Promise(done => setTimeout(done, 1500))
	v.pause()
	out.played = v.currentTime - began
	out.pictures = v.getVideoPlaybackQuality().totalVideoFrames
	out.sound = v.webkitAudioDecodedByteCount
	for (const t of times) {
		const shown = new Promise(done => v.requestVideoFrameCallback(done))
		const seeked = once('seeked')
		v.currentTime = t
		await seeked
		await shown
		out.seeks.push(counter())
	}
	return out
}
</script>`

type watched struct {
	Duration float64 `json:"duration"`
	Requests int     `json:"requests"`
	Played   float64 `json:"played"`
	Pictures int     `json:"pictures"`
	Sound    int     `json:"sound"`
	Seeks    []int   `json:"seeks"`
}

// inChromium plays a file over HTTP ranges in a real browser.
func inChromium(t *testing.T, file string, seeks []float64) watched {
	t.Helper()
	need(t, "chromium")
	var requests atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, watch)
	})
	mux.HandleFunc("/requests", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, requests.Load()) })
	mux.HandleFunc("/segment.mp4", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "video/mp4")
		http.ServeFile(w, r, file)
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath("chromium"), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-background-networking", true), chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	times, err := json.Marshal(seeks)
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	out, err := chromedp.Run(ctx, chromedp.Evaluate[watched](fmt.Sprintf("watch(%s)", times), chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return out
}

func TestPlaysAndSeeksInChromium(t *testing.T) {
	need(t, "chromium")
	const seconds = 40
	for name, args := range map[string][2][]string{
		"h264 aac": {counted(), aacArgs}, "h264 opus": {counted(), opusArgs},
		"av1 opus": {append([]string{"-vf", counters()}, av1Args...), opusArgs},
	} {
		t.Run(name, func(t *testing.T) {
			c := makeClip(t, fmt.Sprint(seconds), args[0], args[1])
			f := tempFile(t)
			// The front has the size of a segment of five minutes.
			if _, err := c.segment(t, f, time.Second, Reserve(5*time.Minute, 25, c.tracks[1:]), nil).Finish(); err != nil {
				t.Fatal(err)
			}
			checkWatched(t, f, seconds)
		})
	}
}

func checkWatched(t *testing.T, f *os.File, seconds int) {
	t.Helper()
	pictures := []int{15*25 + 7, 3, 25*seconds - 30, 10 * 25}
	var seeks []float64
	for _, n := range pictures {
		seeks = append(seeks, (float64(n)+0.5)/25)
	}
	w := inChromium(t, f.Name(), seeks)
	if math.Abs(w.Duration-float64(seconds)) > 0.1 {
		t.Errorf("duration %.3f s, %d s were recorded", w.Duration, seconds)
	}
	if w.Requests > 3 {
		t.Errorf("the duration was known after %d requests, at most 3 are wanted", w.Requests)
	}
	if w.Played < 0.5 || w.Pictures == 0 || w.Sound == 0 {
		t.Errorf("played %.2f s, %d pictures and %d bytes of sound were decoded", w.Played, w.Pictures, w.Sound)
	}
	if !slices.Equal(w.Seeks, pictures) {
		t.Errorf("after the seeks pictures %v were seen, %v are wanted", w.Seeks, pictures)
	}
	t.Logf("%+v", w)
}

func TestPCMPlaysInChromium(t *testing.T) {
	need(t, "chromium")
	for encoder, track := range pcms {
		t.Run(encoder, func(t *testing.T) {
			c, _ := pcmClip(t, track, encoder, 40, counted())
			f := tempFile(t)
			if _, err := c.segment(t, f, time.Second, Reserve(5*time.Minute, 25, c.tracks[1:]), nil).Finish(); err != nil {
				t.Fatal(err)
			}
			checkWatched(t, f, 40)
		})
	}
}

// No browser shows MJPEG. It must not stumble over it either: the sound plays.
func TestMJPEGIsHeardInChromium(t *testing.T) {
	need(t, "chromium")
	f := tempFile(t)
	if _, err := makeClip(t, "10", mjpegArgs, aacArgs).segment(t, f, time.Second, 100000, nil).Finish(); err != nil {
		t.Fatal(err)
	}
	w := inChromium(t, f.Name(), []float64{})
	if math.Abs(w.Duration-10) > 0.1 || w.Played < 0.5 || w.Sound == 0 {
		t.Errorf("of 10 s: %+v", w)
	}
}

// A stream without key frames has its recovery points in the table of sync samples. What
// is shown after a seek is a picture of the same refresh.
func TestRecoveryPointsAreSoughtInChromium(t *testing.T) {
	need(t, "chromium")
	args := append([]string{"-vf", counters()}, "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-b:v", "1M",
		"-x264-params", "keyint=25:intra-refresh=1:bframes=0")
	c := makeClip(t, "20", args, aacArgs)
	f := tempFile(t)
	if _, err := c.segment(t, f, time.Second, Reserve(5*time.Minute, 25, c.tracks[1:]), nil).Finish(); err != nil {
		t.Fatal(err)
	}
	pictures, seeks := []int{15*25 + 7, 3, 475, 10 * 25}, []float64(nil)
	for _, n := range pictures {
		seeks = append(seeks, (float64(n)+0.5)/25)
	}
	w := inChromium(t, f.Name(), seeks)
	if math.Abs(w.Duration-20) > 0.1 || w.Played < 0.5 || w.Pictures == 0 || len(w.Seeks) != len(pictures) {
		t.Errorf("of 20 s: %+v", w)
	}
	for i, n := range w.Seeks {
		if n < pictures[i]-1 || n > pictures[i]+25 {
			t.Errorf("after a seek to picture %d picture %d was seen", pictures[i], n)
		}
	}
}

// live is how a segment is seen while it is being recorded.
func TestLiveFormPlaysInChromium(t *testing.T) {
	need(t, "chromium")
	c := makeClip(t, "8", counted(), aacArgs)
	f := tempFile(t)
	c.segment(t, f, time.Second, Reserve(5*time.Minute, 25, c.tracks[1:]), nil)
	w := inChromium(t, f.Name(), []float64{5.02})
	if w.Played < 0.5 || w.Pictures == 0 || len(w.Seeks) != 1 || w.Seeks[0] != 125 {
		t.Errorf("the live form: %+v", w)
	}
}

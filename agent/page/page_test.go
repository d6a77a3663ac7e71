package page

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"recording-agent/agent/demo/clips"
	"recording-agent/agent/journal"
	"recording-agent/agent/status"
	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
	"recording-agent/uploader/s3/s3test"
)

// hostile is what a camera may be called, and what it may answer.
const hostile = `"><script>alert('x')</script><img src=x onerror=alert(1)> {{.}} </svg></title>`

// TestTextFromOutsideStaysText: whatever cameras are called, say or answer, no element
// or attribute comes of it.
func TestTextFromOutsideStaysText(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "gate", Name: hostile, State: "waiting", LastError: hostile, LastErrorAt: noon, Codec: hostile, AudioCodec: hostile})
	must(t, w.spool.GapOpened(t.Context(), "gate", noon.Add(-time.Hour), spool.Refused, hostile))
	w.row(hostileID, noon.Add(-time.Hour), time.Minute, true)
	w.change(func() {
		w.snap.ClientName, w.snap.Version = hostile, hostile
		w.snap.Disk.Trouble, w.snap.Clock.Message, w.snap.Clock.Remedy = hostile, hostile, hostile
		w.snap.Destinations[0].LastError, w.snap.Destinations[0].Remedy, w.snap.Destinations[0].Location = hostile, hostile, hostile
		w.snap.Central = &status.Central{LastError: hostile, Remedy: hostile}
		w.problems = []status.Problem{{What: hostile, Cause: hostile, Remedy: hostile, Since: noon}}
	})
	w.journal.Note(journal.Entry{At: noon, Kind: journal.CameraLost, Subject: hostile, Name: hostile, Cause: hostile, Remedy: hostile})
	w.journal.Note(journal.Entry{At: noon, Kind: journal.UploadsFail, Subject: hostile, Name: hostile, Cause: hostile, Remedy: hostile})
	for _, path := range []string{"/", "/?span=" + hostileQuery, "/play/camera/gate?at=2026-11-23T11:30:00Z"} {
		code, header, body := w.get(t, path)
		if code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, code, body)
		}
		if !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self'") || strings.Contains(header.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: policy %q", path, header.Get("Content-Security-Policy"))
		}
		document, err := html.Parse(strings.NewReader(body))
		must(t, err)
		for n := range document.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if n.Data == "img" || n.Data == "style" || n.Data == "script" && (n.FirstChild != nil || !attribute(n, "src", "/assets/")) {
				t.Errorf("%s: there is an element %s %v", path, n.Data, n.Attr)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(strings.TrimSpace(a.Val), "javascript:") {
					t.Errorf("%s: <%s> has %s=%q", path, n.Data, a.Key, a.Val)
				}
			}
		}
		if path == "/" && strings.Count(body, "&lt;script&gt;") < 10 {
			t.Errorf("the page does not show what it was told")
		}
	}
}

const (
	hostileID    = "other"
	hostileQuery = "%22%3E%3Cscript%3E"
)

func attribute(n *html.Node, key, prefix string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key && strings.HasPrefix(a.Val, prefix) })
}

func TestTimelineOfAScriptedDay(t *testing.T) {
	w := scriptedDay(t)
	code, _, body := w.get(t, "/api/v1/timeline?camera=hall")
	var got timelineAnswer
	if code != http.StatusOK || json.Unmarshal([]byte(body), &got) != nil {
		t.Fatalf("%d %s", code, body)
	}
	at := func(hours float64) string {
		return stamp(noon.Truncate(time.Minute).Add(-time.Duration(hours * float64(time.Hour))))
	}
	want := []string{
		"uploaded " + stamp(noon.Add(-day)) + " " + at(12), "gap " + at(12) + " " + at(11.5) + " agent stopped", "uploaded " + at(11.5) + " " + at(8),
		"gap " + at(8) + " " + at(7.9) + " disk too slow", "gap " + at(7.9) + " " + at(7.5) + " deleted unsent", "uploaded " + at(7.5) + " " + at(3.5), "recorded " + at(3.5) + " " + at(0),
	}
	var have []string
	for _, r := range got.Runs {
		have = append(have, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Kind, r.Start, *r.End, r.Cause)))
	}
	if !slices.Equal(have, want) {
		t.Errorf("runs\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}

	_, _, body = w.get(t, "/api/v1/timeline?camera=office&from=2026-11-23T00:00:00Z&to=2026-11-23T12:00:00Z")
	must(t, json.Unmarshal([]byte(body), &got))
	if len(got.Runs) != 1 || got.Runs[0].Kind != uploaded || len(got.Scheduled) != 1 || got.Scheduled[0] != (stretchAnswer{"2026-11-23T06:00:00.000000Z", "2026-11-23T08:00:00.000000Z"}) {
		t.Errorf("of the morning: %s", body)
	}
	_, _, body = w.get(t, "/api/v1/timeline?camera=yard")
	must(t, json.Unmarshal([]byte(body), &got))
	if last := got.Runs[len(got.Runs)-1]; last.Kind != gap || last.End != nil || last.Cause != "camera unreachable" || last.Detail == "" {
		t.Errorf("the gap that lasts: %+v", last)
	}

	for query, want := range map[string]int{
		"camera=nobody": http.StatusNotFound, "camera=yard&from=yesterday": http.StatusUnprocessableEntity,
		"camera=yard&from=2026-11-23T12:00:00Z&to=2026-11-23T11:00:00Z": http.StatusUnprocessableEntity,
		"camera=yard&from=2025-11-23T12:00:00Z":                         http.StatusUnprocessableEntity,
	} {
		if code, _, body := w.get(t, "/api/v1/timeline?"+query); code != want || !strings.Contains(body, `"detail"`) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
}

// TestManyRunsAreDrawnByTheMinute: a camera that comes and goes all day is still drawn.
func TestManyRunsAreDrawnByTheMinute(t *testing.T) {
	var line []run
	from := barTo(noon).Add(-day)
	for at := from; at.Before(noon); at = at.Add(20 * time.Second) {
		line = append(line, run{Kind: uploaded, Start: at, End: at.Add(10 * time.Second)}, run{Kind: gap, Start: at.Add(10 * time.Second), End: at.Add(20 * time.Second), Cause: "camera stalled"})
	}
	b := draw(line, nil, noon, time.UTC, spans[0])
	if len(b.Stretch) == 0 || len(b.Stretch) > 1441 || b.Stretch[0].Class != "gap camera" {
		t.Errorf("%d stretches, the first %+v", len(b.Stretch), b.Stretch[0])
	}
}

// TestFileIsServedByItsSegment: a file is sent, whole and by ranges, to who names a
// segment, and nothing that is named otherwise.
func TestFileIsServedByItsSegment(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "gate", Name: "Gate"})
	seg := w.record("gate", readClip(t, clips.H264), noon.Add(-time.Minute), 2, true)
	content, err := os.ReadFile(filepath.Join(w.spool.Dir(), filepath.FromSlash(seg.Path)))
	must(t, err)
	w.serve(t)
	fetch := func(path, bytes string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+path, nil)
		must(t, err)
		if bytes != "" {
			r.Header.Set("Range", "bytes="+bytes)
		}
		a, err := http.DefaultClient.Do(r)
		must(t, err)
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		must(t, err)
		return a, string(body)
	}
	if a, body := fetch("/play/segment/"+seg.ID, ""); a.StatusCode != http.StatusOK || body != string(content) || a.Header.Get("Content-Type") != "video/mp4" {
		t.Errorf("%s, %d bytes", a.Status, len(body))
	}
	if a, body := fetch("/play/segment/"+seg.ID+"?download=1", "1000-1999"); a.StatusCode != http.StatusPartialContent || body != string(content[1000:2000]) ||
		!strings.Contains(a.Header.Get("Content-Disposition"), "gate_20261123T115931Z.mp4") {
		t.Errorf("a range: %s, %d bytes, %v", a.Status, len(body), a.Header)
	}
	for _, path := range []string{"/play/segment/" + seg.ID + "x", "/play/segment/..%2f..%2fledger.db", "/play/segment/%2fetc%2fpasswd", "/play/segment/ledger.db", "/assets/..%2fpage.go", "/assets/%2e%2e", "/play/", "/nothing"} {
		if a, body := fetch(path, ""); a.StatusCode != http.StatusNotFound || len(body) > 200 {
			t.Errorf("%s: %s, %q", path, a.Status, body)
		}
	}
	must(t, w.spool.FileMissing(t.Context(), seg.ID))
	if a, body := fetch("/play/segment/"+seg.ID, ""); a.StatusCode != http.StatusGone || !strings.Contains(body, "no destination has it") {
		t.Errorf("a file that is lost: %s, %s", a.Status, body)
	}
	w.change(func() { w.now = noon.Add(time.Minute) })
	if _, _, body := w.get(t, "/"); !strings.Contains(body, "lost: the file is gone, and was not uploaded") {
		t.Errorf("the page does not tell of a file that is gone: %s", body)
	}
	if a, _ := w.post(t, "/"); a != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", a)
	}
}

func (w *world) post(t testing.TB, path string) (int, error) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+path, nil)
	must(t, err)
	a, err := http.DefaultClient.Do(r)
	must(t, err)
	return a.StatusCode, a.Body.Close()
}

// TestPlaysFromTheStore: a file that is gone here is played from a real store, in
// Chromium, and the policy of the page lets it.
func TestPlaysFromTheStore(t *testing.T) {
	server := s3test.Run(t, false, "footage")
	store := s3.New(s3.Options{Bucket: "footage", Region: s3test.Region, Endpoint: server.Endpoint, PathStyle: true, AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey})
	w := newWorld(t, status.Camera{ID: "gate", Name: "Gate", State: "recording", LastFrame: noon})
	w.build([]Destination{{Name: "mirror", Bucket: "other", Presign: store.Presign}, {Name: "primary", Bucket: "footage", Presign: store.Presign}})
	seg := w.record("gate", readClip(t, clips.H264), noon.Add(-16*time.Second), 5, true)
	deliveries, err := w.spool.Deliveries(t.Context(), seg.ID)
	must(t, err)
	file, err := w.spool.Open(seg)
	must(t, err)
	must(t, store.Upload(t.Context(), s3.Object{Key: deliveries[0].Key, Size: seg.Size, Checksum: seg.Checksum, Segment: seg.ID, Body: file}, &forgetful{}))
	must(t, file.Close())
	must(t, w.spool.Verified(t.Context(), seg.ID, "primary", "size, crc64nvme", noon))
	must(t, w.spool.Delete(t.Context(), seg.ID))
	w.serve(t)

	b := openBrowser(t, chromedp.Flag("autoplay-policy", "no-user-gesture-required")) // nobody clicks here
	b.look(1280, false)
	b.do(chromedp.Navigate(w.url + "/"))
	b.until("document.querySelectorAll('.bar[role=slider]').length === 1")
	evaluate[bool](b, fmt.Sprintf("play('gate', %q), true", stamp(noon.Add(-10*time.Second))))
	b.until("byId('video').currentTime > 6.2 && byId('video').getVideoPlaybackQuality().totalVideoFrames > 0")
	if text := evaluate[string](b, "byId('player-said').textContent"); !strings.Contains(text, "in the store") {
		t.Errorf("it says %q", text)
	}
	b.clean(w.url, server.Endpoint, "data:")

	server.Stop()
	evaluate[bool](b, "stop(), found = undefined, true")
	evaluate[bool](b, fmt.Sprintf("play('gate', %q), true", stamp(noon.Add(-10*time.Second))))
	b.until("byId('player-said').textContent.includes('the store')")
}

func TestSentence(t *testing.T) {
	live := func(n int) (out []status.Camera) {
		for i := range n {
			out = append(out, status.Camera{ID: fmt.Sprint("c", i), Name: fmt.Sprint("Camera ", i+1), State: "recording", SegmentStart: noon.Add(-31 * time.Second)})
		}
		return out
	}
	with := func(c []status.Camera, i int, state string, since time.Time) []status.Camera {
		c[i].State, c[i].SegmentStart, c[i].LastErrorAt = state, time.Time{}, since
		return c
	}
	s3 := []status.Destination{{Name: "primary", Required: true, Connected: true}}
	mirrored := append(slices.Clone(s3), status.Destination{Name: "onsite", Required: true}, status.Destination{Name: "spare"})
	waits := func(d string, age, length time.Duration) []spool.Unsent {
		return []spool.Unsent{{CameraID: "c0", Destination: d, Backlog: spool.Backlog{Segments: 1, Duration: length, Oldest: noon.Add(-age)}}}
	}
	gapOpen := map[string]*line{"c1": {gaps: []spool.Gap{{Start: noon.Add(-20 * time.Minute), Cause: spool.Unreachable}}}}
	tests := []struct {
		look  look
		level level
		want  string
	}{
		{look{snap: status.Snapshot{Cameras: live(8), Destinations: s3}}, good, "All 8 cameras are recording. Everything up to 12:00:00 is in S3."},
		{look{snap: status.Snapshot{Cameras: live(1), Destinations: s3}, unsent: waits("primary", 2*time.Minute, time.Minute)}, good, "The camera is recording. Everything up to 11:58:31 is in S3."},
		{look{snap: status.Snapshot{Cameras: live(2), Destinations: mirrored}, unsent: waits("spare", time.Hour, time.Hour)}, good, "Both cameras are recording. Everything up to 12:00:00 is in S3 and onsite."},
		{look{snap: status.Snapshot{Cameras: live(3), Destinations: mirrored}, unsent: waits("onsite", 4*time.Hour, 3*time.Hour+12*time.Minute)}, warn, "All 3 cameras are recording. 3 h 12 min of footage is not in S3 and onsite yet."},
		{look{snap: status.Snapshot{Cameras: live(3)}}, good, "All 3 cameras are recording. Footage is kept on this host only."},
		{look{snap: status.Snapshot{Cameras: with(live(8), 1, "waiting", noon), Destinations: s3}, lines: gapOpen}, bad, "1 of 8 cameras is not recording: Camera 2 (camera unreachable since 11:40). Everything up to 12:00:00 is in S3."},
		{look{snap: status.Snapshot{Cameras: with(live(2), 1, "connecting", noon.Add(-3*time.Second)), Destinations: s3}}, warn, "1 of 2 cameras is connecting, the others are fine. Everything up to 12:00:00 is in S3."},
		{look{snap: status.Snapshot{Cameras: with(live(3), 1, "off schedule", time.Time{}), Destinations: s3}}, good, "All 2 cameras that are to be recorded now are recording; 1 is off schedule. Everything up to 12:00:00 is in S3."},
		{look{snap: status.Snapshot{Cameras: with(live(1), 0, "off schedule", time.Time{}), Destinations: s3}}, good, "The camera is off schedule: nothing is to be recorded now. Everything up to 12:00:31 is in S3."},
		{look{snap: status.Snapshot{Destinations: s3}}, warn, "No camera is configured: nothing is recorded. Everything up to 12:00:31 is in S3."},
		{look{snap: status.Snapshot{Cameras: live(3), Destinations: s3, Clock: status.Clock{Message: "it is not set"}}}, warn, "All 3 cameras are recording. Nothing is uploaded, because the host's clock is not set."},
		{look{snap: status.Snapshot{Cameras: live(3), Destinations: s3, Disk: status.Disk{LastLoss: noon.Add(-time.Hour)}}}, bad, "All 3 cameras are recording. Everything up to 12:00:00 is in S3. Footage up to 11:00:31 was lost: its files had to go before they were uploaded."},
		{look{snap: status.Snapshot{Cameras: live(3), Destinations: s3}, problems: []status.Problem{{What: "central gets no reports"}}}, warn, "All 3 cameras are recording. Everything up to 12:00:00 is in S3."},
	}
	for _, tc := range tests {
		tc.look.at = noon
		if got := tc.look.judge(time.UTC); got.Sentence != tc.want || got.Level != tc.level {
			t.Errorf("%s: %s\nwant %s: %s", got.Level, got.Sentence, tc.level, tc.want)
		}
	}
}

// TestEventsOutliveDeadlines: an open page gets what changes long after the server's
// own deadlines, nothing while nothing changes, and is let go when the agent ends.
func TestEventsOutliveDeadlines(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "gate", Name: "Gate", State: "recording", LastFrame: noon})
	stop := w.serve(t) // with deadlines of two seconds
	a, err := http.Get(w.url + "/api/v1/events?span=1h")
	must(t, err)
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(a.Status, a.Header)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for one := ""; ; {
			var b [1]byte
			if _, err := io.ReadFull(a.Body, b[:]); err != nil {
				return
			}
			if b[0] != '\n' {
				one += string(b[:])
				continue
			}
			if strings.HasPrefix(one, "data: ") {
				lines <- one
			}
			one = ""
		}
	}()
	if first := <-lines; !strings.Contains(first, `"camera-gate-bar"`) || strings.Contains(first, "@") {
		t.Errorf("at first it says %.200s", first)
	}
	select {
	case more := <-lines:
		t.Errorf("nothing has changed, and it says %.200s", more)
	case <-time.After(6 * time.Second):
	}
	w.change(func() { w.snap.Cameras[0].Bitrate, w.snap.Cameras[0].FrameRate = 7.7e6, 30 })
	select {
	case change := <-lines:
		if !strings.Contains(change, "7.7 Mbit/s") || strings.Contains(change, `"camera-gate-bar"`) {
			t.Errorf("it says %.300s", change)
		}
	case <-time.After(10 * time.Second):
		t.Error("a change is not told")
	}
	began := time.Now()
	stop()
	if _, on := <-lines; on || time.Since(began) > time.Second {
		t.Errorf("the agent waited %s for an open page", time.Since(began))
	}
}

func TestPagesAreLimited(t *testing.T) {
	w := newWorld(t)
	for range maxListeners {
		_, err := w.page.watch.listen()
		must(t, err)
	}
	if code, header, body := w.get(t, "/api/v1/events"); code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(body, "too many pages") {
		t.Errorf("%d %v %s", code, header, body)
	}
}

// TestLedgerThatCannotBeRead is a problem among others: the page says it, and what is
// in memory all the same.
func TestLedgerThatCannotBeRead(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "gate", Name: "Gate", State: "recording", LastFrame: noon})
	must(t, w.spool.Close())
	code, _, body := w.get(t, "/")
	if code != http.StatusOK || !strings.Contains(body, "this page cannot be brought up to date") || !strings.Contains(body, "The camera is recording.") {
		t.Errorf("%d %s", code, body)
	}
}

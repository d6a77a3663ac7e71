package page

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/agent/demo/clips"
	"recording-agent/agent/journal"
	"recording-agent/agent/status"
	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
)

// noon is when the pages of these tests are looked at.
var noon = time.Date(2026, 11, 23, 12, 0, 31, 0, time.UTC)

// world is an agent as far as its page sees it: a real spool, a real status port,
// and a state that the test says.
type world struct {
	t     testing.TB
	spool *spool.Spool
	page  *Page
	url   string
	grow  func(rounds int) // appends to what was recorded last

	mu       sync.Mutex
	now      time.Time
	snap     status.Snapshot
	problems []status.Problem
	journal  *journal.Journal
	wanted   func(camera string, from, to time.Time) []spool.Stretch
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func always(_ string, from, to time.Time) []spool.Stretch {
	return []spool.Stretch{{Start: from, End: to}}
}

func newWorld(t testing.TB, cameras ...status.Camera) *world {
	t.Helper()
	w := &world{t: t, now: noon, wanted: always, journal: journal.New()}
	w.snap = status.Snapshot{
		Version: "1.0-test", ClientName: "warehouse-7", Started: noon.Add(-50 * time.Hour), Cameras: cameras, Clock: status.Clock{State: "set"},
		Disk:         status.Disk{FreeBytes: 210 << 30, TotalBytes: 480 << 30, FillRate: 900e3},
		Destinations: []status.Destination{{Name: "primary", Required: true, Bucket: "footage", Location: "s3://footage", Connected: true, LastSuccess: noon.Add(-20 * time.Second), Throughput: 3e6}},
		Central:      &status.Central{URL: "https://central.example.com", Connected: true, LastSuccess: noon.Add(-time.Second)},
	}
	var err error
	w.spool, err = spool.Open(t.Context(), spool.Options{
		Dir: t.TempDir(), ClientName: "warehouse-7", CameraName: func(id string) string { return id }, Log: zerolog.Nop(), Now: w.clock,
		Destinations: []spool.Destination{{Name: "primary", Bucket: "footage", Key: func(s spool.Segment) string { return "recordings/" + s.ID + ".mp4" }}},
	})
	must(t, err)
	t.Cleanup(func() { w.spool.Close() })
	w.build(nil)
	return w
}

// build makes the page. Whatever is in memory of an earlier one is forgotten, as
// after a restart of the agent.
func (w *world) build(destinations []Destination) {
	w.page = New(Options{
		Ledger: w.spool, Zone: func() *time.Location { return time.UTC }, Log: zerolog.Nop(), Now: w.clock, Destinations: destinations, Journal: w.journal.Entries,
		Snapshot: func(context.Context) (status.Snapshot, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			s := w.snap
			s.Cameras = slices.Clone(s.Cameras)
			return s, nil
		},
		Problems: func() []status.Problem {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.problems)
		},
		Wanted: func(camera string, from, to time.Time) []spool.Stretch { return w.wanted(camera, from, to) },
	})
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) change(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

// serve serves the page as the agent does, with deadlines that are shorter.
func (w *world) serve(t testing.TB) (stop func()) { return w.serveAt(t, "127.0.0.1:0") }

func (w *world) serveAt(t testing.TB, address string) (stop func()) {
	t.Helper()
	port := status.New(status.Options{Listen: "127.0.0.1:0", Page: w.page, Problems: w.page.opts.Problems, Snapshot: w.page.opts.Snapshot, Log: zerolog.Nop(), Now: w.clock})
	port.Started()
	listener, err := net.Listen("tcp", address)
	must(t, err)
	server := httptest.NewUnstartedServer(port.Handler())
	server.Listener.Close()
	server.Listener = listener
	server.Config.ReadTimeout, server.Config.WriteTimeout = 2*time.Second, 2*time.Second
	server.Start()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.page.Run(ctx) }()
	w.url = server.URL
	stop = sync.OnceFunc(func() {
		cancel()
		must(t, <-done)
		server.CloseClientConnections() // videos that are being played
		server.Close()
	})
	t.Cleanup(stop)
	return stop
}

func (w *world) get(t testing.TB, path string) (int, http.Header, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	a := httptest.NewRecorder()
	w.page.ServeHTTP(a, r)
	return a.Code, a.Result().Header, a.Body.String()
}

// row makes the row of a finished segment that has no file worth playing.
func (w *world) row(camera string, start time.Time, length time.Duration, sent bool) string {
	w.t.Helper()
	ctx, id := w.t.Context(), uuid.Must(uuid.NewV7()).String()
	path, err := spool.PathFor(camera, id, start)
	must(w.t, err)
	must(w.t, w.spool.Begun(ctx, spool.Segment{ID: id, CameraID: camera, CameraName: camera, ClientName: "warehouse-7", Path: path, Start: start}))
	must(w.t, w.spool.Finished(ctx, id, start, mp4.Result{Duration: length, Pictures: length, Recorded: length, Size: int64(length.Seconds() * 500e3), VideoCodec: "avc1.64001f"}))
	if sent {
		must(w.t, w.spool.Verified(ctx, id, "primary", "size, crc64nvme", start.Add(length)))
	}
	return id
}

// clip is what a camera sends, over and over.
type clip struct {
	track   media.Track
	samples []media.Sample
}

// readClip reads a clip of the demo's cameras, without its sound.
func readClip(t testing.TB, data []byte) clip {
	t.Helper()
	c := clip{track: media.Track{ClockRate: 90000}}
	add := func(codec media.Codec, set func(nal []byte) (kept bool), sync func([][]byte) bool) func(pts, dts int64, au [][]byte) error {
		c.track.Codec = codec
		return func(pts, dts int64, au [][]byte) error {
			s := media.Sample{DTS: dts, PTS: pts, Sync: sync(au)}
			for _, nal := range au {
				if set(nal) {
					s.Units = append(s.Units, slices.Clone(nal))
				}
			}
			c.samples = append(c.samples, s)
			return nil
		}
	}
	r := &mpegts.Reader{R: bytes.NewReader(data)}
	must(t, r.Initialize())
	params := &c.track.Video
	for _, track := range r.Tracks() {
		switch track.Codec.(type) {
		case *mpegts.CodecH264:
			r.OnDataH264(track, add(media.H264, func(nal []byte) bool {
				switch h264.NALUType(nal[0] & 0x1f) {
				case h264.NALUTypeSPS:
					params.SPS = slices.Clone(nal)
				case h264.NALUTypePPS:
					params.PPS = slices.Clone(nal)
				case h264.NALUTypeAccessUnitDelimiter:
				default:
					return true
				}
				return false
			}, h264.IsRandomAccess))
		case *mpegts.CodecH265:
			r.OnDataH265(track, add(media.H265, func(nal []byte) bool {
				switch h265.NALUType(nal[0] >> 1 & 0x3f) {
				case h265.NALUType_VPS_NUT:
					params.VPS = slices.Clone(nal)
				case h265.NALUType_SPS_NUT:
					params.SPS = slices.Clone(nal)
				case h265.NALUType_PPS_NUT:
					params.PPS = slices.Clone(nal)
				case h265.NALUType_AUD_NUT:
				default:
					return true
				}
				return false
			}, h265.IsRandomAccess))
		}
	}
	for {
		if err := r.Read(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	first := c.samples[0].DTS
	for i := range c.samples {
		c.samples[i].DTS -= first
		c.samples[i].PTS -= first
	}
	return c
}

// record makes a segment of so many rounds of a clip, as the recorder does.
func (w *world) record(camera string, c clip, start time.Time, rounds int, finish bool) spool.Segment {
	w.t.Helper()
	ctx, id := w.t.Context(), uuid.Must(uuid.NewV7()).String()
	path, err := spool.PathFor(camera, id, start)
	must(w.t, err)
	seg := spool.Segment{ID: id, CameraID: camera, CameraName: camera, ClientName: "warehouse-7", Path: path, Start: start}
	file, err := w.spool.Create(seg)
	must(w.t, err)
	w.t.Cleanup(func() { file.Close() })
	out, err := mp4.NewWriter(file, mp4.Info{SegmentID: id, CameraID: camera, CameraName: camera, ClientName: "warehouse-7", Start: start}, []media.Track{c.track}, mp4.Reserve(time.Minute, 25, nil))
	must(w.t, err)
	part, round := mp4.NewPart(), 0
	grow := func(rounds int) {
		for end := round + rounds; round < end; round++ {
			shift := int64(round) * int64(clips.Length) * 90000 / int64(time.Second)
			for i := range c.samples {
				if i%25 == 0 {
					part.Reset(c.track.Codec)
				}
				s := c.samples[i]
				s.DTS, s.PTS = s.DTS+shift, s.PTS+shift
				part.Add(&s)
				if i%25 == 24 || i == len(c.samples)-1 {
					must(w.t, out.Append(part))
				}
			}
		}
		must(w.t, out.Sync())
	}
	grow(rounds)
	w.grow = grow
	must(w.t, w.spool.Begun(ctx, seg))
	if finish {
		r, err := out.Finish()
		must(w.t, err)
		must(w.t, file.Close())
		must(w.t, w.spool.Finished(ctx, id, start, r))
	}
	seg, err = w.spool.Segment(ctx, id)
	must(w.t, err)
	return seg
}

// forgetful is what is known of an upload that nobody resumes.
type forgetful struct{ open *spool.Upload }

func (f *forgetful) Open() *spool.Upload { return f.open }
func (f *forgetful) Opened(_ context.Context, u spool.Upload) error {
	f.open = &u
	return nil
}
func (f *forgetful) PartSent(_ context.Context, p spool.UploadPart) error {
	f.open.Parts = append(f.open.Parts, p)
	return nil
}
func (f *forgetful) PartLost(context.Context, int) error { return nil }
func (f *forgetful) Abandoned(context.Context) error     { return nil }
func (f *forgetful) Turn(context.Context, int64) (func(), error) {
	return func() {}, nil
}

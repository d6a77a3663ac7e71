package central

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"recording-agent/agent/central/centraltest"
	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
)

var epoch = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func testLog(t testing.TB) zerolog.Logger { return zerolog.New(zerolog.NewTestWriter(t)) }

func pulse(p Pulse) func(context.Context) Pulse { return func(context.Context) Pulse { return p } }

// contextUntil ends when done says so, or after a while.
func contextUntil(t testing.TB, done func() bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	go func() {
		for ctx.Err() == nil && !done() {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	return ctx, cancel
}

// bench is a reconciler between a real ledger and a strict server, with a clock
// that is moved by hand.
type bench struct {
	*Reconciler
	t      testing.TB
	spool  *spool.Spool
	fake   *centraltest.Server
	camera string

	mu    sync.Mutex // the server reads the clock, too
	clock time.Time
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = b.clock.Add(d)
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, clock: epoch, camera: uuid.NewString()}
	clock := func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.clock
	}
	var err error
	b.spool, err = spool.Open(t.Context(), spool.Options{
		Dir: t.TempDir(), Log: testLog(t), Now: clock,
		Destinations: []spool.Destination{{Name: "primary", Bucket: "footage", Key: func(s spool.Segment) string { return "recordings/" + s.ID + ".mp4" }}},
	})
	b.ok(err)
	t.Cleanup(func() { b.spool.Close() })
	var client *Client
	b.fake, client = serve(t, centraltest.Options{Now: clock, ClientName: "warehouse-7"})
	b.Reconciler = NewReconciler(b.spool, b.spool.Subscribe(), client, testLog(t), clock)
	b.limiter = rate.NewLimiter(rate.Inf, 1)
	return b
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) begin(camera string) spool.Segment {
	b.t.Helper()
	seg := spool.Segment{ID: uuid.NewString(), CameraID: camera, CameraName: "Gate", ClientName: "warehouse-7", Start: b.clock}
	var err error
	seg.Path, err = spool.PathFor(camera, seg.ID, seg.Start)
	b.ok(err)
	b.ok(b.spool.Begun(b.t.Context(), seg))
	return seg
}

func (b *bench) finish(seg spool.Segment) {
	b.t.Helper()
	b.ok(b.spool.Finished(b.t.Context(), seg.ID, seg.Start, mp4.Result{
		Size: 1000, Checksum: "sum=", Duration: 10 * time.Second, Frames: 250, FrameRate: 25, VideoCodec: "avc1.64001f", Width: 1280, Height: 720}))
}

func (b *bench) verify(seg spool.Segment) {
	b.t.Helper()
	b.ok(b.spool.Verified(b.t.Context(), seg.ID, "primary", "size, crc64nvme", b.clock))
}

// settle makes rounds until nothing moves.
func (b *bench) settle() error {
	b.t.Helper()
	for range 50 {
		progress, err := b.round(b.t.Context(), b.t.Context())
		if err != nil || !progress {
			return err
		}
	}
	b.t.Fatal("it never settles")
	return nil
}

func (b *bench) central(seg spool.Segment) spool.Central {
	b.t.Helper()
	s, err := b.spool.Segment(b.t.Context(), seg.ID)
	b.ok(err)
	return s.Central
}

func (b *bench) statuses() [][]string {
	var out [][]string
	for _, r := range b.fake.Recordings() {
		out = append(out, r.Statuses)
	}
	return out
}

func equal(a, b [][]string) bool { return slices.EqualFunc(a, b, slices.Equal[[]string]) }

func TestFromRegisterToCompleted(t *testing.T) {
	b := newBench(t)
	seg := b.begin(b.camera)
	b.ok(b.settle())
	if got := b.statuses(); !equal(got, [][]string{{"recording"}}) {
		t.Fatalf("while recording: %v", got)
	}
	b.advance(10 * time.Second)
	b.finish(seg)
	b.ok(b.settle())
	if got := b.statuses(); !equal(got, [][]string{{"recording"}}) {
		t.Fatalf("before it is verified: %v", got)
	}
	b.verify(seg)
	b.ok(b.settle())
	if got := b.statuses(); !equal(got, [][]string{{"recording", "completed"}}) {
		t.Fatalf("after it was verified: %v", got)
	}
	row := b.fake.Recordings()[0]
	want := map[string]any{
		"gcp_path": "recordings/" + seg.ID + ".mp4", "file_path": "recordings/" + seg.ID + ".mp4", "bucket": "footage", "storage_type": "aws",
		"start_time": "2026-11-23T10:00:00.000000Z", "end_time": "2026-11-23T10:00:10.000000Z", "duration_seconds": 10.0,
		"codec": "avc1.64001f", "resolution": "1280x720", "frame_rate": 25.0, "checksum": "crc64nvme:sum=", "client_name": "warehouse-7",
		"file_size": 1000.0, "frames_recorded": 250.0,
	}
	for k, v := range want {
		if row.Extra[k] != v {
			t.Errorf("completed with %s = %v, want %v", k, row.Extra[k], v)
		}
	}
	if row.Name != "Gate 2026-11-23 10:00:00.000 UTC" || row.IdempotencyKey != seg.ID {
		t.Errorf("row %+v", row)
	}
	if b.central(seg).State != spool.CentralCompleted {
		t.Errorf("ledger: %+v", b.central(seg))
	}
}

func TestADayWithoutCentral(t *testing.T) {
	b := newBench(t)
	const segments = 40
	b.fake.Break("/recordings/register", 30, centraltest.Answer(502, ""))
	for range segments {
		seg := b.begin(b.camera)
		if err := b.settle(); err == nil && b.fake.Calls("/recordings/register") <= 30 {
			t.Fatal("a proxy's 502 was taken for success")
		}
		b.advance(36 * time.Minute)
		b.finish(seg)
		b.verify(seg)
	}
	b.ok(b.settle())
	rows := b.fake.Recordings()
	if len(rows) != segments {
		t.Fatalf("%d rows for %d segments", len(rows), segments)
	}
	for _, r := range rows {
		if r.UploadStatus != "completed" {
			t.Errorf("%s: %v", r.Name, r.Statuses)
		}
	}
}

func TestDoubledRowsAreCounted(t *testing.T) {
	b := newBench(t)
	seg := b.begin(b.camera)
	b.fake.Break("/recordings/register", 2, centraltest.LoseAnswer)
	for range 2 {
		if err := b.settle(); err == nil {
			t.Fatal("a lost answer was not noticed")
		}
		b.advance(time.Minute)
	}
	b.ok(b.settle())
	if rows, c := len(b.fake.Recordings()), b.central(seg); rows != 3 || c.Attempts != 3 || c.State != spool.CentralRecording {
		t.Errorf("%d rows, ledger %+v", rows, c)
	}
}

func TestLostAnswerOfAStatus(t *testing.T) {
	b := newBench(t)
	seg := b.begin(b.camera)
	b.fake.Break("/recordings/status", 1, centraltest.LoseAnswer)
	_ = b.settle()
	b.advance(time.Minute)
	b.ok(b.settle())
	b.finish(seg)
	b.verify(seg)
	b.ok(b.settle())
	if got := b.statuses(); !equal(got, [][]string{{"recording", "recording", "completed"}}) {
		t.Errorf("statuses %v", got)
	}
}

func TestRefusedCameraDoesNotStopTheOthers(t *testing.T) {
	b := newBench(t)
	refused, other := b.begin(b.camera), spool.Segment{}
	b.fake.Break("/recordings/register", 1, centraltest.Answer(403, "Camera not assigned to this client"))
	b.ok(b.settle())
	other = b.begin(uuid.NewString())
	b.ok(b.settle())
	if b.central(other).State != spool.CentralRecording || b.central(refused).State != spool.CentralNone {
		t.Fatalf("other %+v, refused %+v", b.central(other), b.central(refused))
	}
	b.finish(refused)
	b.verify(refused)
	calls := b.fake.Calls("/recordings/register")
	for range 26 {
		b.fake.Break("/recordings/register", 1, centraltest.Answer(403, "Camera not assigned to this client"))
		b.advance(time.Hour)
		b.ok(b.settle())
	}
	if got := b.fake.Calls("/recordings/register") - calls; got != 24 {
		t.Errorf("asked again %d times in 26 hours", got)
	}
	if c := b.central(refused); c.State != spool.CentralRefused {
		t.Errorf("after a day: %+v", c)
	}
}

// Two refusals a day apart are not a day of refusals: the file stays.
func TestDayWithoutCentralIsNoRefusal(t *testing.T) {
	b := newBench(t)
	seg := b.begin(b.camera)
	for range 2 {
		b.fake.Break("/recordings/register", 1, centraltest.Answer(403, "Camera not assigned to this client"))
		b.ok(b.settle())
		b.advance(30 * time.Hour)
	}
	b.ok(b.settle())
	if c := b.central(seg); c.State != spool.CentralRecording {
		t.Errorf("after a day without central: %+v", c)
	}
}

func TestRecordingThatCentralCleanedUp(t *testing.T) {
	b := newBench(t)
	seg := b.begin(b.camera)
	b.ok(b.settle())
	b.finish(seg)
	b.verify(seg)
	b.fake.Break("/recordings/status", 1, centraltest.Answer(404, "Recording not found"))
	b.ok(b.settle())
	if c := b.central(seg); c.State != spool.CentralRefused || b.fake.Calls("/recordings/register") != 1 {
		t.Errorf("ledger %+v, %d register calls", c, b.fake.Calls("/recordings/register"))
	}
}

func TestPermanentErrorHoldsUpNobody(t *testing.T) {
	b := newBench(t)
	bad := b.begin("no-uuid") // a malformed camera id is a 500 that never goes away
	good := b.begin(b.camera)
	b.ok(b.settle())
	if b.central(good).State != spool.CentralRecording || b.central(bad).State != spool.CentralNone {
		t.Fatalf("good %+v, bad %+v", b.central(good), b.central(bad))
	}
	calls := b.fake.Calls("/recordings/register")
	b.ok(b.settle())
	if b.fake.Calls("/recordings/register") != calls {
		t.Error("it was asked again at once")
	}
	b.advance(2 * time.Hour)
	b.ok(b.settle())
	if b.fake.Calls("/recordings/register") != calls+1 {
		t.Error("it was not asked again later")
	}
}

func TestLostSegments(t *testing.T) {
	b := newBench(t)
	lost, safe := b.begin(b.camera), b.begin(b.camera)
	b.finish(lost)
	b.finish(safe)
	b.verify(safe)
	b.ok(b.spool.FileMissing(t.Context(), lost.ID))
	b.ok(b.spool.FileMissing(t.Context(), safe.ID))
	b.ok(b.settle())
	if c := b.central(lost); c.State != spool.CentralFailed {
		t.Errorf("lost: %+v", c)
	}
	if c := b.central(safe); c.State != spool.CentralCompleted {
		t.Errorf("lost here, but safe in the store: %+v", c)
	}
}

// While central is told of a loss, the upload that had the file open may arrive: then
// central is not left with the loss.
func TestSegmentArrivesWhileItIsToldAsLost(t *testing.T) {
	for _, givenUp := range []bool{true, false} {
		b := newBench(t)
		seg := b.begin(b.camera)
		b.finish(seg)
		b.ok(b.settle())
		if givenUp {
			locals, err := b.spool.Locals(t.Context(), true, time.Time{}, 1)
			b.ok(err)
			_, err = b.spool.GiveUp(t.Context(), locals[0], "no room")
			b.ok(err)
		} else {
			b.ok(b.spool.FileMissing(t.Context(), seg.ID))
		}
		b.fake.Break("/recordings/status", 1, func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			answer.ServeHTTP(w, r)
			b.verify(seg)
		})
		b.ok(b.settle())
		if c := b.central(seg); c.State != spool.CentralCompleted {
			t.Errorf("given up: %v; the segment, which is in the store, is %+v at central", givenUp, c)
		}
		if s := b.Status(); s.LastError != "" {
			t.Errorf("trouble %+v", s)
		}
	}
}

// Before a segment is told as failed the store is asked: its upload may have been
// completed without anybody having heard of it.
func TestStoreIsAskedBeforeASegmentIsLost(t *testing.T) {
	b := newBench(t)
	gone, arrived, silent := b.begin(b.camera), b.begin(b.camera), b.begin(b.camera)
	var says error = errors.New("no answer")
	b.Arrived = func(_ context.Context, id string) (bool, error) {
		switch {
		case says != nil || id == silent.ID:
			return false, errors.New("no answer")
		case id == arrived.ID:
			b.verify(arrived)
			return true, nil
		}
		return false, nil
	}
	for _, seg := range []spool.Segment{gone, arrived, silent} {
		b.finish(seg)
		b.ok(b.spool.FileMissing(t.Context(), seg.ID))
	}
	b.ok(b.settle())
	for _, seg := range []spool.Segment{gone, arrived, silent} {
		if c := b.central(seg); c.State == spool.CentralFailed || !strings.Contains(c.LastError, "no answer") {
			t.Errorf("before the store has answered: %+v", c)
		}
	}
	if s := b.Status(); s.LastError != "" {
		t.Errorf("what the store does is no trouble of central's: %+v", s)
	}
	says = nil
	b.advance(deferGeneral)
	b.ok(b.settle())
	if g, a, s := b.central(gone), b.central(arrived), b.central(silent); g.State != spool.CentralFailed || a.State != spool.CentralCompleted || s.State == spool.CentralFailed {
		t.Errorf("gone %+v, arrived %+v, silent %+v", g, a, s)
	}
	for range askStoreFor {
		b.advance(2 * time.Hour)
		b.ok(b.settle())
	}
	if s := b.central(silent); s.State != spool.CentralFailed {
		t.Errorf("after days without an answer: %+v", s)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	b := newBench(t)
	b.begin(b.camera)
	ctx, cancel := contextUntil(t, func() bool { return b.fake.Calls("/recordings/status") > 0 })
	defer cancel()
	b.ok(b.Run(ctx))
	if s := b.Status(); !s.Connected || s.LastSuccess.IsZero() {
		t.Errorf("status %+v", s)
	}
}

// An orderly end costs no row: the answer that is on its way is waited for.
func TestStopAwaitsTheCallUnderWay(t *testing.T) {
	b := newBench(t)
	seg := b.begin(b.camera)
	ctx, cancel := context.WithCancel(t.Context())
	b.fake.Break("/recordings/register", 1, func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		cancel()
		select {
		case <-r.Context().Done():
			t.Error("the call was cut off")
		case <-time.After(50 * time.Millisecond): // a while in which a call would have been cut off
		}
		answer.ServeHTTP(w, r)
	})
	b.ok(b.Run(ctx))
	if c := b.central(seg); c.State != spool.CentralRegistered || c.RecordingID == "" {
		t.Errorf("after the end: %+v", c)
	}
	if n := b.fake.Calls("/recordings/status"); n > 0 {
		t.Errorf("%d calls were begun after the end", n)
	}
}

// What looks like an outage may be the server's trouble with one camera alone: it
// is not asked about that one again and again, and the others come through.
func TestOneCameraThatTimesOut(t *testing.T) {
	b := newBench(t)
	bad := b.begin(b.camera)
	b.advance(-time.Minute)
	good := b.begin(uuid.NewString())
	b.advance(time.Minute)
	for range 60 {
		b.fake.Break("/recordings/register", 1, func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			if r.URL.Query().Get("camera_id") == bad.CameraID {
				panic(http.ErrAbortHandler)
			}
			answer.ServeHTTP(w, r)
		})
		_, _ = b.round(t.Context(), t.Context())
		b.advance(time.Minute)
	}
	if c := b.central(good); c.State != spool.CentralRecording {
		t.Errorf("the other camera after an hour: %+v", c)
	}
	if c := b.central(bad); c.Attempts < 5 || c.Attempts > 20 {
		t.Errorf("the bad one was tried %d times in an hour", c.Attempts)
	}
}

// What central had refused for good is asked again when somebody wants it to be:
// registered and completed, although the local file has gone meanwhile.
func TestRefusedIsAskedAgain(t *testing.T) {
	b := newBench(t)
	seg := b.begin(b.camera)
	b.finish(seg)
	b.verify(seg)
	b.ok(b.spool.RegisterAttempted(t.Context(), seg.ID))
	b.ok(b.spool.CentralRefused(t.Context(), seg.ID, "403", b.clock, true, b.clock))
	b.ok(b.spool.Delete(t.Context(), seg.ID))
	b.ok(b.settle())
	if got := b.statuses(); len(got) != 0 {
		t.Fatalf("refused for good, and yet: %v", got)
	}
	due, err := b.spool.DueAgain(t.Context(), seg.ID, true)
	b.ok(err)
	b.ok(b.settle())
	if got := b.statuses(); due.Reports != 1 || !equal(got, [][]string{{"completed"}}) {
		t.Errorf("%+v: %v", due, got)
	}
	if row := b.fake.Recordings()[0]; row.FilePath != "recordings/"+seg.ID+".mp4" || row.IdempotencyKey != seg.ID {
		t.Errorf("row %+v", row)
	}
}

// The pause of a server that works for nobody ends when it is asked to.
func TestAgainEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := spool.Open(t.Context(), spool.Options{Dir: t.TempDir(), Log: zerolog.Nop(), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		away := &unavailable{}
		r := NewReconciler(s, s.Subscribe(), away, zerolog.Nop(), time.Now)
		seg := spool.Segment{ID: "segment", CameraID: "gate", Path: "segments/gate/1.mp4", Start: time.Now()}
		if err := s.Begun(t.Context(), seg); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = r.Run(ctx) })
		defer running.Wait()
		defer stop()
		time.Sleep(time.Hour) // in a bubble: no time is lost
		synctest.Wait()
		before := away.calls.Load()
		if _, err := s.DueAgain(ctx, seg.ID, true); err != nil {
			t.Fatal(err)
		}
		r.Again()
		synctest.Wait()
		if now := away.calls.Load(); before < 10 || now != before+1 {
			t.Errorf("%d calls in an hour, then %d", before, now-before)
		}
	})
}

// unavailable is a server that is not there.
type unavailable struct{ calls atomic.Int64 }

func (u *unavailable) Register(context.Context, Recording) (string, error) {
	u.calls.Add(1)
	return "", &Error{Kind: Unreachable, Detail: "connection refused"}
}

func (u *unavailable) Report(context.Context, Update) error { return nil }

// diary notes what it is told.
type diary []float64

func (d *diary) Observe(v float64) { *d = append(*d, v) }

// How long after its last picture a segment is completed is told once.
func TestLatencyIsTold(t *testing.T) {
	b := newBench(t)
	var told diary
	b.Latency = &told
	seg := b.begin(b.camera)
	b.ok(b.settle())
	b.finish(seg) // ten seconds long
	b.verify(seg)
	b.advance(72 * time.Second)
	b.ok(b.settle())
	b.ok(b.settle())
	if len(told) != 1 || told[0] != 62 {
		t.Errorf("told %v, want 62 seconds", told)
	}
}

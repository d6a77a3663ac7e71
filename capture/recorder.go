// Package capture records one camera: it connects, cuts what arrives into
// segments, writes them to the spool, and accounts for the time it could not.
// Samples enter, segment files and ledger rows leave. It depends on nothing but
// the camera and the disk.
package capture

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/outage"
	"recording-agent/capture/panics"
	"recording-agent/capture/spool"
)

// Segmenting says how a camera's footage is cut.
type Segmenting struct {
	Duration time.Duration // of a segment; boundaries are aligned to UTC
	Part     time.Duration // what is appended to the file at once
	Sync     time.Duration // how often the file is forced to the disk
	MaxBytes int64         // a segment is cut at the first key frame after this; 0 means no limit
}

const (
	// maxPartBytes bounds what a camera of a high bit rate holds in memory.
	maxPartBytes = 1 << 20
)

// Recorder cuts a camera's samples into segments and has them written. It
// outlives the camera's sessions. Start, Write and Damaged are for a session,
// one at a time.
type Recorder struct {
	id, name, client string
	cut              Segmenting
	buffers          *Buffers
	disk             *disk
	meter            *meter
	panics           *panics.Page
	now              func() time.Time

	mu        sync.Mutex
	queue     queue
	tracks    []media.Track
	current   *segment // nil until the first key frame of a session
	part      *mp4.Part
	partFrom  int64     // DTS of the part's first picture
	partAt    time.Time // when the part was begun, on the monotonic clock
	partWall  time.Time // wall-clock time of its first sample
	partBegan time.Time // where the footage before it ends
	newest    time.Time // wall-clock time of the newest picture: it never goes back
	end       time.Time // where the footage so far ends
	pace      pace      // of the session's pictures
	heard     time.Time // of the host's clock
	told      time.Time // when it was to end
	step      func(before, now time.Time) time.Duration
	stepped   time.Duration // by so much the clock was set since the current segment began
	dropping  bool          // the disk is too slow: up to a key frame for which there is room
	why       gap           // cause and detail of what is missing at present
	plan      follower
	cutDue    bool   // the window has become another one's: at the next key frame
	ahead     *ahead // of a window that is about to open
	fault     error  // a panic: the session is to end
}

// segment is a segment that is being recorded. Its identity never changes; the
// rest belongs to the writing goroutine.
type segment struct {
	spool.Segment
	tracks   []media.Track
	boundary time.Time
	reserve  int
	bytes    int64 // queued so far; the recorder's
	firstDTS int64
	dated    time.Time     // the first picture by its own account: Start may be later
	missing  time.Duration // of its time: damaged pictures
	end      time.Time     // of its last picture, once it is over
	opened   time.Time     // the window that it was begun in
	why      gap           // cause and detail of what was missing before it
	clock    atomic.Int64  // offset of the camera's clock; 0: not known

	open openFile
}

// newRecorder prepares a recorder; run writes what it is given.
func newRecorder(o Options, log zerolog.Logger, page *panics.Page, live func()) *Recorder {
	r := &Recorder{
		id: o.ID, name: o.Name, client: o.ClientName, cut: o.Segmenting, buffers: o.Buffers, panics: page, now: o.Now,
		step: media.ClockStep, meter: &meter{now: o.Now}, queue: queue{buffers: o.Buffers}, plan: follower{plan: o.Plan},
	}
	ledger := outage.New(log, "the ledger cannot be written; footage is recorded all the same", o.Now)
	guarded := guardedSpool{o.Spool, page}
	r.disk = &disk{
		spool: guarded, account: account{spool: guarded, camera: o.ID, plan: o.Plan, ledger: ledger, log: log}, log: log, now: o.Now, sync: o.Segmenting.Sync, meter: r.meter, panics: page,
		outage: outage.New(log, "cannot write footage", o.Now), ledger: ledger, buffers: o.Buffers, hints: make(chan struct{}, 1), live: live,
	}
	return r
}

// resume accounts for the time in which the camera did not run. It comes before run.
func (r *Recorder) resume(ctx context.Context, away spool.Cause) {
	account := &r.disk.account
	if err := r.panics.Guard("accounting for the time before", func() { account.resume(ctx, r.look(), away) }); err != nil {
		account.until = later(account.until, time.Now()) // from here on at least
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = account.until // what a camera has held back is from before
	r.end = r.newest
}

// Start begins a session with its tracks, video first.
func (r *Recorder) Start(tracks []media.Track) (err error) {
	if len(tracks) == 0 || !tracks[0].Codec.IsVideo() {
		return fmt.Errorf("the stream has no video track that can be recorded")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.surviving("beginning a session", &err)
	r.fault = nil
	r.tracks, r.pace = append([]media.Track(nil), tracks...), pace{}
	r.meter.start(r.tracks)
	return nil
}

// Write takes one sample. It never waits for the disk: what the disk is too slow
// for is dropped, by whole groups of pictures, and accounted for.
func (r *Recorder) Write(s *media.Sample) (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.surviving("cutting what the camera sends into segments", &err)
	if r.fault != nil {
		return r.fault
	}
	if s.Track < 0 || s.Track >= len(r.tracks) {
		return fmt.Errorf("sample of track %d, the session has %d", s.Track, len(r.tracks))
	}
	video := s.Track == 0
	if video && s.Params != nil {
		r.tracks[0].Video = *s.Params
		r.meter.start(r.tracks)
	}
	r.watchClock()
	if video {
		r.redate(s)
	}
	if r.drops(s) {
		r.meter.dropped(video)
		return nil
	}
	if video {
		// Pictures that are shown in another order, and estimates of their time that
		// become better, do not turn back time. One of the future was dated before the
		// host's clock was set back.
		r.newest = later(r.newest, earlier(s.Wall, r.heard))
		r.follow(r.newest)
	}
	late := video && !s.Sync && r.overdue(s)
	if late {
		s = entered(s, r.tracks[0].Codec)
	}
	if late || video && s.Sync && r.mustCut(s) {
		if err := r.next(s); err != nil {
			return err
		}
	}
	if r.current == nil {
		return nil // before the first key frame nothing can be decoded
	}
	if video {
		r.shown(s)
		if r.partFull(s) {
			r.part.Until(0, s.DTS)
			r.flush()
		}
	} else if r.part != nil && r.part.Len() >= mp4.MaxPartSamples-1 {
		r.flush()
	}
	r.add(s)
	r.hearClock(s)
	return nil
}

func (r *Recorder) mustCut(s *media.Sample) bool {
	c := r.current
	return c == nil || r.ahead != nil || r.cutDue || s.Params != nil && !s.Cosmetic || s.Cut || r.apart(s) || !s.Wall.Before(c.boundary) ||
		c.open.failed.Load() || c.open.doubtful.Load() ||
		r.cut.MaxBytes > 0 && c.bytes >= r.cut.MaxBytes
}

// recording says that what comes is written.
func (r *Recorder) recording() bool { return r.current != nil && r.ahead == nil }

// next ends the current segment, if there is one, and begins another with the
// key frame s.
func (r *Recorder) next(s *media.Sample) error {
	start := later(r.newest, r.end) // a burst may have been dated ahead of it
	if r.recording() {
		start = r.newest
		if start.Sub(r.current.Start) < time.Millisecond && r.stepped >= 0 {
			start = r.current.Start.Add(time.Millisecond) // of a burst each group of pictures is a segment
		}
		if !r.paused(start) {
			r.end = start // the last picture lasts until this one
		}
	}
	start = start.UTC().Truncate(time.Microsecond)
	r.newest = start
	if r.recording() && r.stepped < 0 && start.After(r.current.Start) { // time that comes twice is the new one's
		r.current.end = start
	}
	r.finish()
	r.cutDue = false
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a segment id: %w", err)
	}
	path, err := spool.PathFor(r.id, id.String(), start)
	if err != nil {
		return err
	}
	video, err := mp4.DescribeVideo(&r.tracks[0])
	if err != nil {
		return fmt.Errorf("describe the video: %w", err)
	}
	r.current = &segment{
		Segment: spool.Segment{
			ID: id.String(), CameraID: r.id, CameraName: r.name, ClientName: r.client, Path: path, Start: start,
			VideoCodec: video.Codec, Width: video.Width, Height: video.Height, FrameRate: video.FrameRate, ScheduleID: r.plan.window.ScheduleID,
		},
		tracks:   append([]media.Track(nil), r.tracks...),
		boundary: start.Truncate(r.cut.Duration).Add(r.cut.Duration),
		firstDTS: s.DTS,
		dated:    s.Wall,
		reserve:  mp4.Reserve(r.cut.Duration, video.FrameRate, r.tracks[1:]),
	}
	if r.plan.open {
		r.end = start
		r.opens()
	} else {
		r.ahead = &ahead{buffers: r.buffers}
	}
	return nil
}

// partFull says whether the part has to leave before the picture s.
func (r *Recorder) partFull(s *media.Sample) bool {
	p := r.part
	return p != nil && p.Len() > 0 && (p.Len() >= mp4.MaxPartSamples-1 || p.Size() >= maxPartBytes ||
		media.Duration(s.DTS-r.partFrom, r.tracks[0].ClockRate) >= r.cut.Part)
}

func (r *Recorder) add(s *media.Sample) {
	if r.part == nil {
		r.part = r.buffers.parts.Get().(*mp4.Part)
		r.part.Reset(r.tracks[0].Codec)
		r.partFrom, r.partAt, r.partWall, r.partBegan = s.DTS, r.now(), s.Wall, r.newest
		if s.Track != 0 { // sound came first: the pictures' clock is taken over
			r.partBegan = r.end
			r.partFrom = media.Ticks(media.Duration(s.DTS, r.tracks[s.Track].ClockRate), r.tracks[0].ClockRate)
		}
	}
	r.part.Add(s)
	r.meter.sample(s, s.Size(r.tracks[s.Track].Codec))
}

// flush queues the part. The mutex is held.
func (r *Recorder) flush() {
	if r.part == nil {
		return
	}
	r.current.bytes += int64(r.part.Size())
	j := job{segment: r.current, part: r.part, from: r.partWall, at: r.now()}
	r.part = nil
	if r.ahead != nil {
		r.ahead.hold(j)
		return
	}
	r.queue.put(j)
	r.disk.wake()
}

// finish queues the end of the current segment. The mutex is held.
func (r *Recorder) finish() {
	if r.current == nil {
		return
	}
	if r.ahead != nil {
		r.forget()
		return
	}
	r.flush()
	if r.current.end.IsZero() {
		r.current.end = r.end.Add(-r.stepped)
	}
	r.current.end = later(r.current.end, r.current.Start)
	r.queue.put(job{segment: r.current, at: r.now()})
	r.current = nil
	if r.stepped != 0 {
		r.noteStep(r.end, r.stepped, "")
		r.stepped = 0
	}
	r.disk.wake()
}

// flushDue queues the part when its time is up: a camera that stalls must not
// keep footage in memory.
func (r *Recorder) flushDue() {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.passing("handing a part to the disk")
	if r.part != nil && r.now().Sub(r.partAt) >= r.cut.Part+r.cut.Part/2 {
		r.flush()
	}
}

// take returns the next job.
func (r *Recorder) take() (job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queue.take()
}

// queued is how many bytes have come and are not written yet.
func (r *Recorder) queued() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.queue.bytes + r.queue.taken
	if r.ahead != nil {
		n += r.ahead.bytes
	}
	if r.part != nil {
		n += int64(r.part.Size())
	}
	return n
}

// run writes until ctx ends, then writes what is left. What it does must not be
// cut short half-way, so the ledger is not given ctx. No panic ends it: what would
// write then?
func (r *Recorder) run(ctx context.Context) {
	ledger := context.WithoutCancel(ctx)
	tick := time.NewTicker(max(r.cut.Part/2, 50*time.Millisecond))
	defer tick.Stop()
	turns := []func(){r.watch, r.flushDue, r.disk.syncDue, func() { r.disk.finishLate(ledger) }}
	for ended := false; !ended; {
		select {
		case <-r.disk.hints:
		case <-tick.C:
			for _, turn := range turns {
				_ = r.panics.Guard("looking after what is recorded", turn)
			}
		case <-ctx.Done():
			ended = true
		}
		for next, ok := r.take(); ok; next, ok = r.take() {
			if err := r.disk.do(ledger, next); err == nil && next.part != nil {
				r.buffers.parts.Put(next.part)
			}
		}
	}
	r.disk.leave(ledger)
}

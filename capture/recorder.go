// Package capture records one camera: it connects, cuts what arrives into
// segments, writes them to the spool, and accounts for the time it could not.
// Samples enter, segment files and ledger rows leave. It depends on nothing but
// the camera and the disk.
package capture

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/outage"
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
	now              func() time.Time

	mu       sync.Mutex
	queue    queue
	tracks   []media.Track
	current  *segment // nil until the first key frame of a session
	part     *mp4.Part
	partFrom int64     // DTS of the part's first picture
	partAt   time.Time // when the part was begun, on the monotonic clock
	partWall time.Time // wall-clock time of its first sample
	newest   time.Time // wall-clock time of the newest picture: it never goes back
	end      time.Time // where the footage so far ends
	pace     pace      // of the session's pictures
	heard    time.Time // of the host's clock
	step     func(before, now time.Time) time.Duration
	stepped  time.Duration // by so much the clock was set since the current segment began
	dropping bool          // the disk is too slow: up to a key frame for which there is room
	why      gap           // cause and detail of what is missing at present
	plan     follower
	cutDue   bool   // the window has become another one's: at the next key frame
	ahead    *ahead // of a window that is about to open
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

	open openFile
}

// newRecorder prepares a recorder; run writes what it is given.
func newRecorder(o Options, log zerolog.Logger, live func()) *Recorder {
	r := &Recorder{
		id: o.ID, name: o.Name, client: o.ClientName, cut: o.Segmenting, buffers: o.Buffers, now: o.Now,
		step: media.ClockStep, meter: &meter{now: o.Now}, queue: queue{buffers: o.Buffers}, plan: follower{plan: o.Plan},
	}
	r.disk = &disk{
		spool: o.Spool, account: account{spool: o.Spool, camera: o.ID, plan: o.Plan, log: log}, log: log, now: o.Now, sync: o.Segmenting.Sync, meter: r.meter,
		outage: outage.New(log, "cannot write footage", o.Now), buffers: o.Buffers, hints: make(chan struct{}, 1), live: live,
	}
	return r
}

// resume accounts for the time in which the camera did not run. It comes before run.
func (r *Recorder) resume(ctx context.Context, away spool.Cause) {
	r.disk.account.resume(ctx, r.now(), away)
	r.newest = r.disk.account.until // what a camera has held back is from before
	r.end = r.newest
}

// Start begins a session with its tracks, video first.
func (r *Recorder) Start(tracks []media.Track) error {
	if len(tracks) == 0 || !tracks[0].Codec.IsVideo() {
		return fmt.Errorf("the stream has no video track that can be recorded")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracks, r.pace = append([]media.Track(nil), tracks...), pace{}
	r.meter.start(r.tracks)
	return nil
}

// Write takes one sample. It never waits for the disk: what the disk is too slow
// for is dropped, by whole groups of pictures, and accounted for.
func (r *Recorder) Write(s *media.Sample) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Track < 0 || s.Track >= len(r.tracks) {
		return fmt.Errorf("sample of track %d, the session has %d", s.Track, len(r.tracks))
	}
	video := s.Track == 0
	if video && s.Params != nil {
		r.tracks[0].Video = *s.Params
		r.meter.start(r.tracks)
	}
	r.watchClock()
	if r.drops(s) {
		r.meter.dropped(video)
		return nil
	}
	if video {
		// Pictures that are shown in another order, and estimates of their time that
		// become better, do not turn back time.
		r.newest = later(r.newest, s.Wall)
		r.follow(r.newest)
	}
	if video && s.Sync && r.mustCut(s) {
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
	return nil
}

// drops says whether a sample has to go because too much waits for the disk. What
// is kept ends before it, and begins again with a segment of its own.
func (r *Recorder) drops(s *media.Sample) bool {
	now := r.now()
	if r.dropping && s.Track == 0 && s.Sync && r.queue.room(now) {
		r.dropping = false
	}
	if !r.dropping && r.current != nil && r.ahead == nil && r.queue.full(now) {
		r.dropping = true
		r.finish()
		r.why = gap{cause: spool.DiskSlow, detail: "the disk takes less than the camera sends; footage had to be dropped"}
		r.missing(r.plan.window.Start)
	}
	return r.dropping
}

// Damaged notes that footage is missing up to the next key frame.
func (r *Recorder) Damaged(cause string) {
	r.meter.damaged(cause)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ahead != nil {
		r.forget() // what comes next cannot be decoded from it
	}
	if r.why.cause == "" {
		r.why = gap{cause: spool.BadFootage, detail: cause}
	}
}

// shown takes the picture s into account: what is missing since the one before it is a
// gap inside of the segment.
func (r *Recorder) shown(s *media.Sample) {
	from := r.end
	if r.ahead == nil && r.paused(r.newest) {
		r.flush() // or the gap would be noted before the footage in front of it
		from = later(from, r.plan.window.Start)
		r.current.missing += max(0, r.newest.Sub(from))
		r.note(gap{kind: inside, from: from.Add(-r.stepped), to: r.newest.Add(-r.stepped), cause: r.why.cause, detail: r.why.detail})
	}
	r.why = gap{}
	r.pace.picture(s, r.tracks[0].ClockRate)
	end := r.newest.Add(r.pace.length(r.meter.frameTime()))
	if r.ahead != nil {
		r.ahead.end = end
	} else {
		r.end = end
	}
}

// paused says whether pictures are missing between the last one and a moment; then why
// says what is the matter.
func (r *Recorder) paused(until time.Time) bool {
	switch {
	case r.why.cause != "":
		return until.After(r.end)
	case until.Sub(r.end) > r.pace.pause():
		r.why = gap{cause: spool.Stalled, detail: "the pictures paused"}
		return true
	}
	return false
}

// missing notes that from now on there is no footage, nor was there since the last of
// it in the window that has opened then.
func (r *Recorder) missing(opened time.Time) {
	cause := r.why.cause
	if cause == "" {
		cause = spool.Connecting
	}
	r.note(gap{kind: lasting, from: opened, cause: cause, detail: r.why.detail})
}

// note queues a gap. Gaps go the way of the parts, so that none is noted before
// the footage in front of it is.
func (r *Recorder) note(g gap) {
	r.queue.put(job{gap: &g, at: r.now()})
	r.disk.wake()
}

func (r *Recorder) mustCut(s *media.Sample) bool {
	c := r.current
	return c == nil || r.ahead != nil || r.cutDue || s.Params != nil || s.Cut || r.apart(s) || !s.Wall.Before(c.boundary) || c.open.failed.Load() ||
		r.cut.MaxBytes > 0 && c.bytes >= r.cut.MaxBytes
}

// maxApart is how far a segment's wall-clock time and that of its media may come
// apart.
const maxApart = 500 * time.Millisecond

// apart says that the host's time and the camera's have come apart since the segment
// began: one of them was set, or runs at another speed.
func (r *Recorder) apart(s *media.Sample) bool {
	c := r.current
	passed := media.Duration(s.DTS-c.firstDTS, r.tracks[0].ClockRate)
	return (s.Wall.Sub(c.dated) - passed).Abs() > maxApart
}

// minStep is what counts as setting the clock: NTP slews what is less.
const minStep = 200 * time.Millisecond

// watchClock notes that the host's clock was set, before anything else is dated by it.
// What is footage under the old time and under the new one is not put into one segment:
// the old time lasts until that ends. The mutex is held.
func (r *Recorder) watchClock() {
	before, now := r.heard, r.now()
	r.heard = now
	if before.IsZero() {
		return
	}
	step := r.step(before, now)
	if step.Abs() < minStep {
		return
	}
	r.plan.plan.stepped(step)
	if r.recording() && r.stepped == 0 && r.paused(now.Add(-step)) { // its time was over before
		r.finish()
		r.missing(r.plan.window.Start)
	}
	if r.recording() {
		r.newest, r.end = r.newest.Add(step), r.end.Add(step)
		r.stepped += step
		r.cutDue = true
		return
	}
	if r.ahead != nil {
		r.forget()
	}
	r.newest, r.end = now, now
	r.noteStep(now, step, spool.Connecting)
}

// noteStep tells of a step. A cause says why there was no footage before it.
func (r *Recorder) noteStep(now time.Time, step time.Duration, cause spool.Cause) {
	r.note(gap{kind: clockSet, from: now.Add(-step), to: now, cause: cause, detail: "set by " + step.String()})
}

// recording says that what comes is written.
func (r *Recorder) recording() bool { return r.current != nil && r.ahead == nil }

// next ends the current segment, if there is one, and begins another with the
// key frame s.
func (r *Recorder) next(s *media.Sample) error {
	start := later(r.newest, r.end) // a burst may have been dated ahead of it
	if r.recording() {
		if start = r.newest; !r.paused(start) {
			r.end = start // the last picture lasts until this one
		}
	}
	start = start.UTC().Truncate(time.Microsecond)
	if r.newest = start; r.recording() && r.stepped < 0 { // time that comes twice is the new segment's
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
		r.partFrom, r.partAt, r.partWall = s.DTS, r.now(), s.Wall
		if s.Track != 0 { // sound came first: the pictures' clock is taken over
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
		r.end = earlier(r.end, r.now()) // whatever a picture's length
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

// ended finishes what a session leaves behind, and returns where its footage
// ends: the zero time if there never was any. From there on there is a gap with
// the given cause.
func (r *Recorder) ended(cause spool.Cause, detail string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchClock()
	r.finish()
	r.tracks = nil
	r.meter.stop()
	if !r.dropping {
		r.why = gap{cause: cause, detail: detail}
		if w, open := r.plan.plan.At(r.now().Add(-tail)); open { // else the edge accounts for it
			r.missing(w.Start)
		}
	}
	return r.end
}

// stopped finishes what a session leaves behind that the plan, or the end of the
// camera, has ended.
func (r *Recorder) stopped() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchClock()
	now := r.now()
	if w, open := r.plan.plan.At(now.Add(-tail)); open {
		r.shut(w.Start, earlier(w.End, now), w.End.After(now))
	}
	r.finish()
	r.tracks, r.why = nil, gap{}
	r.meter.stop()
}

// watch looks at the host's clock, also while nothing comes.
func (r *Recorder) watch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchClock()
}

// flushDue queues the part when its time is up: a camera that stalls must not
// keep footage in memory.
func (r *Recorder) flushDue() {
	r.mu.Lock()
	defer r.mu.Unlock()
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

// run writes until ctx ends, then writes what is left. What it does must not be
// cut short half-way, so the ledger is not given ctx.
func (r *Recorder) run(ctx context.Context) {
	ledger := context.WithoutCancel(ctx)
	tick := time.NewTicker(max(r.cut.Part/2, 50*time.Millisecond))
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-r.disk.hints:
		case <-tick.C:
			r.watch()
			r.flushDue()
			r.disk.syncDue()
			r.disk.finishLate(ledger)
		case <-ctx.Done():
			ended = true
		}
		for next, ok := r.take(); ok; next, ok = r.take() {
			r.disk.do(ledger, next)
			if next.part != nil {
				r.buffers.parts.Put(next.part)
			}
		}
	}
	r.disk.leave(ledger)
}

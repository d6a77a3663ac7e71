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
	end      time.Time // where the footage so far ends
	heard    time.Time // of the host's clock
	step     func(before, now time.Time) time.Duration
	dropping bool // the disk is too slow: up to a key frame for which there is room
	damage   *gap // pictures are missing up to the next key frame
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
	missing  time.Duration // of its time: damaged pictures
	next     time.Time     // where the one that follows it at once begins; zero: none does

	open openFile
}

// newRecorder prepares a recorder; run writes what it is given.
func newRecorder(o Options, log zerolog.Logger, live func()) *Recorder {
	r := &Recorder{
		id: o.ID, name: o.Name, client: o.ClientName, cut: o.Segmenting, buffers: o.Buffers, now: o.Now,
		step: media.ClockStep, meter: &meter{now: o.Now}, queue: queue{buffers: o.Buffers}, plan: follower{plan: o.Plan},
	}
	r.disk = &disk{
		spool: o.Spool, camera: o.ID, log: log, now: o.Now, sync: o.Segmenting.Sync, meter: r.meter,
		outage: outage.New(log, "cannot write footage", o.Now), ledger: outage.New(log, "the ledger cannot be written; footage is recorded all the same", o.Now), hints: make(chan struct{}, 1), live: live,
	}
	return r
}

// Start begins a session with its tracks, video first.
func (r *Recorder) Start(tracks []media.Track) error {
	if len(tracks) == 0 || !tracks[0].Codec.IsVideo() {
		return fmt.Errorf("the stream has no video track that can be recorded")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracks = append([]media.Track(nil), tracks...)
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
	if r.drops(s) {
		r.meter.dropped(video)
		return nil
	}
	if video {
		r.follow(s)
		r.watchClock()
	}
	if video && s.Sync {
		if r.mustCut(s) {
			if err := r.next(s); err != nil {
				return err
			}
		}
		r.mended(s)
	}
	if r.current == nil {
		return nil // before the first key frame nothing can be decoded
	}
	if video {
		end := s.Wall.Add(r.meter.frameTime())
		if r.ahead != nil {
			r.ahead.end = end
		} else {
			r.end = end
		}
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
		r.note(gap{from: r.end, cause: spool.DiskSlow, detail: "the disk takes less than the camera sends; footage had to be dropped"})
	}
	return r.dropping
}

// Damaged notes that footage is missing up to the next key frame.
func (r *Recorder) Damaged(cause string) {
	r.meter.damaged(cause)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.damage == nil && r.current != nil && r.ahead == nil {
		r.damage = &gap{from: r.end, cause: spool.BadFootage, detail: cause}
	}
}

// mended notes what was missing before the key frame s.
func (r *Recorder) mended(s *media.Sample) {
	if r.damage != nil && s.Wall.After(r.damage.from) {
		r.damage.to = s.Wall
		if r.current != nil && !r.damage.from.Before(r.current.Start) {
			r.current.missing += s.Wall.Sub(r.damage.from)
		}
		r.note(*r.damage)
	}
	r.damage = nil
}

// note queues a gap. Gaps go the way of the parts, so that none is noted before
// the footage in front of it is.
func (r *Recorder) note(g gap) {
	r.queue.put(job{gap: &g, at: r.now()})
	r.disk.wake()
}

func (r *Recorder) mustCut(s *media.Sample) bool {
	c := r.current
	return c == nil || r.ahead != nil || r.cutDue || s.Params != nil || s.Cut || r.apart(s) || !s.Wall.Before(c.boundary) || c.open.failed.Load() || c.open.doubtful.Load() ||
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
	return (s.Wall.Sub(c.Start) - passed).Abs() > maxApart
}

// minStep is what counts as setting the clock: NTP slews what is less.
const minStep = 200 * time.Millisecond

// watchClock notes that the host's clock was set. What is footage under the old time
// and under the new one is not put into one segment.
func (r *Recorder) watchClock() {
	before, now := r.heard, r.now()
	r.heard = now
	if before.IsZero() || r.current == nil || r.ahead != nil {
		return
	}
	step := r.step(before, now)
	if step.Abs() < minStep {
		return
	}
	g := gap{from: now, to: now, cause: spool.ClockStep, detail: "set by " + step.String()}
	if step > 0 { // this much never was
		g.from = now.Add(-step)
	}
	r.note(g)
	r.cutDue = true
}

// next ends the current segment, if there is one, and begins another with the
// key frame s.
func (r *Recorder) next(s *media.Sample) error {
	if r.current != nil {
		r.current.next = s.Wall
	}
	r.finish()
	r.cutDue = false
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a segment id: %w", err)
	}
	path, err := spool.PathFor(r.id, id.String(), s.Wall)
	if err != nil {
		return err
	}
	video, err := mp4.DescribeVideo(&r.tracks[0])
	if err != nil {
		return fmt.Errorf("describe the video: %w", err)
	}
	start := s.Wall.UTC().Truncate(time.Microsecond)
	r.current = &segment{
		Segment: spool.Segment{
			ID: id.String(), CameraID: r.id, CameraName: r.name, ClientName: r.client, Path: path, Start: start,
			VideoCodec: video.Codec, Width: video.Width, Height: video.Height, FrameRate: video.FrameRate, ScheduleID: r.plan.window.ScheduleID,
		},
		tracks:   append([]media.Track(nil), r.tracks...),
		boundary: start.Truncate(r.cut.Duration).Add(r.cut.Duration),
		firstDTS: s.DTS,
		reserve:  mp4.Reserve(r.cut.Duration, video.FrameRate, r.tracks[1:]),
	}
	if r.plan.open {
		r.meter.segment(r.current)
	} else {
		r.ahead = &ahead{}
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
	r.queue.put(job{segment: r.current, at: r.now()})
	r.current = nil
	r.disk.wake()
}

// ended finishes what a session leaves behind, and returns where its footage
// ends: the zero time if there never was any. From there on there is a gap with
// the given cause, if one is given.
func (r *Recorder) ended(cause spool.Cause, detail string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finish()
	r.tracks, r.damage = nil, nil
	r.meter.stop()
	_, open := r.plan.plan.At(r.now())
	if cause != "" && open && !r.dropping {
		from := r.end
		if from.IsZero() {
			from = r.now() // the gap is open already, and learns its cause
		}
		r.note(gap{from: from, cause: cause, detail: detail})
	}
	return r.end
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
}

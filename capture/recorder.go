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
	// maxQueued is how many parts wait for a slow disk before the camera has to.
	maxQueued = 8
)

// Recorder cuts a camera's samples into segments and has them written. It
// outlives the camera's sessions. Start, Write and Damaged are for a session,
// one at a time.
type Recorder struct {
	id, name, client string
	cut              Segmenting
	parts            *sync.Pool // of *mp4.Part, shared by all cameras
	disk             *disk
	meter            *meter

	mu       sync.Mutex
	room     *sync.Cond // the queue has become shorter
	queue    []job
	tracks   []media.Track
	current  *segment // nil until the first key frame of a session
	part     *mp4.Part
	partFrom int64     // DTS of the part's first picture
	partAt   time.Time // when the part was begun, on the monotonic clock
	end      time.Time // where the footage so far ends
	now      func() time.Time
}

// job is work for the camera's writing goroutine, in order.
type job struct {
	segment *segment
	part    *mp4.Part // nil: the segment has ended
}

// segment is a segment that is being recorded. Its identity never changes; the
// rest belongs to the writing goroutine.
type segment struct {
	spool.Segment
	tracks   []media.Track
	boundary time.Time
	reserve  int
	bytes    int64 // queued so far; the recorder's

	open openFile
}

// newRecorder prepares a recorder; run writes what it is given.
func newRecorder(o Options, log zerolog.Logger, live func()) *Recorder {
	r := &Recorder{
		id: o.ID, name: o.Name, client: o.ClientName, cut: o.Segmenting, parts: o.Parts, now: o.Now,
		meter: &meter{now: o.Now},
	}
	r.room = sync.NewCond(&r.mu)
	r.disk = &disk{
		spool: o.Spool, log: log, now: o.Now, sync: o.Segmenting.Sync, meter: r.meter,
		outage: outage.New(log, "cannot write footage", o.Now), hints: make(chan struct{}, 1), live: live,
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

// Write takes one sample. It blocks while the disk is behind.
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
	if video && s.Sync && r.mustCut(s) {
		if err := r.next(s); err != nil {
			return err
		}
	}
	if r.current == nil {
		return nil // before the first key frame nothing can be decoded
	}
	if video {
		r.end = s.Wall.Add(r.meter.frameTime())
		if r.partFull(s) {
			r.part.Until(0, s.DTS)
			r.flush()
		}
	} else if r.part != nil && r.part.Len() >= mp4.MaxPartSamples-1 {
		r.flush()
	}
	r.add(s)
	for len(r.queue) > maxQueued {
		r.room.Wait()
	}
	return nil
}

// Damaged notes that footage is missing up to the next key frame.
func (r *Recorder) Damaged(cause string) { r.meter.damaged(cause) }

func (r *Recorder) mustCut(s *media.Sample) bool {
	c := r.current
	return c == nil || s.Params != nil || !s.Wall.Before(c.boundary) || c.open.failed.Load() ||
		r.cut.MaxBytes > 0 && c.bytes >= r.cut.MaxBytes
}

// next ends the current segment, if there is one, and begins another with the
// key frame s.
func (r *Recorder) next(s *media.Sample) error {
	r.finish()
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
			VideoCodec: video.Codec, Width: video.Width, Height: video.Height, FrameRate: video.FrameRate,
		},
		tracks:   append([]media.Track(nil), r.tracks...),
		boundary: start.Truncate(r.cut.Duration).Add(r.cut.Duration),
		reserve:  mp4.Reserve(r.cut.Duration, video.FrameRate, r.tracks[1:]),
	}
	r.meter.segment(r.current)
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
		r.part = r.parts.Get().(*mp4.Part)
		r.part.Reset(r.tracks[0].Codec)
		r.partFrom, r.partAt = s.DTS, r.now()
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
	r.queue = append(r.queue, job{segment: r.current, part: r.part})
	r.part = nil
	r.disk.wake()
}

// finish queues the end of the current segment. The mutex is held.
func (r *Recorder) finish() {
	if r.current == nil {
		return
	}
	r.flush()
	r.queue = append(r.queue, job{segment: r.current})
	r.current = nil
	r.disk.wake()
}

// ended finishes what a session leaves behind, and returns where its footage
// ends: the zero time if there never was any.
func (r *Recorder) ended() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finish()
	r.tracks = nil
	r.meter.stop()
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
	if len(r.queue) == 0 {
		return job{}, false
	}
	next := r.queue[0]
	r.queue = append(r.queue[:0], r.queue[1:]...)
	r.room.Broadcast()
	return next, true
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
				r.parts.Put(next.part)
			}
		}
	}
}

package capture

import (
	"sync"
	"sync/atomic"
	"time"

	"recording-agent/capture/mp4"
)

// What waits for a slow disk is bounded for each camera, in bytes and in time, and
// for all of them together. Half a minute of 4 Mbit/s fits with room to spare.
const (
	maxQueuedBytes = 24 << 20
	maxQueuedFor   = 45 * time.Second
	maxQueuedAll   = 256 << 20
	queuedAnyway   = 2 << 20 // of each camera, whatever others have
)

// Buffers is what cameras share: parts to fill in turn, the sum of what waits for the
// disk, and segments that a camera could not finish before it ended.
type Buffers struct {
	parts  sync.Pool // of *mp4.Part
	queued atomic.Int64

	mu   sync.Mutex
	late []*segment
}

// NewBuffers returns the memory for all cameras of a process.
func NewBuffers() *Buffers {
	return &Buffers{parts: sync.Pool{New: func() any { return mp4.NewPart() }}}
}

// leave leaves segments to be finished to the other cameras, or the next of the same id.
func (b *Buffers) leave(late []*segment) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.late = append(b.late, late...)
}

// left takes them over.
func (b *Buffers) left() []*segment {
	b.mu.Lock()
	defer b.mu.Unlock()
	late := b.late
	b.late = nil
	return late
}

// job is work for the camera's writing goroutine, in order: a part to append, a
// gap to note, or else the end of a segment.
type job struct {
	segment *segment
	part    *mp4.Part
	from    time.Time // wall-clock time of the part's first sample
	size    int64     // of the part, when it was queued
	at      time.Time // when it was queued
	gap     *gap
}

// queue is what waits for the disk. The recorder's mutex guards it.
type queue struct {
	buffers *Buffers
	jobs    []job
	bytes   int64
	taken   int64 // bytes of what was taken last, and is being written
}

func (q *queue) put(j job) {
	if j.part != nil {
		j.size = int64(j.part.Size())
		q.bytes += j.size
		q.buffers.queued.Add(j.size)
	}
	q.jobs = append(q.jobs, j)
}

func (q *queue) take() (job, bool) {
	q.taken = 0
	if len(q.jobs) == 0 {
		return job{}, false
	}
	next := q.jobs[0]
	q.taken = next.size
	q.jobs = append(q.jobs[:0], q.jobs[1:]...)
	q.bytes -= next.size
	q.buffers.queued.Add(-next.size)
	return next, true
}

// full says that nothing more may wait.
func (q *queue) full(now time.Time) bool { return q.beyond(now, 1) }

// room says that the disk has caught up enough to go on: a queue that has only just
// ceased to be full would be full again after the next picture.
func (q *queue) room(now time.Time) bool { return !q.beyond(now, 2) }

// beyond says whether more waits than a fraction of what may.
func (q *queue) beyond(now time.Time, fraction int64) bool {
	if len(q.jobs) == 0 {
		return false
	}
	return q.bytes > maxQueuedBytes/fraction || now.Sub(q.jobs[0].at) > maxQueuedFor/time.Duration(fraction) ||
		q.buffers.queued.Load() > maxQueuedAll/fraction && q.bytes > queuedAnyway
}

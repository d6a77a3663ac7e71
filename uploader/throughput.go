package uploader

import (
	"sync"
	"time"
)

// throughput is how fast bodies go to a destination.
type throughput struct {
	now func() time.Time

	mu    sync.Mutex
	since time.Time // the first body was sent
	sent  []sent    // within throughputOver, oldest first
}

type sent struct {
	at    time.Time
	bytes int64
}

// throughputOver is the time over which it is averaged.
const throughputOver = time.Minute

// add counts a body whose sending has ended.
func (t *throughput) add(began time.Time, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		t.since = began
	}
	t.sent = append(t.sent, sent{t.now(), bytes})
	t.forget()
}

func (t *throughput) forget() {
	border := t.now().Add(-throughputOver)
	for len(t.sent) > 0 && t.sent[0].at.Before(border) {
		t.sent = t.sent[1:]
	}
}

// rate is in bytes per second, over the last minute or since the first body.
func (t *throughput) rate() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
	sum := int64(0)
	for _, s := range t.sent {
		sum += s.bytes
	}
	over := min(throughputOver, t.now().Sub(t.since))
	if sum == 0 || over < time.Second {
		return 0
	}
	return float64(sum) / over.Seconds()
}

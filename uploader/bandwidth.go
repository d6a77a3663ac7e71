package uploader

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits are what the uplink may be used for.
type Limits struct {
	BytesPerSecond int64 // of all destinations together; 0: no limit
	Windows        []Window
}

// Window is a time of day with limits of its own. Of windows that overlap the
// first one counts.
type Window struct {
	From, To       time.Duration // since midnight, local wall-clock time; To before From is on the next day, equal is all day
	BytesPerSecond int64         // 0: that of Limits
	PauseBacklog   bool
	PauseLive      bool // everything is paused, also what is being recorded
}

// Bandwidth is a token bucket over all that is sent. It is safe for concurrent
// use.
type Bandwidth struct {
	limits Limits
	now    func() time.Time

	limiter *rate.Limiter
	mu      sync.Mutex
	chunk   int   // bytes that are sent at once, so that it is smooth
	rate    int64 // that limiter and chunk are set for; -1 at first
}

// smooth is the time scale above which the rate is even.
const smooth = 50 * time.Millisecond

// NewBandwidth keeps to limits.
func NewBandwidth(l Limits, now func() time.Time) *Bandwidth {
	return &Bandwidth{limits: l, now: now, limiter: rate.NewLimiter(rate.Inf, 0), rate: -1}
}

// Wait waits until up to n bytes may be sent, and returns how many: at least one.
func (b *Bandwidth) Wait(ctx context.Context, n int) (int, error) {
	for {
		chunk := b.adjust()
		if chunk == 0 {
			return n, nil
		}
		now := min(n, chunk)
		err := b.limiter.WaitN(ctx, now)
		if err == nil || ctx.Err() != nil || now <= b.limiter.Burst() {
			return now, err
		}
		// A window has begun in between, in which so much may not be sent at once.
	}
}

// adjust sets the limiter for the time of day.
func (b *Bandwidth) adjust() (chunk int) {
	limit := b.limits.BytesPerSecond
	if w := b.window(); w != nil && w.BytesPerSecond > 0 {
		limit = w.BytesPerSecond
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit != b.rate {
		b.rate, b.chunk = limit, 0
		b.limiter.SetLimit(rate.Inf)
		if limit > 0 {
			b.chunk = max(1, int(float64(limit)*smooth.Seconds()))
			b.limiter.SetBurst(b.chunk)
			b.limiter.SetLimit(rate.Limit(limit))
		}
	}
	return b.chunk
}

// window is the one that counts now, if any.
func (b *Bandwidth) window() *Window {
	now := b.now().Local()
	h, m, s := now.Clock()
	at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	for i := range b.limits.Windows {
		if b.limits.Windows[i].holds(at) {
			return &b.limits.Windows[i]
		}
	}
	return nil
}

func (w *Window) holds(at time.Duration) bool {
	if w.From < w.To {
		return w.From <= at && at < w.To
	}
	return w.From <= at || at < w.To
}

// paused says whether a lane may send nothing for the time being.
func (b *Bandwidth) paused(l lane) bool {
	w := b.window()
	return w != nil && (w.PauseLive || w.PauseBacklog && l == backlog)
}

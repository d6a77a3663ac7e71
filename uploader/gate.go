package uploader

import (
	"context"
	"sync"
)

// lane is the order in which footage goes to a destination.
type lane int

const (
	newest  lane = iota // what is being recorded, or was until a moment ago
	backlog             // what has been waiting
	lanes
)

// gate lets bodies be sent, a few at once. The newest footage goes first; while
// both lanes wait, the backlog gets its share of the bytes.
type gate struct {
	share float64 // of the backlog, 0 to less than 1

	mu      sync.Mutex
	free    int
	waiting [lanes][]*turn
	credit  float64 // bytes that the backlog is owed
}

type turn struct {
	size int64
	mine chan struct{} // closed when it may be sent
}

func newGate(parallel int, share float64) *gate { return &gate{free: parallel, share: share} }

// enter waits for a turn to send size bytes; leave ends it.
func (g *gate) enter(ctx context.Context, l lane, size int64) (leave func(), err error) {
	t := &turn{size: size, mine: make(chan struct{})}
	g.mu.Lock()
	g.waiting[l] = append(g.waiting[l], t)
	g.admit()
	g.mu.Unlock()
	select {
	case <-t.mine:
		return sync.OnceFunc(g.leave), nil
	case <-ctx.Done():
		g.giveUp(l, t)
		return nil, ctx.Err()
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	g.admit()
}

func (g *gate) giveUp(l lane, t *turn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting[l] {
		if w == t {
			g.waiting[l] = append(g.waiting[l][:i], g.waiting[l][i+1:]...)
			return
		}
	}
	g.free++ // its turn had just come
	g.admit()
}

// admit gives the free turns away. The mutex is held.
func (g *gate) admit() {
	for g.free > 0 {
		l := g.next()
		if len(g.waiting[l]) == 0 {
			return
		}
		t := g.waiting[l][0]
		g.waiting[l] = g.waiting[l][1:]
		g.free--
		close(t.mine)
	}
}

// next picks a lane, and keeps account of what the backlog is owed while it has
// to wait.
func (g *gate) next() lane {
	behind := g.waiting[backlog]
	if len(behind) == 0 {
		g.credit = 0
		return newest
	}
	if len(g.waiting[newest]) == 0 {
		return backlog
	}
	if size := float64(behind[0].size); g.credit >= size {
		g.credit -= size
		return backlog
	}
	g.credit += float64(g.waiting[newest][0].size) * g.share / (1 - g.share)
	return newest
}

package uploader

import (
	"context"
	"errors"
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
	share    float64         // of the backlog, 0 to less than 1
	paused   func(lane) bool // may change with time: look then
	parallel int

	mu      sync.Mutex
	free    int
	waiting [lanes][]*turn
	credit  float64 // bytes that the backlog is owed
}

type turn struct {
	size int64
	mine chan error // receives once: nil when it may be sent
}

// errPaused: what waits for a time of day does not wait here. It is taken up again
// from the ledger.
var errPaused = errors.New("uploads are paused at this time of day")

func newGate(parallel int, share float64, paused func(lane) bool) *gate {
	return &gate{parallel: parallel, free: parallel, share: share, paused: paused}
}

// enter waits for a turn to send size bytes; leave ends it.
func (g *gate) enter(ctx context.Context, l lane, size int64) (leave func(), err error) {
	t := &turn{size: size, mine: make(chan error, 1)}
	g.mu.Lock()
	g.waiting[l] = append(g.waiting[l], t)
	g.admit()
	g.mu.Unlock()
	select {
	case err := <-t.mine:
		if err != nil {
			return nil, err
		}
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
	if err := <-t.mine; err == nil { // its turn had just come
		g.free++
		g.admit()
	}
}

// look sends away what waits in a lane that is paused by now.
func (g *gate) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.admit()
}

// admit gives the free turns away. The mutex is held.
func (g *gate) admit() {
	for l := range g.waiting {
		if len(g.waiting[l]) > 0 && g.paused(lane(l)) {
			for _, t := range g.waiting[l] {
				t.mine <- errPaused
			}
			g.waiting[l] = nil
		}
	}
	for g.free > 0 {
		l := g.next()
		if l == lanes {
			return
		}
		t := g.waiting[l][0]
		g.waiting[l] = g.waiting[l][1:]
		g.free--
		t.mine <- nil
	}
}

// next picks a lane, and keeps account of what the backlog is owed while it has
// to wait; lanes when nobody waits that may go. The last free turn is kept for the
// newest footage, so that it need not wait until a part of the backlog has gone.
func (g *gate) next() lane {
	first, behind := g.first(newest), g.first(backlog)
	if first == nil && g.free == 1 && g.parallel > 1 {
		return lanes
	}
	switch {
	case behind == nil:
		g.credit = 0
		if first == nil {
			return lanes
		}
		return newest
	case first == nil:
		return backlog
	case g.credit >= float64(behind.size):
		g.credit -= float64(behind.size)
		return backlog
	}
	g.credit += float64(first.size) * g.share / (1 - g.share)
	return newest
}

// first is who is next in a lane.
func (g *gate) first(l lane) *turn {
	if len(g.waiting[l]) == 0 {
		return nil
	}
	return g.waiting[l][0]
}

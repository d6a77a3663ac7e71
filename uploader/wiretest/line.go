// Package wiretest is a TCP line between a client and a real server that
// misbehaves on demand, for tests and benchmarks.
package wiretest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// Fault is how a line misbehaves. The zero value is a good line.
type Fault struct {
	Cut       bool          // connections are reset, new ones at once
	Stalled   bool          // connections stay open, and nothing moves
	Latency   time.Duration // of all that moves, either way
	Jitter    time.Duration // each answer takes up to this much longer
	Bandwidth int           // bytes per second upward, of all connections together; 0: no limit
	Reset     float64       // share of connections that are reset somewhere in their first MiB
	Truncate  int64         // answers end after so many bytes of a connection, without a word; 0: they do not
}

// Line is one line. Its faults apply to what is open already.
type Line struct {
	Address string // host:port

	to       string
	rng      *rand.Rand
	uplink   *rate.Limiter
	listener net.Listener
	conns    sync.WaitGroup

	mu      sync.Mutex
	fault   Fault
	changed chan struct{} // closed when fault changes
	up      int64
	open    map[*net.TCPConn]bool
}

// chunk is what moves at once.
const chunk = 16 << 10

// New opens a line to host:port, which closes when the test ends.
func New(t testing.TB, to string) *Line {
	t.Helper()
	l, err := Open(to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// Open opens a line to host:port.
func Open(to string) (*Line, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a line to %s: %w", to, err)
	}
	l := &Line{
		Address: listener.Addr().String(), to: to, rng: rand.New(rand.NewPCG(1, 2)), uplink: rate.NewLimiter(rate.Inf, chunk),
		listener: listener, changed: make(chan struct{}), open: map[*net.TCPConn]bool{},
	}
	l.conns.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			l.conns.Go(func() { l.carry(c.(*net.TCPConn)) })
		}
	})
	return l, nil
}

// Close cuts the line and waits until nothing moves any more.
func (l *Line) Close() {
	l.listener.Close()
	l.Set(Fault{Cut: true})
	l.conns.Wait()
}

// Set makes the line misbehave, or with the zero Fault behave, from now on.
func (l *Line) Set(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = f
	l.uplink.SetLimit(rate.Inf)
	if f.Bandwidth > 0 {
		l.uplink.SetLimit(rate.Limit(f.Bandwidth))
	}
	close(l.changed)
	l.changed = make(chan struct{})
	for c := range l.open {
		if f.Cut {
			reset(c)
		}
	}
}

// Sent is how many bytes have gone up.
func (l *Line) Sent() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	c.Close()
}

func (l *Line) now() (Fault, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault, l.changed
}

// carry connects one client.
func (l *Line) carry(near *net.TCPConn) {
	defer near.Close()
	if f, _ := l.now(); f.Cut {
		reset(near)
		return
	}
	c, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	far := c.(*net.TCPConn)
	defer far.Close()
	_ = near.SetReadBuffer(64 << 10) // a slow line does not take megabytes at once
	l.mu.Lock()
	l.open[near], l.open[far] = true, true
	resetAt := int64(-1)
	if l.rng.Float64() < l.fault.Reset {
		resetAt = l.rng.Int64N(1 << 20)
	}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, near)
		delete(l.open, far)
	}()
	ended := make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() { l.upward(far, near, resetAt, ended) })
	l.downward(near, far, ended)
	close(ended)
	near.Close()
	far.Close()
	both.Wait()
}

// upward carries what the client sends.
func (l *Line) upward(to, from *net.TCPConn, resetAt int64, ended <-chan struct{}) {
	var sent int64
	l.move(to, from, ended, func(n int) (goOn bool) {
		sent += int64(n)
		if resetAt >= 0 && sent > resetAt {
			reset(from)
			return false
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case <-ended:
				cancel()
			case <-ctx.Done():
			}
		}()
		if l.uplink.WaitN(ctx, n) != nil {
			return false
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.up += int64(n)
		return true
	})
	to.Close()
}

// downward carries the answers.
func (l *Line) downward(to, from *net.TCPConn, ended <-chan struct{}) {
	var answered int64
	l.move(to, from, ended, func(n int) (goOn bool) {
		f, _ := l.now()
		answered += int64(n)
		if f.Truncate > 0 && answered > f.Truncate {
			return false
		}
		if f.Jitter > 0 {
			time.Sleep(rand.N(f.Jitter))
		}
		return true
	})
}

// parcel is what is on its way.
type parcel struct {
	data []byte
	due  time.Time
}

// move copies until either side ends. pass may hold up each chunk, or end it all.
func (l *Line) move(to, from *net.TCPConn, ended <-chan struct{}, pass func(n int) bool) {
	way := make(chan parcel, 1024)
	var writer sync.WaitGroup
	writer.Go(func() {
		broken := false
		for p := range way {
			if broken || !l.await(p.due, ended) {
				continue
			}
			if _, err := to.Write(p.data); err != nil {
				broken = true
				from.Close()
			}
		}
	})
	defer writer.Wait()
	defer close(way)
	for {
		buffer := make([]byte, chunk)
		n, err := from.Read(buffer)
		if n > 0 {
			if !pass(n) {
				return
			}
			f, _ := l.now()
			way <- parcel{buffer[:n], time.Now().Add(f.Latency)}
		}
		if err != nil {
			return
		}
	}
}

// await waits until something may arrive; false when the connection has ended.
func (l *Line) await(due time.Time, ended <-chan struct{}) bool {
	for {
		f, changed := l.now()
		var arrival <-chan time.Time
		if !f.Stalled {
			wait := time.Until(due)
			if wait <= 0 {
				return true
			}
			arrival = time.After(wait)
		}
		select {
		case <-arrival:
		case <-changed:
		case <-ended:
			return false
		}
	}
}

package status

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	guesses      = 10               // wrong tokens that an address may show at once
	guessEvery   = 10 * time.Second // and one more after that
	maxAddresses = 1024             // that are remembered
)

// guessing counts wrong tokens by the address that they come from: tokens cannot be
// tried out, and whoever tries does not keep others from their footage.
type guessing struct {
	mu   sync.Mutex
	from map[netip.Prefix]*rate.Limiter
}

func newGuessing() *guessing { return &guessing{from: map[netip.Prefix]*rate.Limiter{}} }

// wait is how long an address has to wait before it may show a token again.
func (g *guessing) wait(remote string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.from[source(remote)]
	if l == nil {
		return 0
	}
	if left := l.TokensAt(now); left < 1 {
		return time.Duration((1 - left) * float64(guessEvery))
	}
	return 0
}

// note counts a wrong token.
func (g *guessing) note(remote string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := source(remote)
	l := g.from[key]
	if l == nil {
		if len(g.from) >= maxAddresses {
			g.forget(now)
		}
		l = rate.NewLimiter(rate.Every(guessEvery), guesses)
		g.from[key] = l
	}
	l.AllowN(now, 1)
}

// forget drops addresses that have been quiet for long enough; when there are none,
// any one of the others. The mutex is held.
func (g *guessing) forget(now time.Time) {
	for key, l := range g.from {
		if l.TokensAt(now) >= guesses {
			delete(g.from, key)
		}
	}
	for key := range g.from {
		if len(g.from) < maxAddresses {
			return
		}
		delete(g.from, key)
	}
}

// source is whom an address belongs to: of IPv6 one host has a whole /64.
func source(remote string) netip.Prefix {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{} // all that are not known share one
	}
	bits := 32
	if from.Addr().Unmap().Is6() {
		bits = 64
	}
	p, _ := from.Addr().Unmap().WithZone("").Prefix(bits)
	return p
}

package uploader

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func open(lane) bool { return false }

// Whoever waits for the gate gets a turn, newest first, and the backlog its share.
func TestGateSharesTurns(t *testing.T) {
	for _, share := range []float64{0, 0.25, 0.9} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate(1, share, open)
			hold, err := g.enter(t.Context(), backlog, 1)
			if err != nil {
				t.Fatal(err)
			}
			const each = 100
			var order []lane
			for l := newest; l < lanes; l++ {
				for range each {
					go func() {
						leave, err := g.enter(t.Context(), l, 1000)
						if err != nil {
							t.Error(err)
							return
						}
						order = append(order, l) // one at a time
						leave()
					}()
				}
			}
			synctest.Wait()
			hold()
			synctest.Wait()
			if len(order) != 2*each {
				t.Fatalf("%d of %d had their turn", len(order), 2*each)
			}
			behind := 0
			for _, l := range order[:each] {
				behind += int(l)
			}
			if got := float64(behind) / each; got < share-0.02 || got > share+0.02 {
				t.Errorf("with a share of %.2f the backlog had %.2f of the turns", share, got)
			}
		})
	}
}

func TestGateLetsAFewInAtOnce(t *testing.T) {
	g := newGate(2, 0.25, open)
	if _, err := g.enter(t.Context(), backlog, 1); err != nil {
		t.Fatal(err)
	}
	first, err := g.enter(t.Context(), newest, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.enter(ctx, newest, 1); !errors.Is(err, context.Canceled) {
		t.Fatalf("a third came in: %v", err)
	}
	first()
	first() // twice is once
	if _, err := g.enter(t.Context(), newest, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := g.enter(ctx, newest, 1); !errors.Is(err, context.Canceled) {
		t.Fatalf("a turn was given away twice: %v", err)
	}
}

// The backlog never has all turns: what is being recorded comes in at once.
func TestGateKeepsATurnForTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(3, 0.25, open)
		var inside atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		for range 5 {
			go func() {
				if _, err := g.enter(ctx, backlog, 1); err == nil {
					inside.Add(1)
				}
			}()
		}
		synctest.Wait()
		if n := inside.Load(); n != 2 {
			t.Errorf("%d of the backlog have a turn, want 2 of 3", n)
		}
		if _, err := g.enter(t.Context(), newest, 1); err != nil {
			t.Error(err)
		}
		cancel()
		synctest.Wait()
	})
}

// Nobody waits at the gate for a time of day: it would count as under way.
func TestGateSendsAwayWhatIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pause := false
		g := newGate(1, 0.25, func(l lane) bool { return pause && l == backlog })
		leave, err := g.enter(t.Context(), newest, 1)
		if err != nil {
			t.Fatal(err)
		}
		var got error
		go func() { _, got = g.enter(t.Context(), backlog, 1) }()
		synctest.Wait()
		pause = true
		g.look()
		synctest.Wait()
		if !errors.Is(got, errPaused) {
			t.Errorf("what waited: %v", got)
		}
		if _, err := g.enter(t.Context(), backlog, 1); !errors.Is(err, errPaused) {
			t.Errorf("what comes: %v", err)
		}
		leave()
		if _, err := g.enter(t.Context(), newest, 1); err != nil {
			t.Error(err)
		}
	})
}

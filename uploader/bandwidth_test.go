package uploader

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/spool"
)

// Whoever sends, together they keep to the limit, and evenly.
func TestBandwidthIsEven(t *testing.T) {
	for _, bytesPerSecond := range []int64{8_000, 625_000, 125_000_000} {
		synctest.Test(t, func(t *testing.T) {
			b := NewBandwidth(Limits{BytesPerSecond: bytesPerSecond}, time.Now)
			begin := time.Now()
			const seconds = 3
			var slots [10 * seconds]int64 // of 100 ms
			var mu sync.Mutex
			var senders sync.WaitGroup
			for range 4 {
				senders.Go(func() {
					for {
						n, err := b.Wait(t.Context(), 64<<10)
						if err != nil || n < 1 || n > 64<<10 {
							t.Errorf("%d bytes, %v", n, err)
							return
						}
						mu.Lock()
						slot := int(time.Since(begin) / (100 * time.Millisecond))
						if slot >= len(slots) {
							mu.Unlock()
							return
						}
						slots[slot] += int64(n)
						mu.Unlock()
					}
				})
			}
			senders.Wait()
			for i, n := range slots[1:] {
				if want := float64(bytesPerSecond) / 10; float64(n) < 0.4*want || float64(n) > 1.6*want {
					t.Errorf("%d bytes in slot %d of 100 ms, the limit is %.0f", n, i+1, want)
				}
			}
		})
	}
}

func TestWindowsOfTheDay(t *testing.T) {
	h := time.Hour
	for _, c := range []struct {
		w    Window
		at   time.Duration
		want bool
	}{
		{Window{From: 8 * h, To: 18 * h}, 8 * h, true},
		{Window{From: 8 * h, To: 18 * h}, 18 * h, false},
		{Window{From: 8 * h, To: 18 * h}, 7 * h, false},
		{Window{From: 22 * h, To: 6 * h}, 23 * h, true},
		{Window{From: 22 * h, To: 6 * h}, 5 * h, true},
		{Window{From: 22 * h, To: 6 * h}, 12 * h, false},
		{Window{From: 0, To: 24 * h}, 24*h - 1, true},
		{Window{From: 9 * h, To: 9 * h}, 3 * h, true},
	} {
		if got := c.w.holds(c.at); got != c.want {
			t.Errorf("%v to %v holds %v: %v", c.w.From, c.w.To, c.at, got)
		}
	}
}

// fromNow is a window that begins at once: a bubble begins at midnight UTC.
func fromNow(d time.Duration, w Window) Window {
	h, m, s := time.Now().Local().Clock()
	w.From = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	w.To = (w.From + d) % (24 * time.Hour)
	return w
}

func TestPausedAtTimesOfDay(t *testing.T) {
	for name, c := range map[string]struct {
		window      Window
		live, older bool // go at once
	}{
		"backlog":    {Window{PauseBacklog: true}, true, false},
		"everything": {Window{PauseLive: true}, false, false},
		"only slow":  {Window{BytesPerSecond: 1000}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStorage(t, 1)
				defer s.close()
				s.limits = Limits{Windows: []Window{fromNow(time.Hour, c.window)}}
				s.run()
				s.grow(1, 2)
				after(30 * time.Minute)
				if got := strings.Contains(s.sent(1), "2"); got != c.live {
					t.Errorf("within the window, parts %q of the open segment were sent", s.sent(1))
				}
				if got := s.state(0).State == spool.Verified; got != c.older {
					t.Errorf("within the window, older footage is %s", s.state(0).State)
				}
				after(31 * time.Minute)
				if s.state(0).State != spool.Verified || !strings.Contains(s.sent(1), "2") {
					t.Errorf("after it, older footage is %s, parts %q were sent", s.state(0).State, s.sent(1))
				}
			})
		})
	}
}

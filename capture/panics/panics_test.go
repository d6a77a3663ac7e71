package panics

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func index(of []int, i int) int { return of[i] }

// The stack is said once for each place, whichever camera's code was there; what
// comes later in one line a minute that counts.
func TestStackIsSaidOnceForEachPlace(t *testing.T) {
	var log bytes.Buffer
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b := NewBook(zerolog.New(&log), func() time.Time { return now })
	gate, yard := b.Of("gate"), b.Of("yard")
	for i := range 90 {
		page := gate
		if i%2 > 0 {
			page = yard
		}
		if err := page.Guard("reading", func() { index(nil, 5) }); err == nil {
			t.Fatal("no error")
		}
		now = now.Add(time.Second)
	}
	said := log.String()
	if n := strings.Count(said, "\n"); n != 2 || strings.Count(said, `"stack"`) != 1 || !strings.Contains(said, `"times":61`) {
		t.Errorf("%d lines: %s", n, said)
	}
	if !strings.Contains(said, "panics_test.go:14") || !strings.Contains(said, "panics.index") {
		t.Errorf("the place is not said: %s", said)
	}
	_ = yard.Guard("reading", func() { panic("another place") })
	if strings.Count(log.String(), `"stack"`) != 2 {
		t.Errorf("another place has its own stack: %s", log.String())
	}
	if g, y := gate.Status().Count, b.Of("yard").Status().Count; g != 45 || y != 46 {
		t.Errorf("gate %d, yard %d", g, y)
	}
}

func TestCaughtSaysWhatAndWhere(t *testing.T) {
	page := NewBook(zerolog.Nop(), time.Now).Of("gate")
	var e *Error
	err := page.Guard("cutting segments", func() { panic(strings.Repeat("ä", 10_000)) })
	if !errors.As(err, &e) || e.Gap() != "agent fault" || len([]rune(e.What)) > maxText+1 {
		t.Errorf("%v", err)
	}
	if s := page.Status(); s.Last.IsZero() || !strings.Contains(s.What, "cutting segments") {
		t.Errorf("%+v", s)
	}
	if err := page.Guard("nothing", func() {}); err != nil {
		t.Error(err)
	}
}

func TestManyAtOnce(t *testing.T) {
	b := NewBook(zerolog.Nop(), time.Now)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				_ = b.Of("gate").Guard("racing", func() { panic("now") })
			}
		})
	}
	all.Wait()
	if n := b.Of("gate").Status().Count; n != 800 {
		t.Errorf("%d panics", n)
	}
}

package uploader

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPanicOverASegment: a panic over one segment ends neither the process nor the
// uploads of the others; it waits like any that fails.
func TestPanicOverASegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 3)
		defer s.close()
		s.shelf.upload = func(_ context.Context, segment string) error {
			if segment == id(0) {
				panic("an index out of range")
			}
			return nil
		}
		s.run()
		after(time.Minute)
		if n := s.verified(3); n != 2 {
			t.Errorf("%d of the other 2 segments are verified", n)
		}
		d := s.state(0)
		if !strings.Contains(d.LastError, "panic while uploading a segment") || d.Attempts == 0 || d.Attempts > 8 {
			t.Errorf("the segment has been tried %d times, its error is %q", d.Attempts, d.LastError)
		}
		s.shelf.mu.Lock()
		s.shelf.upload = nil
		s.shelf.mu.Unlock()
		after(20 * time.Minute)
		if n := s.verified(3); n != 3 {
			t.Errorf("%d of 3 segments are verified in the end", n)
		}
	})
}

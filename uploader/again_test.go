package uploader

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"recording-agent/capture/spool"
)

// Asked to try again, a destination in its pause is tried at once, first with what
// has been made due.
func TestAgainEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 3)
		defer s.close()
		away := &smithy.GenericAPIError{Code: "ServiceUnavailable", Message: "back soon"}
		s.shelf.upload = func(context.Context, string) error { return away }
		s.run()
		after(time.Hour)
		s.shelf.mu.Lock()
		s.shelf.upload = nil
		tried := len(s.shelf.tried)
		s.shelf.mu.Unlock()
		s.uploader.mu.Lock()
		pausing := time.Until(s.uploader.until)
		s.uploader.mu.Unlock()
		if pausing <= 0 {
			t.Fatalf("there is no pause to be ended: %v", pausing)
		}
		if _, err := s.spool.DueAgain(t.Context(), id(2), false); err != nil {
			t.Fatal(err)
		}
		if s.state(0).Attempts == 0 {
			t.Error("a segment that was not meant lost its count of attempts")
		}
		s.uploader.Again()
		synctest.Wait()
		if s.state(2).State != spool.Verified || s.shelf.tried[tried] != id(2) {
			t.Errorf("at once: tried %v, delivery %+v", s.shelf.tried[tried:], s.state(2))
		}
	})
}

// While the destination goes on failing one attempt at a time probes it, however
// often that is asked for.
func TestAgainStillProbesOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 20)
		defer s.close()
		most, now := 0, 0
		s.shelf.upload = func(context.Context, string) error {
			s.shelf.mu.Lock()
			now++
			most = max(most, now)
			s.shelf.mu.Unlock()
			time.Sleep(time.Second)
			s.shelf.mu.Lock()
			now--
			s.shelf.mu.Unlock()
			return &smithy.GenericAPIError{Code: "ServiceUnavailable", Message: "back soon"}
		}
		s.run()
		after(time.Minute)
		s.shelf.mu.Lock()
		most = 0
		s.shelf.mu.Unlock()
		for range 10 {
			if _, err := s.spool.FailuresDueAgain(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			s.uploader.Again()
			after(100 * time.Millisecond)
		}
		after(10 * time.Second)
		if most != 1 {
			t.Errorf("%d attempts at once", most)
		}
	})
}

// Parts of an open segment do not wait either.
func TestAgainSendsPartsOfOpenSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 0)
		defer s.close()
		s.shelf.part = func(context.Context, string, int) error {
			return &smithy.GenericAPIError{Code: "InvalidPart", Message: "its own fault"}
		}
		s.run()
		s.grow(0, 1)
		after(30 * time.Minute)
		s.shelf.mu.Lock()
		s.shelf.part = nil
		s.shelf.mu.Unlock()
		after(time.Second)
		if len(s.shelf.parts) != 0 {
			t.Fatal("there is nothing to wait for")
		}
		s.uploader.Again()
		synctest.Wait()
		if len(s.shelf.parts) != 1 {
			t.Errorf("sent at once: %v", s.shelf.parts)
		}
	})
}

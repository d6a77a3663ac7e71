package uploader

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/spool"
)

// unlisted is a spool whose files are not listed yet.
type unlisted struct {
	*spool.Spool
	listed atomic.Bool
}

func (s *unlisted) Locals(ctx context.Context, central bool, endedBefore time.Time, limit int) ([]spool.Local, error) {
	if !s.listed.Load() {
		return nil, nil
	}
	return s.Spool.Locals(ctx, central, endedBefore, limit)
}

// TestRoomWhileFilesAreTakenIn: a disk that is full at the start does not wait for the next
// look once the oldest files are listed, nor is it said that there is nothing to delete.
func TestRoomWhileFilesAreTakenIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 8)
		defer s.close()
		files := &unlisted{Spool: s.spool}
		full := func() (uint64, uint64, error) { return spool.KeptFree, 1 << 40, nil }
		r := s.retain(RetentionOptions{Files: files, Disk: full, Keep: Keep{AfterUpload: true}, TakingIn: func() bool { return !files.listed.Load() }})
		after(time.Minute)
		if got := r.Status(); got.Full.Cause != "" || got.Trouble == "" {
			t.Errorf("while they are taken in: %+v", got)
		}
		files.listed.Store(true)
		after(300 * time.Millisecond)
		if got := s.states(8); got == "ffffffff" {
			t.Errorf("states %s: nothing has gone for want of room", got)
		}
	})
}

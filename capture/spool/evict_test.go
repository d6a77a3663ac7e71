package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// A sender finds the file gone that was removed here for want of room, and whose loss
// could not be noted: it is ours, with its gap, and not that of somebody else.
func TestFileOfWhatIsBeingGivenUpIsMissed(t *testing.T) {
	s := open(t, t.TempDir())
	var log bytes.Buffer
	s.opts.Log = zerolog.New(&log)
	rec := finished(t, s, "gate", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 3)
	seg := state(t, s, rec.ID)
	must(t, s.ledger.one(t.Context(), "give up", seg.ID, `UPDATE segments SET given_up = ? WHERE id = ?`, "no room", seg.ID))
	name, err := s.file(seg.Path)
	must(t, err)
	must(t, os.Remove(name))

	for range 2 { // the second finds it settled
		if err := s.FileMissing(t.Context(), seg.ID); !errors.Is(err, ErrGivenUp) {
			t.Errorf("the sender is told %v", err)
		}
	}
	gaps, err := s.Gaps(t.Context(), "gate")
	must(t, err)
	if len(gaps) != 1 || gaps[0].Cause != GivenUp || !gaps[0].Start.Equal(seg.Start) || !gaps[0].End.Equal(seg.End) {
		t.Errorf("gaps %+v, want one from %v to %v", gaps, seg.Start, seg.End)
	}
	if got := state(t, s, seg.ID); got.State != Missing || got.GivenUp != "no room" {
		t.Errorf("the segment is %s (%s)", got.State, got.GivenUp)
	}
	if n := strings.Count(log.String(), `"level":"error"`); n != 1 {
		t.Errorf("the loss is said %d times: %s", n, log.String())
	}
}

// What could not be removed is not given up: if somebody else removes it, that is what
// is said of it.
func TestFileThatCannotBeGivenUp(t *testing.T) {
	s := open(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 3)
	locals, err := s.Locals(t.Context(), false, time.Time{}, 1)
	must(t, err)
	name := filepath.Join(s.Dir(), rec.Path)
	must(t, os.Remove(name))
	must(t, os.MkdirAll(filepath.Join(name, "in the way"), 0o750)) // as unlink fails whoever we are
	if _, err := s.GiveUp(t.Context(), locals[0], "no room"); err == nil {
		t.Error("it was given up")
	}
	if got := state(t, s, rec.ID); got.State != Finished || got.GivenUp != "" {
		t.Errorf("the segment is %s (%s)", got.State, got.GivenUp)
	}
	must(t, os.RemoveAll(name))
	must(t, s.FileMissing(t.Context(), rec.ID))
}

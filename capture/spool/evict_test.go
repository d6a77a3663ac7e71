package spool

import (
	"errors"
	"os"
	"testing"
	"time"
)

// A sender finds the file gone before it is noted that we have removed it for want of
// room: the loss is to be ours, with its gap, and not that of somebody else.
func TestFileOfWhatIsBeingGivenUpIsMissed(t *testing.T) {
	s := open(t, t.TempDir())
	rec := finished(t, s, "gate", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 3)
	seg := state(t, s, rec.ID)
	must(t, s.ledger.one(t.Context(), "give up", seg.ID, `UPDATE segments SET given_up = ? WHERE id = ?`, "no room", seg.ID))
	name, err := s.file(seg.Path)
	must(t, err)
	must(t, os.Remove(name))

	if err := s.FileMissing(t.Context(), seg.ID); !errors.Is(err, ErrGivenUp) {
		t.Errorf("the sender is told %v", err)
	}
	must(t, s.gone(t.Context(), state(t, s, seg.ID)))

	gaps, err := s.Gaps(t.Context(), "gate")
	must(t, err)
	if len(gaps) != 1 || gaps[0].Cause != GivenUp || !gaps[0].Start.Equal(seg.Start) || !gaps[0].End.Equal(seg.End) {
		t.Errorf("gaps %+v, want one from %v to %v", gaps, seg.Start, seg.End)
	}
	if got := state(t, s, seg.ID); got.State != Missing || got.GivenUp != "no room" {
		t.Errorf("the segment is %s (%s)", got.State, got.GivenUp)
	}
}

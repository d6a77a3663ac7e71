package spool

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestFootageAndGapsOfATime(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := t.Context()
	first := finished(t, s, "gate", epoch, 60)
	second := finished(t, s, "gate", epoch.Add(time.Minute), 60)
	third := begin(t, s, "gate", epoch.Add(3*time.Minute))
	third.parts(t, 1)
	must(t, s.Begun(ctx, third.Segment))
	other := finished(t, s, "yard", epoch, 60)
	must(t, s.Verified(ctx, first.ID, "primary", "size", epoch.Add(time.Hour)))
	must(t, s.GapBetween(ctx, "gate", epoch.Add(2*time.Minute), epoch.Add(3*time.Minute), Unreachable, "no route"))
	must(t, s.GapOpened(ctx, "gate", epoch.Add(4*time.Minute), Stalled, ""))

	got, err := s.Footage(ctx, "gate", epoch, epoch.Add(time.Hour))
	must(t, err)
	want := []Footage{
		{first.ID, first.Start, first.Start.Add(time.Minute), Finished, true},
		{second.ID, second.Start, second.Start.Add(time.Minute), Finished, false},
		{third.ID, third.Start, time.Time{}, Recording, false},
	}
	if !slices.Equal(got, want) {
		t.Errorf("footage\n%+v\nwant\n%+v", got, want)
	}
	if got, err = s.Footage(ctx, "gate", epoch.Add(time.Minute), epoch.Add(2*time.Minute)); err != nil || len(got) != 1 || got[0].SegmentID != second.ID {
		t.Errorf("the second minute: %+v, %v", got, err)
	}
	gaps, err := s.GapsWithin(ctx, "gate", epoch, epoch.Add(time.Hour))
	if err != nil || len(gaps) != 2 || gaps[0].Cause != Unreachable || gaps[1].Cause != Stalled || !gaps[1].End.IsZero() {
		t.Errorf("gaps %+v, %v", gaps, err)
	}
	if gaps, err = s.GapsWithin(ctx, "gate", epoch, epoch.Add(time.Minute)); err != nil || len(gaps) != 0 {
		t.Errorf("gaps of the first minute %+v, %v", gaps, err)
	}

	for at, want := range map[time.Duration]string{0: first.ID, 59 * time.Second: first.ID, time.Minute: second.ID, 150 * time.Second: third.ID, time.Hour: third.ID, -time.Hour: first.ID} {
		if seg, err := s.FootageAt(ctx, "gate", epoch.Add(at)); err != nil || seg.ID != want {
			t.Errorf("at %s: segment %s, %v; want %s", at, seg.ID, err, want)
		}
	}
	if _, err := s.FootageAt(ctx, "yard", epoch.Add(time.Hour)); !errors.Is(err, ErrUnknown) {
		t.Errorf("behind the last footage: %v", err)
	}
	unsent, err := s.UnsentByCamera(ctx)
	must(t, err)
	for i, u := range unsent {
		if u.Segments != 1 || u.Duration < 59*time.Second || u.Oldest.IsZero() || u.CameraID != []string{"gate", "yard"}[i] {
			t.Errorf("unsent %+v", u)
		}
	}
	if len(unsent) != 2 {
		t.Errorf("unsent %+v, want those of %s and %s", unsent, second.ID, other.ID)
	}
}

// TestFileThatIsLostCannotBePlayed: what went before any destination had it is nowhere.
func TestFileThatIsLostCannotBePlayed(t *testing.T) {
	s := open(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 60)
	must(t, s.FileMissing(t.Context(), rec.ID))
	if _, err := s.FootageAt(t.Context(), "gate", epoch); !errors.Is(err, ErrUnknown) {
		t.Errorf("footage that is nowhere: %v", err)
	}
	if got, err := s.Footage(t.Context(), "gate", epoch, epoch.Add(time.Hour)); err != nil || len(got) != 1 || got[0].State != Missing || got[0].Uploaded {
		t.Errorf("footage %+v, %v", got, err)
	}
}

// A day of 32 cameras in segments of a minute, 46,000 of them, is read in less than
// half a second; and no query keeps the writer from the ledger for long.
func BenchmarkFootageOfADay(b *testing.B) {
	s := open(b, b.TempDir())
	manyRows(b, s, 10*1440, 0)
	newest := epoch.Add(5 * time.Minute)
	for b.Loop() {
		for i := range 32 {
			got, err := s.Footage(b.Context(), fmt.Sprintf("camera-%d", i%10), newest.Add(-1440*5*time.Minute), newest)
			if err != nil || len(got) < 1439 {
				b.Fatal(len(got), err)
			}
		}
	}
}

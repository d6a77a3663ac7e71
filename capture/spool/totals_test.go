package spool

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// Gaps are summed up by camera and cause, those of before a restart as well.
func TestGapsAreSummedUp(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	must(t, s.GapBetween(ctx, "gate", at(0), at(10), Stalled, ""))
	must(t, s.GapBetween(ctx, "gate", at(20), at(25), Stalled, ""))
	must(t, s.GapBetween(ctx, "gate", at(30), at(31), DiskFull, ""))
	must(t, s.GapBetween(ctx, "yard", at(0), at(7), Stalled, ""))
	s, _ = reopen(t, s)
	must(t, s.GapOpened(ctx, "gate", at(40), Stalled, ""))
	must(t, s.GapOpened(ctx, "yard", at(40), Connecting, "")) // its cause is not known yet
	got, err := s.GapTotals(ctx, at(60))
	must(t, err)
	want := []GapTotal{{"gate", Stalled, 35 * time.Second}, {"gate", DiskFull, time.Second}, {"yard", Stalled, 7 * time.Second}}
	slices.SortFunc(want, func(a, b GapTotal) int {
		return slices.Compare([]string{a.CameraID, string(a.Cause)}, []string{b.CameraID, string(b.Cause)})
	})
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Footage counts as long as some required destination has not confirmed it.
func TestFootageThatIsNotSafe(t *testing.T) {
	ctx, s := t.Context(), withMirrors(t, t.TempDir())
	first, second := finished(t, s, "gate", epoch, 2), finished(t, s, "gate", epoch.Add(time.Minute), 3)
	finished(t, s, "yard", epoch, 4)
	unsafe := func() map[string]time.Duration {
		unsent, err := s.UnsentByCamera(ctx)
		must(t, err)
		got := map[string]time.Duration{}
		for _, u := range unsent {
			if u.Unsafe > 0 {
				got[u.CameraID] += u.Unsafe
			}
		}
		return got
	}
	if got := unsafe(); got["gate"] != 5*time.Second || got["yard"] != 4*time.Second {
		t.Errorf("nothing is anywhere: %v", got)
	}
	must(t, s.Verified(ctx, first.ID, "primary", "size", epoch))
	if got := unsafe(); got["gate"] != 5*time.Second {
		t.Errorf("a required mirror lacks it: %v", got)
	}
	must(t, s.Verified(ctx, first.ID, "onsite", "size", epoch)) // the spare one need not have it
	if got := unsafe(); got["gate"] != 3*time.Second {
		t.Errorf("one is safe: %v", got)
	}
	must(t, s.Verified(ctx, second.ID, "primary", "size", epoch))
	must(t, s.Verified(ctx, second.ID, "onsite", "size", epoch))
	if got := unsafe(); len(got) != 1 || got["yard"] == 0 {
		t.Errorf("both are safe: %v", got)
	}
}

// What was sent ahead counts up to its first hole, and as far as each required
// destination has it.
func TestWhatWasSentAhead(t *testing.T) {
	ctx, s := t.Context(), withMirrors(t, t.TempDir())
	rec := begin(t, s, "gate", epoch)
	rec.parts(t, 1)
	must(t, s.Begun(ctx, rec.Segment))
	ahead := func() int64 {
		n, err := s.SentAhead(ctx, rec.ID)
		must(t, err)
		return n
	}
	send := func(destination string, numbers ...int) {
		for _, n := range numbers {
			must(t, s.PartSent(ctx, rec.ID, destination, UploadPart{Number: n, Size: 5}))
		}
	}
	for _, destination := range []string{"primary", "onsite"} {
		if n := ahead(); n != 0 {
			t.Errorf("%d bytes before %s has any", n, destination)
		}
		must(t, s.UploadOpened(ctx, rec.ID, destination, Upload{ID: "u", PartSize: 5}))
	}
	send("primary", 1, 2, 3)
	send("onsite", 2, 3)
	if n := ahead(); n != 0 {
		t.Errorf("%d bytes without the first part", n)
	}
	send("onsite", 1, 5)
	if n := ahead(); n != 15 {
		t.Errorf("%d bytes, both have 15", n)
	}
}

// Segments are counted by their state, whatever has become of them.
func TestSegmentsAreCountedByState(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	for i := range 5 {
		seg := finished(t, s, "gate", epoch.Add(time.Duration(i)*time.Minute), 1)
		if i < 2 {
			must(t, s.deleted(ctx, seg.ID))
		} else if i == 2 {
			must(t, s.FileMissing(ctx, seg.ID))
		}
	}
	open, empty := begin(t, s, "gate", epoch.Add(time.Hour)), begin(t, s, "yard", epoch.Add(time.Hour))
	must(t, s.Begun(ctx, open.Segment))
	must(t, s.Begun(ctx, empty.Segment))
	must(t, s.empty(ctx, empty.ID))
	must(t, s.View(ctx, true, func(v *View) error {
		got, err := v.States(ctx)
		want := map[State]int{Recording: 1, Finished: 2, Deleted: 2, Missing: 1, Empty: 1}
		if !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		return err
	}))
}

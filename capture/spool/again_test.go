package spool

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestDueAgain(t *testing.T) {
	ctx, s := t.Context(), withMirrors(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 1)
	due := func() (out []string) {
		for _, d := range []string{"primary", "onsite", "spare"} {
			jobs, err := s.DueDeliveries(ctx, Due{Destination: d, Now: epoch, Limit: 10})
			must(t, err)
			for _, job := range jobs {
				if job.Delivery.Attempts != 0 {
					t.Errorf("%s: %d attempts", d, job.Delivery.Attempts)
				}
				out = append(out, d)
			}
		}
		return out
	}
	must(t, s.Verified(ctx, rec.ID, "spare", "size", epoch))
	must(t, s.Stored(ctx, rec.ID, "onsite"))
	for range 9 {
		must(t, s.DeliveryDeferred(ctx, rec.ID, "primary", "busy", epoch.Add(10*time.Minute)))
		must(t, s.DeliveryDeferred(ctx, rec.ID, "onsite", "busy", epoch.Add(10*time.Minute)))
	}
	must(t, s.CentralDeferred(ctx, rec.ID, "500", epoch.Add(time.Hour)))
	if got := due(); got != nil {
		t.Fatalf("due before: %v", got)
	}
	if a, err := s.DueAgain(ctx, rec.ID, true); err != nil || a != (Again{Segments: 1, Deliveries: 2, Reports: 1}) {
		t.Errorf("%+v, %v", a, err)
	}
	if got := due(); !slices.Equal(got, []string{"primary", "onsite"}) {
		t.Errorf("due afterwards: %v", got)
	}
	if segs, err := s.Unreported(ctx, epoch, 10); err != nil || len(segs) != 1 {
		t.Errorf("due at central: %v, %v", ids(segs), err)
	}
	deliveries, err := s.Deliveries(ctx, rec.ID)
	must(t, err)
	if d := deliveries[1]; d.State != Stored || d.LastError != "busy" {
		t.Errorf("what was stored became %+v", d)
	}
	for _, d := range []string{"primary", "onsite"} {
		must(t, s.Verified(ctx, rec.ID, d, "size", epoch))
	}
	if a, err := s.DueAgain(ctx, rec.ID, false); !errors.Is(err, ErrTransition) {
		t.Errorf("with nothing to wait for: %+v, %v", a, err)
	}
	if _, err := s.DueAgain(ctx, "nobody", true); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown segment: %v", err)
	}
}

// What central has refused for good is asked again, where it was refused; also when
// its file has been deleted meanwhile.
func TestRefusedSegmentIsDueAgain(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	camera, cleaned := finished(t, s, "gate", epoch, 1), finished(t, s, "gate", epoch.Add(time.Minute), 1)
	for _, rec := range []*recording{camera, cleaned} {
		must(t, s.Verified(ctx, rec.ID, "primary", "size", epoch))
		must(t, s.RegisterAttempted(ctx, rec.ID))
	}
	must(t, s.Registered(ctx, cleaned.ID, "rec-1"))
	must(t, s.CentralRefused(ctx, camera.ID, "403", epoch, true, epoch))
	must(t, s.CentralRefused(ctx, cleaned.ID, "404", epoch, true, epoch))
	must(t, s.Delete(ctx, camera.ID))
	unreported := func() []string {
		segs, err := s.Unreported(ctx, epoch, 10)
		must(t, err)
		return ids(segs)
	}
	if got := unreported(); got != nil {
		t.Fatalf("due although refused: %v", got)
	}
	if a, err := s.DueAgain(ctx, camera.ID, false); !errors.Is(err, ErrTransition) {
		t.Errorf("without a central server: %+v, %v", a, err)
	}
	if a, err := s.FailuresDueAgain(ctx, true); err != nil || a != (Again{Segments: 2, Reports: 2}) {
		t.Errorf("%+v, %v", a, err)
	}
	if got := unreported(); !slices.Equal(got, []string{camera.ID, cleaned.ID}) && !slices.Equal(got, []string{cleaned.ID, camera.ID}) {
		t.Errorf("due: %v", got)
	}
	if c := state(t, s, camera.ID).Central; c.State != CentralNone || !c.RefusedAt.IsZero() {
		t.Errorf("never registered: %+v", c)
	}
	if c := state(t, s, cleaned.ID).Central; c.State != CentralRegistered || c.RecordingID != "rec-1" {
		t.Errorf("registered: %+v", c)
	}
}

// A segment that was deleted while there was no central server is none of its
// business later.
func TestDeletedWithoutCentralIsNotReported(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 1)
	must(t, s.Verified(ctx, rec.ID, "primary", "size", epoch))
	must(t, s.Delete(ctx, rec.ID))
	if n := unreportedCount(t, s); n != 0 {
		t.Errorf("%d to be reported", n)
	}
	if a, err := s.DueAgain(ctx, rec.ID, true); !errors.Is(err, ErrTransition) {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestOnlyFailuresAreDueAgain(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	failed, fresh := finished(t, s, "gate", epoch, 1), finished(t, s, "gate", epoch.Add(time.Minute), 1)
	gone := finished(t, s, "gate", epoch.Add(2*time.Minute), 1)
	must(t, s.DeliveryDeferred(ctx, failed.ID, "primary", "busy", epoch.Add(time.Minute)))
	must(t, s.DeliveryDeferred(ctx, gone.ID, "primary", "busy", epoch.Add(time.Minute)))
	must(t, s.FileMissing(ctx, gone.ID))
	if a, err := s.FailuresDueAgain(ctx, false); err != nil || a != (Again{Segments: 1, Deliveries: 1}) {
		t.Errorf("%+v, %v", a, err)
	}
	hint := s.Subscribe()
	if a, err := s.DueAgain(ctx, fresh.ID, false); err != nil || a != (Again{Segments: 1, Deliveries: 1}) {
		t.Errorf("one that was never tried: %+v, %v", a, err)
	}
	select {
	case <-hint:
	default:
		t.Error("nobody was told")
	}
	if a, err := s.DueAgain(ctx, gone.ID, false); !errors.Is(err, ErrTransition) {
		t.Errorf("one without a file: %+v, %v", a, err)
	}
}

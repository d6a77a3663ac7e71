package spool

import (
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// withMirrors opens a spool with a primary destination, a required mirror and one
// that is not.
func withMirrors(t *testing.T, dir string) *Spool {
	t.Helper()
	key := func(s Segment) string { return s.ID + ".mp4" }
	s, err := Open(t.Context(), Options{
		Dir: dir, ClientName: "warehouse-7", Log: zerolog.New(zerolog.NewTestWriter(t)), Now: func() time.Time { return epoch },
		Destinations: []Destination{{Name: "primary", Bucket: "footage", Key: key}, {Name: "onsite", Bucket: "b", Key: key}, {Name: "spare", Bucket: "c", Key: key, Optional: true}},
	})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *Spool) isSafe(t *testing.T, now time.Time) bool {
	t.Helper()
	segs, err := s.Safe(t.Context(), false, now, 0, 10)
	must(t, err)
	return len(segs) > 0
}

// A local file waits for all required destinations, and for a while for others.
func TestFileWaitsForMirrors(t *testing.T) {
	ctx, s := t.Context(), withMirrors(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 2)
	later := epoch.Add(24 * time.Hour)
	must(t, s.Verified(ctx, rec.ID, "primary", "size, crc64nvme", epoch))
	must(t, s.Verified(ctx, rec.ID, "spare", "size, crc64nvme", epoch))
	if s.isSafe(t, later) {
		t.Error("safe without the required mirror")
	}
	must(t, s.Verified(ctx, rec.ID, "onsite", "size, crc64nvme", epoch))
	if !s.isSafe(t, epoch) {
		t.Error("not safe although all have it")
	}

	lagging := finished(t, s, "yard", epoch, 2)
	must(t, s.UploadOpened(ctx, lagging.ID, "spare", Upload{ID: "half", PartSize: 5 << 20}))
	must(t, s.PartSent(ctx, lagging.ID, "spare", UploadPart{Number: 1, Size: 5 << 20, Checksum: "sum", ETag: "etag"}))
	must(t, s.Delete(ctx, rec.ID))
	for _, d := range []string{"primary", "onsite"} {
		must(t, s.Verified(ctx, lagging.ID, d, "size, crc64nvme", epoch))
	}
	if s.isSafe(t, epoch.Add(optionalGrace-time.Second)) {
		t.Error("the mirror that is not required got no time at all")
	}
	if !s.isSafe(t, epoch.Add(optionalGrace)) {
		t.Error("a mirror that is not required holds the file for ever")
	}
	must(t, s.Delete(ctx, lagging.ID))
	deliveries, err := s.Deliveries(ctx, lagging.ID)
	must(t, err)
	if d := deliveries[2]; d.Destination != "spare" || d.State != Missed || d.Upload != nil {
		t.Errorf("the mirror that never got it: %+v", d)
	}
	if jobs, err := s.DueDeliveries(ctx, Due{Destination: "spare", Now: later, Limit: 10}); err != nil || len(jobs) != 0 {
		t.Errorf("it is still to be uploaded: %+v, %v", jobs, err)
	}
	must(t, s.Verified(ctx, lagging.ID, "spare", "size, crc64nvme", epoch)) // it was under way all the time
}

// Central is told when the primary destination has a segment, whatever a mirror does.
func TestMirrorDoesNotHoldUpCentral(t *testing.T) {
	ctx, s := t.Context(), withMirrors(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 2)
	must(t, s.RegisterAttempted(ctx, rec.ID))
	must(t, s.Registered(ctx, rec.ID, "rec-1"))
	must(t, s.Verified(ctx, rec.ID, "onsite", "size, crc64nvme", epoch))
	if segs, err := s.Unreported(ctx, epoch, 10); err != nil || len(segs) != 0 {
		t.Errorf("to be reported before the primary has it: %+v, %v", segs, err)
	}
	must(t, s.Verified(ctx, rec.ID, "primary", "size, crc64nvme", epoch))
	if segs, err := s.Unreported(ctx, epoch, 10); err != nil || len(segs) != 1 {
		t.Errorf("to be reported: %+v, %v", segs, err)
	}
	if n := unreportedCount(t, s); n != 1 {
		t.Errorf("to be reported: %d", n)
	}
}

// What was verified everywhere, and by a mirror that is configured no more, may
// go; one that is added is owed what is still here.
func TestMirrorsThatComeAndGo(t *testing.T) {
	dir := t.TempDir()
	ctx, s := t.Context(), open(t, dir)
	rec := finished(t, s, "gate", epoch, 2)
	must(t, s.Verified(ctx, rec.ID, "primary", "size, crc64nvme", epoch))
	must(t, s.CentralAcknowledged(ctx, rec.ID, CentralCompleted))
	must(t, s.Close())

	s = withMirrors(t, dir)
	_, err := s.Recover(ctx)
	must(t, err)
	if s.isSafe(t, epoch.Add(time.Hour)) {
		t.Error("safe although a new mirror has nothing")
	}
	if jobs, err := s.DueDeliveries(ctx, Due{Destination: "onsite", Now: epoch, Limit: 10}); err != nil || len(jobs) != 1 {
		t.Errorf("due at the new mirror: %+v, %v", jobs, err)
	}
	if got := state(t, s, rec.ID).Central.State; got != CentralCompleted {
		t.Errorf("central is told again: %s", got)
	}
	must(t, s.Close())

	s, _ = reopen(t, open(t, dir))
	if !s.isSafe(t, epoch.Add(time.Hour)) {
		t.Error("a mirror that is configured no more holds the file")
	}
}

func TestRekeyed(t *testing.T) {
	ctx, s := t.Context(), withMirrors(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 2)
	must(t, s.UploadOpened(ctx, rec.ID, "primary", Upload{ID: "half", PartSize: 5 << 20}))
	must(t, s.PartSent(ctx, rec.ID, "primary", UploadPart{Number: 1, Size: 5 << 20, Checksum: "sum", ETag: "etag"}))
	must(t, s.Stored(ctx, rec.ID, "primary"))
	must(t, s.Rekeyed(ctx, rec.ID, "primary", "another.mp4", "taken"))
	deliveries, err := s.Deliveries(ctx, rec.ID)
	must(t, err)
	if d := deliveries[0]; d.Key != "another.mp4" || d.State != Pending || d.Upload != nil || d.LastError != "taken" || deliveries[1].Key != rec.ID+".mp4" {
		t.Errorf("deliveries: %+v", deliveries)
	}
	must(t, s.Verified(ctx, rec.ID, "primary", "size, crc64nvme", epoch))
	if err := s.Rekeyed(ctx, rec.ID, "primary", "third.mp4", "taken"); err == nil {
		t.Error("a verified object was given another key")
	}
}

// Primary and mirror change places: what is still here goes to the bucket that each
// has now, and the file waits for it.
func TestDestinationsChangePlaces(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := withMirrors(t, dir)
	rec := finished(t, s, "gate", epoch, 2)
	must(t, s.Verified(ctx, rec.ID, "primary", "size, crc64nvme", epoch))
	must(t, s.Close())

	key := func(s Segment) string { return s.ID + ".mp4" }
	s, err := Open(ctx, Options{
		Dir: dir, ClientName: "warehouse-7", Log: zerolog.New(zerolog.NewTestWriter(t)), Now: func() time.Time { return epoch },
		Destinations: []Destination{{Name: "primary", Bucket: "b", Key: key}, {Name: "onsite", Bucket: "footage", Key: key}},
	})
	must(t, err)
	defer s.Close()
	_, err = s.Recover(ctx)
	must(t, err)
	must(t, s.Verified(ctx, rec.ID, "onsite", "size, crc64nvme", epoch)) // it has been there since before
	if s.isSafe(t, epoch.Add(24*time.Hour)) {
		t.Error("safe, although the primary's bucket has no copy")
	}
	must(t, s.Verified(ctx, rec.ID, "primary", "size, crc64nvme", epoch))
	if !s.isSafe(t, epoch.Add(24*time.Hour)) {
		t.Error("not safe although both have it")
	}
}

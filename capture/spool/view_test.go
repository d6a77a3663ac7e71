package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestFilters(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	old := finished(t, s, "yard", at(0), 60)
	done := finished(t, s, "gate", at(1), 60)
	bad := finished(t, s, "gate", at(2), 60)
	refused := finished(t, s, "gate", at(3), 60)
	gone := finished(t, s, "yard", at(4), 60)
	open := begin(t, s, "gate", at(5))
	must(t, s.Begun(ctx, open.Segment))

	for _, rec := range []*recording{done, refused, gone} {
		must(t, s.Verified(ctx, rec.ID, "primary", "size", at(6)))
	}
	must(t, s.DeliveryDeferred(ctx, bad.ID, "primary", "the store is busy", at(7)))
	must(t, s.CentralRefused(ctx, refused.ID, "403", at(6), true, at(6)))
	must(t, s.RegisterAttempted(ctx, done.ID))
	must(t, s.Registered(ctx, done.ID, "rec-1"))
	must(t, s.CentralAcknowledged(ctx, done.ID, CentralCompleted))
	must(t, s.FileMissing(ctx, gone.ID))

	name := map[string]string{old.ID: "old", done.ID: "done", bad.ID: "bad", refused.ID: "refused", gone.ID: "gone", open.ID: "open"}
	for _, tc := range []struct {
		q    Query
		want []string
		more bool
	}{
		{Query{}, []string{"old", "done", "bad", "refused", "gone", "open"}, false},
		{Query{Limit: 2}, []string{"gone", "open"}, true},
		{Query{Limit: 6}, []string{"old", "done", "bad", "refused", "gone", "open"}, false},
		{Query{Cameras: []string{"yard"}}, []string{"old", "gone"}, false},
		{Query{Cameras: []string{"GATE YARD", "nobody"}}, []string{"old", "gone"}, false},
		{Query{Cameras: []string{"YARD"}}, nil, false}, // ids are exact
		{Query{Cameras: []string{"yard", "gate"}, Limit: 3}, []string{"refused", "gone", "open"}, true},
		{Query{State: Recording}, []string{"open"}, false},
		{Query{State: Finished}, []string{"old", "done", "bad", "refused"}, false},
		{Query{State: Missing}, []string{"gone"}, false},
		{Query{State: Deleted}, nil, false},
		{Query{State: Waiting}, []string{"old", "bad", "gone", "open"}, false}, // central has yet to hear of the one that is gone
		{Query{State: Failed}, []string{"bad", "refused"}, false},
		{Query{State: Failed, Cameras: []string{"gate"}, Limit: 1}, []string{"refused"}, true},
		{Query{Since: at(3).Add(time.Second)}, []string{"refused", "gone", "open"}, false}, // one that ended later
		{Query{Since: at(100)}, []string{"open"}, false},
		{Query{Until: at(1)}, []string{"old"}, false},
		{Query{Since: at(1).Add(30 * time.Second), Until: at(1).Add(31 * time.Second)}, []string{"done"}, false},
	} {
		entries, more := seen(t, s.Dir(), tc.q)
		var got []string
		for _, e := range entries {
			got = append(got, name[e.Segment.ID])
		}
		if !slices.Equal(got, tc.want) || more != tc.more {
			t.Errorf("%+v: %v, more %v; want %v, more %v", tc.q, got, more, tc.want, tc.more)
		}
	}

	// Without a central server what it has not heard of does not matter.
	must(t, Look(ctx, LookOptions{Dir: s.Dir(), Primary: "primary"}, func(v *View) error {
		for state, want := range map[State]int{Waiting: 3, Failed: 1} {
			if entries, _, err := v.Segments(ctx, Query{State: state}); err != nil || len(entries) != want {
				t.Errorf("%s without central: %d segments, %v", state, len(entries), err)
			}
		}
		return nil
	}))
}

func TestEntryHoldsAllThatIsKnown(t *testing.T) {
	ctx, s := t.Context(), withMirrors(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 1)
	part := UploadPart{Number: 1, Size: 5 << 20, Checksum: "sum", ETag: "etag"}
	must(t, s.UploadOpened(ctx, rec.ID, "onsite", Upload{ID: "open", PartSize: 5 << 20, Algorithm: "CRC64NVME"}))
	must(t, s.PartSent(ctx, rec.ID, "onsite", part))
	must(t, s.DeliveryDeferred(ctx, rec.ID, "onsite", "busy", epoch.Add(time.Minute)))
	must(t, s.CentralDeferred(ctx, rec.ID, "502", epoch.Add(time.Hour)))
	must(t, Look(ctx, looking(s.Dir()), func(v *View) error {
		found, err := v.Find(ctx, rec.ID, 2)
		if err != nil || len(found) != 1 || len(found[0].Deliveries) != 3 {
			t.Fatalf("found %+v, %v", found, err)
		}
		e := found[0]
		if first, second := e.Deliveries[0], e.Deliveries[1]; first.Destination != "primary" || first.Upload != nil || !first.NextTry.IsZero() ||
			second.Destination != "onsite" || !second.NextTry.Equal(epoch.Add(time.Minute)) || second.Attempts != 1 || !slices.Equal(second.Upload.Parts, []UploadPart{part}) {
			t.Errorf("deliveries: %+v", e.Deliveries)
		}
		if c := e.Segment.Central; c.LastError != "502" || !c.NextTry.Equal(epoch.Add(time.Hour)) {
			t.Errorf("central: %+v", c)
		}
		file, err := v.File(e.Segment)
		if want := filepath.Join(s.Dir(), "segments", "gate", filepath.Base(file)); err != nil || file != want {
			t.Errorf("file %s, %v, want %s", file, err, want)
		}
		if _, err := v.File(Segment{Path: "../secret"}); err == nil {
			t.Error("a path out of the data directory was believed")
		}
		return nil
	}))
}

func TestFindByTheBeginningOfAnID(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	for i, id := range []string{"01aa-1", "01aa-2", "01ab", "02~"[:2]} {
		must(t, s.Begun(ctx, Segment{ID: id, CameraID: "gate", CameraName: "Gate", Path: fmt.Sprintf("segments/gate/%d.mp4", i), Start: epoch}))
	}
	must(t, Look(ctx, looking(s.Dir()), func(v *View) error {
		for prefix, want := range map[string][]string{
			"01": {"01aa-1", "01aa-2", "01ab"}, "01aa": {"01aa-1", "01aa-2"}, "01aa-2": {"01aa-2"}, "02": {"02"}, "3": nil, "0": {"01aa-1", "01aa-2", "01ab"},
		} {
			found, err := v.Find(ctx, prefix, 3)
			must(t, err)
			var got []string
			for _, e := range found {
				got = append(got, e.Segment.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q: %v, want %v", prefix, got, want)
			}
		}
		for _, prefix := range []string{"", "%", "../x", "a b", "é"} {
			if _, err := v.Find(ctx, prefix, 3); !errors.Is(err, ErrUnknown) {
				t.Errorf("%q: %v", prefix, err)
			}
		}
		for camera, want := range map[string]bool{"gate": true, "GATE": true, "Gate": true, "yard": false} {
			if got, err := v.Knows(ctx, camera); err != nil || got != want {
				t.Errorf("camera %q is known: %v, %v", camera, got, err)
			}
		}
		return nil
	}))
}

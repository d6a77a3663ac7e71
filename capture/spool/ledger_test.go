package spool

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func ids(segs []Segment) []string {
	var out []string
	for _, s := range segs {
		out = append(out, s.ID)
	}
	return out
}

func TestDeliveryFromPendingToDeleted(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	newer, older := finished(t, s, "gate", epoch.Add(time.Minute), 2), finished(t, s, "gate", epoch, 1)
	recording := begin(t, s, "gate", epoch.Add(2*time.Minute))
	must(t, s.Begun(ctx, recording.Segment))

	jobs, err := s.DueDeliveries(ctx, Due{Destination: "primary", Now: epoch, Limit: 10})
	if err != nil || len(jobs) != 2 || jobs[0].Segment.ID != older.ID || jobs[1].Segment.ID != newer.ID {
		t.Fatalf("due: %+v, %v", jobs, err)
	}
	if b := backlog(t, s, "primary"); b.Segments != 2 || b.Duration != 3*time.Second || !b.Oldest.Equal(epoch) {
		t.Errorf("backlog: %+v", b)
	}

	up := Upload{ID: "upload-1", PartSize: 5 << 20, Algorithm: "CRC64NVME"}
	part := UploadPart{Number: 1, Size: 100, Checksum: "sum", ETag: "etag"}
	must(t, s.UploadOpened(ctx, older.ID, "primary", up))
	must(t, s.PartSent(ctx, older.ID, "primary", part))
	must(t, s.PartSent(ctx, older.ID, "primary", part)) // sent again: replaced
	jobs, err = s.DueDeliveries(ctx, Due{Destination: "primary", Now: epoch, Limit: 1})
	must(t, err)
	if got := jobs[0].Delivery.Upload; got == nil || got.ID != up.ID || got.PartSize != up.PartSize || !slices.Equal(got.Parts, []UploadPart{part}) {
		t.Errorf("open upload: %+v", got)
	}

	must(t, s.DeliveryDeferred(ctx, older.ID, "primary", "the store is busy", epoch.Add(time.Minute)))
	if jobs, err = s.DueDeliveries(ctx, Due{Destination: "primary", Now: epoch, Limit: 10}); err != nil || len(jobs) != 1 || jobs[0].Segment.ID != newer.ID {
		t.Errorf("due while the older one waits: %+v, %v", jobs, err)
	}

	if err := s.Delete(ctx, older.ID); !errors.Is(err, ErrTransition) {
		t.Errorf("deleting what is not safe: %v", err)
	}
	must(t, s.Stored(ctx, older.ID, "primary"))
	must(t, s.Verified(ctx, older.ID, "primary", "size, crc64nvme", epoch))
	if err := s.Verified(ctx, older.ID, "primary", "again", epoch); !errors.Is(err, ErrTransition) {
		t.Errorf("verifying twice: %v", err)
	}

	safe := func(central bool, now time.Time, keep time.Duration) []string {
		segs, err := s.Safe(ctx, central, now, keep, 10)
		must(t, err)
		return ids(segs)
	}
	if got := safe(true, epoch, 0); got != nil {
		t.Errorf("safe before central has acknowledged: %v", got)
	}
	if got := safe(false, epoch.Add(time.Minute), time.Hour); got != nil {
		t.Errorf("safe before keep_for has passed: %v", got)
	}
	must(t, s.RegisterAttempted(ctx, older.ID))
	must(t, s.Registered(ctx, older.ID, "rec-1"))
	must(t, s.CentralAcknowledged(ctx, older.ID, CentralCompleted))
	if got := safe(true, epoch.Add(time.Hour), time.Hour); !slices.Equal(got, []string{older.ID}) {
		t.Errorf("safe: %v", got)
	}
	must(t, s.Delete(ctx, older.ID))
	if _, err := os.Stat(filepath.Join(s.Dir(), older.Path)); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	if got := state(t, s, older.ID).State; got != Deleted {
		t.Errorf("its row says %s", got)
	}
}

func TestWithoutDestinationNothingIsSafe(t *testing.T) {
	o := testOptions(t, t.TempDir())
	o.Destinations = nil
	s, err := Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	finished(t, s, "gate", epoch, 1)
	if segs, err := s.Safe(t.Context(), false, epoch.Add(time.Hour), 0, 10); err != nil || len(segs) != 0 {
		t.Errorf("safe: %v, %v", segs, err)
	}
}

func TestDestinationAddedLaterGetsTheBacklog(t *testing.T) {
	o := testOptions(t, t.TempDir())
	o.Destinations = nil
	s, err := Open(t.Context(), o)
	must(t, err)
	rec := finished(t, s, "gate", epoch, 1)
	s, _ = reopen(t, s)
	jobs, err := s.DueDeliveries(t.Context(), Due{Destination: "primary", Now: epoch, Limit: 10})
	if err != nil || len(jobs) != 1 || jobs[0].Segment.ID != rec.ID {
		t.Errorf("due: %+v, %v", jobs, err)
	}
}

func TestUnreportedOrder(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	day := finished(t, s, "gate", epoch.Add(-24*time.Hour), 1)
	twoDays := finished(t, s, "gate", epoch.Add(-48*time.Hour), 1)
	recent := finished(t, s, "gate", epoch.Add(-20*time.Minute), 1)
	newest := finished(t, s, "gate", epoch.Add(-10*time.Minute), 1)
	open := begin(t, s, "gate", epoch)
	must(t, s.Begun(ctx, open.Segment))

	unreported := func() []string {
		segs, err := s.Unreported(ctx, epoch, 10)
		must(t, err)
		return ids(segs)
	}
	if got, want := unreported(), []string{open.ID, newest.ID, recent.ID, twoDays.ID, day.ID}; !slices.Equal(got, want) {
		t.Fatalf("order %v, want %v", got, want)
	}
	must(t, s.RegisterAttempted(ctx, open.ID))
	must(t, s.RegisterAttempted(ctx, open.ID)) // the first answer was lost
	must(t, s.Registered(ctx, open.ID, "rec"))
	if err := s.Registered(ctx, open.ID, "rec-2"); !errors.Is(err, ErrTransition) {
		t.Errorf("registered twice: %v", err)
	}
	must(t, s.CentralAcknowledged(ctx, open.ID, CentralRecording))
	must(t, s.CentralDeferred(ctx, newest.ID, "500", epoch.Add(time.Minute)))
	must(t, s.CentralRefused(ctx, recent.ID, "403", epoch, false, epoch.Add(time.Hour)))
	must(t, s.CentralRefused(ctx, day.ID, "403", epoch, true, epoch))
	if got, want := unreported(), []string{twoDays.ID}; !slices.Equal(got, want) {
		t.Fatalf("due %v, want %v", got, want)
	}
	if seg := state(t, s, open.ID); seg.Central.Attempts != 2 || seg.Central.RecordingID != "rec" {
		t.Errorf("central: %+v", seg.Central)
	}
	if seg := state(t, s, recent.ID); !seg.Central.RefusedAt.Equal(epoch) || seg.Central.State != CentralNone {
		t.Errorf("refused: %+v", seg.Central)
	}
	if err := s.CentralAcknowledged(ctx, day.ID, CentralCompleted); !errors.Is(err, ErrTransition) {
		t.Errorf("completed after it was refused for good: %v", err)
	}
	// A registered segment has nothing to say until it is verified.
	must(t, s.RegisterAttempted(ctx, twoDays.ID))
	must(t, s.Registered(ctx, twoDays.ID, "rec-3"))
	if got := unreported(); got != nil {
		t.Fatalf("due before verification: %v", got)
	}
	must(t, s.Verified(ctx, twoDays.ID, "primary", "size", epoch))
	if got := unreported(); !slices.Equal(got, []string{twoDays.ID}) {
		t.Fatalf("due after verification: %v", got)
	}
	if n := unreportedCount(t, s); n != 3 {
		t.Errorf("unreported in all: %d", n)
	}
}

func TestGaps(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	s.opts.Now = func() time.Time { return epoch.Add(time.Hour) }
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	if until, err := s.AccountedUntil(ctx, "gate"); err != nil || !until.IsZero() {
		t.Errorf("a camera never seen is accounted for until %v, %v", until, err)
	}
	must(t, s.GapOpened(ctx, "gate", at(0), Connecting, ""))
	must(t, s.GapOpened(ctx, "gate", at(3), Unreachable, "no route")) // now it is known
	must(t, s.GapOpened(ctx, "gate", at(5), Refused, "login refused"))
	must(t, s.GapOpened(ctx, "yard", at(1), Unreachable, ""))
	must(t, s.GapClosed(ctx, "gate", at(9)))
	must(t, s.GapOpened(ctx, "gate", at(20), Stalled, ""))
	must(t, s.GapClosed(ctx, "gate", at(20))) // no length: taken back
	gaps, err := s.Gaps(ctx, "gate")
	must(t, err)
	if len(gaps) != 1 || !gaps[0].Start.Equal(at(0)) || !gaps[0].End.Equal(at(9)) || gaps[0].Cause != Unreachable || gaps[0].Detail != "no route" {
		t.Errorf("gaps: %+v", gaps)
	}
	if until, err := s.AccountedUntil(ctx, "gate"); err != nil || !until.Equal(at(9)) {
		t.Errorf("accounted for until %v, %v", until, err)
	}
	if until, err := s.AccountedUntil(ctx, "yard"); err != nil || !until.Equal(at(1)) {
		t.Errorf("accounted for until %v, %v", until, err)
	}
}

// A segment of which nothing was asked before is not one whose camera is right.
func TestClockOffset(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, "ledger.db"), url.Values{}))
	must(t, err)
	for _, m := range migrations[:2] {
		_, err := db.Exec(m)
		must(t, err)
	}
	_, err = db.Exec(`PRAGMA user_version = 2; INSERT INTO segments (id, camera_id, camera_name, client_name, path, state, start_us)
		VALUES ('old', 'gate', 'Gate', 'host', 'segments/gate/old.mp4', 'deleted', 1)`)
	must(t, err)
	must(t, db.Close())
	s := open(t, dir)
	old, err := s.Segment(ctx, "old")
	if err != nil || old.ClockOffset != nil {
		t.Errorf("before: %v, %v", old.ClockOffset, err)
	}
	for _, want := range []time.Duration{0, -56 * 365 * 24 * time.Hour, time.Microsecond} {
		must(t, s.ClockOffset(ctx, "old", want))
		if old, err = s.Segment(ctx, "old"); err != nil || old.ClockOffset == nil || *old.ClockOffset != want {
			t.Errorf("%v became %v, %v", want, old.ClockOffset, err)
		}
	}
	if err := s.ClockOffset(ctx, "none", 0); !errors.Is(err, ErrTransition) {
		t.Errorf("a segment that is not there: %v", err)
	}
}

func TestPathStaysInTheDataDirectory(t *testing.T) {
	for _, id := range []string{"..", ".", "", "a/b", `a\b`, ".hidden", "x\x00"} {
		if path, err := PathFor(id, "id", epoch); err == nil {
			t.Errorf("camera id %q became %s", id, path)
		}
	}
	s := open(t, t.TempDir())
	if _, err := s.Open(Segment{ID: "x", Path: "../../etc/passwd"}); err == nil {
		t.Error("a path out of the data directory was opened")
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("segments/gate/20261123T100000.000Z_0190aaaa-0000-7000-8000-000000000001.mp4")
	f.Add("segments/../20261123T100000.000Z_x.mp4")
	f.Fuzz(func(t *testing.T, rel string) {
		camera, id, start, ok := parsePath(rel)
		if !ok {
			return
		}
		if back, err := PathFor(camera, id, start); err != nil || !filepath.IsLocal(back) {
			t.Fatalf("%q was taken for camera %q, segment %q: %v", rel, camera, id, err)
		}
	})
}

// What an older agent has recorded was dated by the clock that it had.
func TestLedgerOfAnOlderAgent(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, segmentsDir), 0o750))
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, "ledger.db"), nil))
	must(t, err)
	for _, statement := range append(migrations[:2:2], "PRAGMA user_version = 2",
		`INSERT INTO segments (id, camera_id, camera_name, client_name, path, state, start_us, end_us) VALUES ('old', 'gate', '', '', 'segments/gate/old.mp4', 'deleted', 1000000, 2000000)`,
		`INSERT INTO gaps (camera_id, start_us, cause) VALUES ('gate', 2000000, 'agent stopped')`) {
		_, err := db.Exec(statement)
		must(t, err)
	}
	must(t, db.Close())
	o := testOptions(t, dir)
	host := &testHost{boot: "1", up: time.Hour}
	host.set(epoch)
	o.Clock = host.clock()
	s, err := Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	if r, err := s.FollowClock(t.Context()); err != nil || r.State != ClockSet {
		t.Errorf("the clock is %s, %v", r.State, err)
	}
	if got := state(t, s, "old"); got.Dated != Dated || got.Start.Unix() != 1 {
		t.Errorf("%+v", got)
	}
	if gaps, err := s.Gaps(t.Context(), "gate"); err != nil || len(gaps) != 1 || gaps[0].Start.Unix() != 2 {
		t.Errorf("%+v, %v", gaps, err)
	}
}

// backlog is what a destination has yet to receive, of all cameras.
func backlog(t *testing.T, s *Spool, destination string) (b Backlog) {
	t.Helper()
	unsent, err := s.UnsentByCamera(t.Context())
	must(t, err)
	for _, u := range unsent {
		if u.Destination == destination {
			b.Add(u.Backlog)
		}
	}
	return b
}

// unreportedCount is how many segments wait for central. It has to agree with the list.
func unreportedCount(t *testing.T, s *Spool) int {
	t.Helper()
	unsent, err := s.UnsentByCamera(t.Context())
	must(t, err)
	n, err := s.UnreportedCount(t.Context(), unsent)
	must(t, err)
	list, err := s.segments(t.Context(), "WHERE "+unreported, s.primary())
	must(t, err)
	if len(list) != n {
		t.Errorf("%d segments are counted as unreported, %d are listed", n, len(list))
	}
	return n
}

// TestPanicInATransaction: the ledger has one connection, and whoever catches the panic
// goes on to use it.
func TestPanicInATransaction(t *testing.T) {
	s := open(t, t.TempDir())
	func() {
		defer func() { _ = recover() }()
		_ = s.ledger.tx(t.Context(), func(*sql.Tx) error { panic("an index out of range") })
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := s.LocalBytes(ctx); err != nil {
		t.Error(err)
	}
}

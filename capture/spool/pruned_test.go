package spool

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// What others need of rows that are gone stays as it was, over a restart as well.
func TestWhatIsToldStays(t *testing.T) {
	b := newAging(t)
	b.months()
	want := b.told()
	if p := b.days(500); p.Segments < 190 || p.Gaps < 190 {
		t.Errorf("%+v were pruned", p)
	}
	if got := b.told(); !reflect.DeepEqual(got, want) {
		t.Errorf("it was %+v\nand is %+v", want, got)
	}
	b.restart()
	if got := b.told(); !reflect.DeepEqual(got, want) {
		t.Errorf("after a restart: it was %+v\nand is %+v", want, got)
	}
	if p := b.days(1); p != (Pruned{}) {
		t.Errorf("%+v more went", p)
	}
}

// Of a camera that has ended since the clock was set back by much, the last rows from
// before and from after that stay.
func TestLastOfAClockThatWasSetBackStays(t *testing.T) {
	b := newAging(t)
	for range 3 {
		b.row("gate", "")
	}
	b.host.set(b.host.now().Add(-day))
	must(t, b.GapBetween(t.Context(), "gate", b.host.now(), b.host.now(), ClockStep, ""))
	for range 3 {
		b.row("gate", "")
	}
	want := b.told()
	if p := b.days(50); p.Segments != 4 {
		t.Errorf("%+v", p)
	}
	if got := b.told(); !reflect.DeepEqual(got, want) {
		t.Errorf("it was %+v\nand is %+v", want, got)
	}
}

// Whatever moment a kill comes at, what is told is the same, and the next run goes on.
func TestPruningIsKilled(t *testing.T) {
	b := newAging(t)
	b.keep.together = 32
	b.restart()
	b.months()
	want := b.told()
	b.host.up += 500 * day
	_, err := b.Ran(t.Context())
	must(t, err)
	b.host.up += 2 * day // the mark is of the day before
	_, err = b.Ran(t.Context())
	must(t, err)
	b.host.up += 500 * day
	_, err = b.Ran(t.Context())
	must(t, err)
	kills := 0
	_, err = b.Prune(t.Context(), true, func(time.Duration) bool {
		kills++
		killed := &agingBench{t: t, dir: t.TempDir(), host: b.host, keep: b.keep}
		for _, file := range []string{"ledger.db", "ledger.db-wal", "spool.id"} {
			must(t, copyFile(filepath.Join(killed.dir, file), filepath.Join(b.dir, file)))
		}
		killed.open()
		defer killed.Close()
		if got := killed.told(); !reflect.DeepEqual(got, want) {
			t.Errorf("kill %d: it was %+v\nand is %+v", kills, want, got)
		}
		if _, err := killed.Prune(t.Context(), true, unrested); err != nil {
			t.Errorf("kill %d: %v", kills, err)
		}
		if got := killed.told(); !reflect.DeepEqual(got, want) {
			t.Errorf("kill %d, pruned: it was %+v\nand is %+v", kills, want, got)
		}
		return true
	})
	must(t, err)
	if kills < 10 {
		t.Errorf("killed %d times", kills)
	}
}

// A file that turns up when its row is gone begins no segment, unless its footage is
// nowhere else.
func TestPrunedFileTurnsUp(t *testing.T) {
	b := newAging(t)
	uploaded, missing := finished(t, b.Spool, "gate", epoch, 2), finished(t, b.Spool, "gate", epoch.Add(time.Minute), 2)
	films := map[string][]byte{}
	for _, rec := range []*recording{uploaded, missing} {
		var err error
		films[rec.Path], err = os.ReadFile(rec.file.Name())
		must(t, err)
	}
	must(t, b.Verified(t.Context(), uploaded.ID, "primary", "size", epoch))
	must(t, b.RegisterAttempted(t.Context(), uploaded.ID))
	must(t, b.Registered(t.Context(), uploaded.ID, "rec"))
	must(t, b.CentralAcknowledged(t.Context(), uploaded.ID, CentralCompleted))
	must(t, b.Delete(t.Context(), uploaded.ID))
	must(t, os.Remove(missing.file.Name()))
	must(t, b.FileMissing(t.Context(), missing.ID))
	must(t, b.CentralAcknowledged(t.Context(), missing.ID, CentralFailed))
	b.host.up += 10 * time.Minute
	b.row("gate", "")
	if p := b.days(47); p.Segments != 2 {
		t.Fatalf("%+v", p)
	}
	for path, film := range films {
		must(t, os.WriteFile(filepath.Join(b.dir, path), film, 0o640))
	}
	if r := b.restart(); r != (Recovery{Adopted: 1}) {
		t.Errorf("%+v", r)
	}
	if b.has(uploaded.Segment) || !b.has(missing.Segment) {
		t.Errorf("the uploaded one has a row: %v, the missing one has: %v", b.has(uploaded.Segment), b.has(missing.Segment))
	}
	if _, err := os.Stat(filepath.Join(b.dir, uploaded.Path)); err != nil {
		t.Errorf("whoever has put it there misses it: %v", err)
	}
	if l := b.Leftovers(); l.Count != 0 {
		t.Errorf("%+v", l)
	}
}

// What was taken over and uploaded once is not taken over again.
func TestPrunedFileIsBroughtAgain(t *testing.T) {
	b := newAging(t)
	film := bring(t, b.Spool, "gate", epoch, 3)
	_, err := b.TakeOver(t.Context(), film.Segment, film.source, fine)
	must(t, err)
	must(t, b.Verified(t.Context(), film.ID, "primary", "size", epoch))
	must(t, b.CentralAcknowledged(t.Context(), film.ID, CentralCompleted))
	must(t, b.Delete(t.Context(), film.ID))
	b.host.up += time.Minute
	b.row("gate", "")
	if b.days(47); b.has(film.Segment) {
		t.Fatal("its row is there")
	}
	film.again(t)
	if _, err := b.TakeOver(t.Context(), film.Segment, film.source, fine); !errors.Is(err, ErrTakenBefore) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(film.source); err != nil || b.has(film.Segment) {
		t.Errorf("it was taken: %v", err)
	}
}

// An upload that a store has had since before what was pruned is nobody's to complete.
func TestUploadOfAPrunedSegment(t *testing.T) {
	b := newAging(t)
	seg := b.row("gate", "")
	b.row("gate", "")
	key := "recordings/gate/" + seg.ID + ".mp4"
	claim := func(key string, opened time.Time) Claim {
		t.Helper()
		c, err := b.Claim(t.Context(), "primary", key, "another", opened)
		must(t, err)
		return c
	}
	if c := claim(key, seg.Start); c != KeyClaimed {
		t.Errorf("%v", c)
	}
	b.days(47)
	if c := claim(key, seg.Start); c != Forgotten {
		t.Errorf("pruned: %v", c)
	}
	if c := claim(key, b.host.now()); c != Unclaimed {
		t.Errorf("opened since: %v", c)
	}
	lost := b.row("gate", `UPDATE segments SET state = 'missing' WHERE id = ?`)
	_, err := b.ledger.db.Exec(`UPDATE deliveries SET state = 'pending' WHERE segment_id = ?`, lost.ID)
	must(t, err)
	if c := claim("recordings/gate/"+lost.ID+".mp4", seg.Start); c != Unclaimed {
		t.Errorf("of a segment that is known to be lost: %v", c)
	}
}

// Of the ids of those that are gone only so many are remembered.
func TestIDsAreForgotten(t *testing.T) {
	b := newAging(t)
	b.keep.ids = 5
	b.restart()
	var segs []Segment
	for range 20 {
		segs = append(segs, b.row("gate", ""))
	}
	b.days(47)
	for i, seg := range segs {
		yes, err := b.wasPruned(t.Context(), seg.ID)
		must(t, err)
		if want := i >= 14 && i < 19; yes != want {
			t.Errorf("segment %d is remembered: %v", i, yes)
		}
	}
}

// A clock that was set forward is known of for as long as ages are in doubt by it.
func TestDoubtOutlivesPruning(t *testing.T) {
	b := newAging(t)
	b.keep.longDays, b.keep.gaps = 10, 1
	b.restart()
	ahead := b.host.now().AddDate(1, 0, 0)
	must(t, b.GapBetween(t.Context(), "gate", b.host.now(), ahead, ClockStep, ""))
	b.host.set(ahead)
	for range 5 {
		must(t, b.GapBetween(t.Context(), "gate", b.host.now(), b.host.now(), ClockStep, ""))
	}
	doubted := func() time.Time {
		t.Helper()
		until, err := b.AgesDoubtedUntil(t.Context(), b.host.now(), time.Hour, 400*day)
		must(t, err)
		return until
	}
	want := doubted()
	if b.days(300); !doubted().Equal(want) || want.IsZero() {
		t.Errorf("in doubt until %v, was %v", doubted(), want)
	}
	if b.days(90); !doubted().IsZero() {
		t.Error("it is still known of")
	}
}

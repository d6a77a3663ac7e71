package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// agingBench is a spool on a host that runs for as long as a test says.
type agingBench struct {
	t    *testing.T
	dir  string
	host *testHost
	keep keeping
	*Spool
}

func newAging(t *testing.T) *agingBench {
	b := &agingBench{t: t, dir: t.TempDir(), host: &testHost{boot: "first", up: time.Hour}, keep: keepRows}
	b.host.set(epoch)
	b.open()
	return b
}

func (b *agingBench) open() Recovery {
	b.t.Helper()
	o := testOptions(b.t, b.dir)
	o.Now, o.Clock = b.host.now, b.host.clock()
	var err error
	b.Spool, err = Open(b.t.Context(), o)
	must(b.t, err)
	s := b.Spool
	s.keep = b.keep
	b.t.Cleanup(func() { s.Close() })
	r, err := b.Recover(b.t.Context())
	must(b.t, err)
	return r
}

func (b *agingBench) restart() Recovery {
	b.t.Helper()
	must(b.t, b.Spool.Close())
	return b.open()
}

func unrested(time.Duration) bool { return true }

// days pass while the agent runs.
func (b *agingBench) days(n int) (p Pruned) {
	b.t.Helper()
	for range n {
		b.host.up += day
		_, err := b.Ran(b.t.Context())
		must(b.t, err)
		one, err := b.Prune(b.t.Context(), true, unrested)
		must(b.t, err)
		p.Segments, p.Gaps = p.Segments+one.Segments, p.Gaps+one.Gaps
	}
	return p
}

// row is a segment of five minutes as the ledger has it, whose file is gone.
func (b *agingBench) row(camera string, change string) Segment {
	b.t.Helper()
	seg := Segment{ID: uuid.Must(uuid.NewV7()).String(), CameraID: camera, CameraName: camera, ClientName: "host", Start: b.host.now()}
	var err error
	seg.Path, err = PathFor(camera, seg.ID, seg.Start)
	must(b.t, err)
	must(b.t, b.Begun(b.t.Context(), seg))
	b.host.up += 5 * time.Minute
	seg.End = b.host.now()
	must(b.t, b.Verified(b.t.Context(), seg.ID, "primary", "size", seg.End))
	_, err = b.ledger.db.Exec(`UPDATE segments SET state = 'deleted', end_us = ?2, duration_us = 300e6, size = 1000, central_state = 'completed', central_attempts = 1 WHERE id = ?1`, seg.ID, micros(seg.End))
	must(b.t, err)
	if change != "" {
		_, err = b.ledger.db.Exec(change, seg.ID)
		must(b.t, err)
	}
	return seg
}

func (b *agingBench) has(seg Segment) bool {
	b.t.Helper()
	_, err := b.Segment(b.t.Context(), seg.ID)
	if err != nil && !errors.Is(err, ErrUnknown) {
		b.t.Fatal(err)
	}
	return err == nil
}

// A row goes when it is old and nothing is left to be done for it, not before.
func TestWhatIsPruned(t *testing.T) {
	const lostAll = `UPDATE deliveries SET state = 'pending', verified_us = 0 WHERE segment_id = ?1; UPDATE segments SET state = 'missing', `
	for name, tc := range map[string]struct {
		change string
		goes   bool
	}{
		"uploaded and completed":       {"", true},
		"before there was central":     {`UPDATE segments SET central_state = 'none', central_attempts = 0 WHERE id = ?`, true},
		"a mirror missed it":           {`UPDATE deliveries SET state = 'missed' WHERE segment_id = ?`, true},
		"given up, reported":           {lostAll + `given_up = 'full', central_state = 'failed' WHERE id = ?1`, true},
		"missing, reported":            {lostAll + `central_state = 'failed' WHERE id = ?1`, true},
		"empty, reported":              {`UPDATE segments SET state = 'empty', end_us = 0, central_state = 'failed' WHERE id = ?`, true},
		"never dated":                  {`UPDATE segments SET dated = 'never', seen_us = 1 WHERE id = ?`, true},
		"finished":                     {`UPDATE segments SET state = 'finished' WHERE id = ?`, false},
		"recording":                    {`UPDATE segments SET state = 'recording', end_us = 0 WHERE id = ?`, false},
		"central has yet to hear":      {`UPDATE segments SET central_state = 'recording' WHERE id = ?`, false},
		"given up, not reported":       {lostAll + `given_up = 'full', central_state = 'none', central_attempts = 0 WHERE id = ?1`, false},
		"deleted to make room":         {`UPDATE segments SET given_up = 'full', central_state = 'none', central_attempts = 0 WHERE id = ?`, false},
		"missing, not reported":        {lostAll + `central_state = 'registered' WHERE id = ?1`, false},
		"its clock is to be set":       {`UPDATE segments SET dated = 'later' WHERE id = ?`, false},
		"central was tried and failed": {`UPDATE segments SET central_state = 'none' WHERE id = ?`, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newAging(t)
			seg := b.row("gate", tc.change)
			last := b.row("gate", "")
			if b.days(45); !b.has(seg) {
				t.Error("it is gone before its time")
			}
			if b.days(2); b.has(seg) == tc.goes {
				t.Errorf("it is there: %v", b.has(seg))
			}
			if !b.has(last) {
				t.Error("the last of the camera is gone")
			}
		})
	}
}

// What central has refused can be made due again for a year.
func TestRefusedRowsStay(t *testing.T) {
	b := newAging(t)
	seg := b.row("gate", `UPDATE segments SET central_state = 'refused' WHERE id = ?`)
	b.row("gate", "")
	if b.days(399); !b.has(seg) {
		t.Error("it is gone before its time")
	}
	if b.days(3); b.has(seg) {
		t.Error("it is there")
	}
}

// Without a central server nothing is owed to one, but what was begun there.
func TestPrunedWithoutCentral(t *testing.T) {
	b := newAging(t)
	lost := b.row("gate", `UPDATE segments SET state = 'missing', central_state = 'none', central_attempts = 0 WHERE id = ?`)
	begun := b.row("gate", `UPDATE segments SET state = 'missing', central_state = 'registered' WHERE id = ?`)
	b.row("gate", "")
	b.days(50)
	if !b.has(lost) || !b.has(begun) {
		t.Fatal("what central is to hear is gone")
	}
	_, err := b.Prune(t.Context(), false, unrested)
	must(t, err)
	if b.has(lost) || !b.has(begun) {
		t.Errorf("one that central never heard of is there: %v, one that it has is: %v", b.has(lost), b.has(begun))
	}
}

// A segment whose file is there again is not forgotten.
func TestRowWithAFileStays(t *testing.T) {
	b := newAging(t)
	seg := b.row("gate", "")
	b.row("gate", "")
	name := filepath.Join(b.dir, seg.Path)
	must(t, os.MkdirAll(filepath.Dir(name), 0o750))
	must(t, os.WriteFile(name, []byte("is here again"), 0o640))
	if b.days(60); !b.has(seg) {
		t.Fatal("it is gone")
	}
	must(t, os.Remove(name))
	if b.days(1); b.has(seg) {
		t.Error("it is still there")
	}
}

// told is what others are told of all time, and what of a camera is known up to where.
func (b *agingBench) told() map[string]any {
	b.t.Helper()
	ctx, out := b.t.Context(), map[string]any{}
	keep := func(name string, value any, err error) {
		must(b.t, err)
		out[name] = value
	}
	losses, err := b.Losses(ctx)
	keep("losses", losses, err)
	gaps, err := b.GapTotals(ctx, b.host.now())
	keep("gaps", gaps, err)
	cameras, err := b.Cameras(ctx)
	keep("cameras", cameras, err)
	for camera := range cameras {
		until, err := b.AccountedUntil(ctx, camera)
		keep("until "+camera, until, err)
		until, err = b.AccountedBefore(ctx, camera, b.host.now())
		keep("before "+camera, until, err)
	}
	must(b.t, b.View(ctx, true, func(v *View) error {
		states, err := v.States(ctx)
		keep("states", states, err)
		return err
	}))
	var step, newest, newestGap int64
	keep("clock", &step, b.ledger.db.QueryRow(`SELECT coalesce(max(segments_before), 0) FROM gaps WHERE cause = ?`, ClockStep).Scan(&step))
	keep("rows", []int64{newest, newestGap}, b.ledger.db.QueryRow(`SELECT (SELECT max(rowid) FROM segments), (SELECT max(id) FROM gaps)`).Scan(&newest, &newestGap))
	out["clock"], out["rows"] = step, []int64{newest, newestGap}
	return out
}

// months fill a ledger with all kinds of rows of two cameras, of which one is gone.
func (b *agingBench) months() {
	b.t.Helper()
	ctx := b.t.Context()
	b.row("yard", "")
	b.row("yard", `UPDATE segments SET camera_name = 'The yard' WHERE id = ?`)
	must(b.t, b.GapBetween(ctx, "yard", b.host.now(), b.host.now().Add(time.Minute), Stalled, ""))
	for i := range 200 {
		switch i {
		case 20, 30:
			b.row("gate", `UPDATE deliveries SET state = 'pending', verified_us = 0 WHERE segment_id = ?1; UPDATE segments SET state = 'missing', given_up = 'full', central_state = 'failed' WHERE id = ?1`)
		case 40:
			b.row("gate", `UPDATE segments SET state = 'empty', central_state = 'failed' WHERE id = ?`)
		case 100: // the clock was an hour ahead
			at := b.host.now()
			b.host.set(at.Add(-time.Hour))
			must(b.t, b.GapBetween(ctx, "gate", b.host.now(), b.host.now(), ClockStep, ""))
		default:
			b.row("gate", "")
		}
		must(b.t, b.GapBetween(ctx, "gate", b.host.now(), b.host.now().Add(time.Second), []Cause{Stalled, DiskFull}[i%2], ""))
		b.host.up += time.Second
	}
	must(b.t, b.GapOpened(ctx, "gate", b.host.now(), Unreachable, ""))
	must(b.t, b.GapClosed(ctx, "gate", b.host.now().Add(time.Second)))
}

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

// The host's clock makes no row old, and keeps none young.
func TestClockDoesNotAge(t *testing.T) {
	b := newAging(t)
	seg := b.row("gate", "")
	b.row("gate", "")
	must(t, b.GapBetween(t.Context(), "gate", epoch, epoch.Add(time.Minute), Stalled, ""))
	must(t, b.GapBetween(t.Context(), "gate", epoch, epoch.Add(time.Minute), Stalled, ""))
	for range 4 {
		b.host.set(b.host.now().AddDate(3, 0, 0))
		if p := b.days(1); p != (Pruned{}) {
			t.Fatalf("the clock was set years ahead: %+v", p)
		}
		b.restart()
	}
	b.host.reboot(epoch.AddDate(20, 0, 0), "second")
	b.restart()
	if p := b.days(1); p != (Pruned{}) {
		t.Fatalf("it is years ahead after a boot: %+v", p)
	}
	b.host.set(epoch.AddDate(-1, 0, 0)) // before all that it has recorded
	if b.days(42); b.has(seg) {
		t.Error("the clock was set back, and the row stays for ever")
	}
}

// What runs for an hour a day gets old by the hours.
func TestOldIsWhatTheAgentHasRun(t *testing.T) {
	b := newAging(t)
	seg := b.row("gate", "")
	b.row("gate", "")
	for i := range 100 {
		b.host.up += time.Hour
		_, err := b.Ran(t.Context())
		must(t, err)
		b.host.reboot(epoch.AddDate(0, 0, i+1), fmt.Sprint("boot ", i))
		b.restart()
	}
	if p, err := b.Prune(t.Context(), true, unrested); err != nil || p != (Pruned{}) || !b.has(seg) {
		t.Errorf("100 hours in 100 days: %+v, %v", p, err)
	}
}

// Where there are very many rows they go earlier, but not at once.
func TestTooManyRows(t *testing.T) {
	b := newAging(t)
	b.keep.rows, b.keep.gaps = 10, 10
	b.restart()
	var segs []Segment
	for range 30 {
		segs = append(segs, b.row("gate", ""))
		must(t, b.GapBetween(t.Context(), "gate", b.host.now(), b.host.now().Add(time.Second), Stalled, ""))
	}
	if p := b.days(3); p != (Pruned{}) {
		t.Errorf("young ones went: %+v", p)
	}
	if p := b.days(2); p != (Pruned{20, 20}) || b.has(segs[19]) || !b.has(segs[20]) {
		t.Errorf("%+v went", p)
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

// A disk that is away has no files: nothing is forgotten for that.
func TestNothingIsPrunedWhileTheDiskIsAway(t *testing.T) {
	b := newAging(t)
	seg := b.row("gate", "")
	b.row("gate", "")
	b.host.up += 48 * day
	for range 2 {
		_, err := b.Ran(t.Context())
		must(t, err)
		b.host.up += 48 * day
	}
	id := filepath.Join(b.dir, "spool.id")
	must(t, os.Rename(id, id+".away"))
	_, err := b.Ran(t.Context())
	must(t, err)
	if _, err := b.Prune(t.Context(), true, unrested); !errors.Is(err, ErrAway) || !b.has(seg) {
		t.Errorf("%v", err)
	}
	must(t, os.Rename(id+".away", id))
	if p, err := b.Prune(t.Context(), true, unrested); err != nil || p.Segments != 1 {
		t.Errorf("%+v, %v", p, err)
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

// An agent that is stopped while it prunes goes on another day.
func TestPruningIsStopped(t *testing.T) {
	b := newAging(t)
	for range 200 {
		b.row("gate", "")
	}
	b.host.up += 48 * day
	for range 2 {
		_, err := b.Ran(t.Context())
		must(t, err)
		b.host.up += 48 * day
	}
	_, err := b.Ran(t.Context())
	must(t, err)
	p, err := b.Prune(t.Context(), true, func(time.Duration) bool { return false })
	if err != nil || p.Segments == 0 || p.Segments > 100 {
		t.Errorf("%+v, %v", p, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Prune(ended, true, unrested); err == nil || !strings.Contains(err.Error(), "ledger: ") {
		t.Errorf("%v", err)
	}
	if more, err := b.Prune(t.Context(), true, unrested); err != nil || p.Segments+more.Segments != 199 {
		t.Errorf("%+v, then %+v, %v", p, more, err)
	}
}

// Whoever records notes what it has to while old rows go.
func TestRecordingGoesOnWhilePruning(t *testing.T) {
	b := newAging(t)
	for range 10 {
		b.recorded(1, 288)
		b.host.up += day
	}
	b.host.up += time.Minute
	for range 2 {
		_, err := b.Ran(t.Context())
		must(t, err)
		b.host.up += 47 * day
	}
	_, err := b.Ran(t.Context())
	must(t, err)
	pruned, now := make(chan error), b.host.now()
	go func() {
		p, err := b.Prune(t.Context(), true, unrested)
		if p.Segments != 2879 {
			t.Errorf("%+v", p)
		}
		pruned <- err
	}()
	noted, worst := 0, time.Duration(0)
	for ended := false; !ended; noted++ {
		select {
		case err := <-pruned:
			must(t, err)
			ended = true
		default:
		}
		began := time.Now()
		must(t, b.GapBetween(t.Context(), "gate", now, now.Add(time.Second), Stalled, ""))
		worst = max(worst, time.Since(began))
	}
	t.Logf("%d gaps were noted meanwhile, each within %v", noted, worst.Round(time.Millisecond))
	if noted < 20 || worst > 5*time.Second { // on a busy machine, with the race detector
		t.Errorf("%d gaps were noted meanwhile, one of them took %v", noted, worst)
	}
}

package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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

// A day counts when it is over, at whatever hour it was marked.
func TestMarkOfALateHour(t *testing.T) {
	b := newAging(t)
	b.host.up += 23 * time.Hour
	seg := b.row("gate", "")
	b.row("gate", "")
	for _, passed := range []time.Duration{0, 44*day + time.Hour} {
		b.host.up += passed
		_, err := b.Ran(t.Context())
		must(t, err)
	}
	if p, err := b.Prune(t.Context(), true, unrested); err != nil || !b.has(seg) {
		t.Errorf("it is 44 days old, and gone: %+v, %v", p, err)
	}
}

// A row that is taken up again while its file is looked for does not go.
func TestRowIsTakenUpMeanwhile(t *testing.T) {
	b := newAging(t)
	gone := b.row("gate", "")
	again := b.row("gate", `UPDATE segments SET central_state = 'registered' WHERE id = ?`)
	must(t, b.ledger.tx(t.Context(), func(tx *sql.Tx) error {
		rows, err := goners(t.Context(), tx, true, `[1, 2]`)
		if err == nil && (len(rows) != 1 || rows[0].id != gone.ID) {
			t.Errorf("%+v go, not only %s and not %s", rows, gone.ID, again.ID)
		}
		return err
	}))
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

// An agent that is stopped while it prunes goes on another day.
func TestPruningIsStopped(t *testing.T) {
	b := newAging(t)
	for range 200 {
		b.row("gate", "")
	}
	b.host.up += 48 * day
	b.ages(48 * day)
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
	b.ages(47 * day)
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

package spool

import (
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/mp4"
)

func (s *Spool) onlyGap(t *testing.T, camera string) Gap {
	t.Helper()
	gaps, err := s.Gaps(t.Context(), camera)
	must(t, err)
	if len(gaps) != 1 {
		t.Fatalf("gaps of camera %s: %+v", camera, gaps)
	}
	return gaps[0]
}

// A gap that a kill left open ends where the footage begins whose row came too late to
// say so, with its row and without; where there is none, with what is known last. So
// does that of a camera that nobody wants any more.
func TestRecoverEndsOpenGaps(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	start := epoch.Add(-time.Minute)
	for _, camera := range []string{"begun", "adopted", "never", "gone"} {
		must(t, s.GapOpened(ctx, camera, start, Connecting, ""))
	}
	finished(t, s, "never", start.Add(-10*time.Second), 3) // before the gap
	withRow := begin(t, s, "begun", start.Add(7*time.Second))
	withRow.parts(t, 3)
	must(t, s.Begun(ctx, withRow.Segment))
	without := begin(t, s, "adopted", start.Add(8*time.Second))
	without.parts(t, 3)
	must(t, without.file.Close())
	s, _ = reopen(t, s)
	for camera, length := range map[string]time.Duration{"begun": 7 * time.Second, "adopted": 8 * time.Second, "never": 11 * time.Second, "gone": 11 * time.Second} {
		if g := s.onlyGap(t, camera); g.End.Sub(g.Start) != length {
			t.Errorf("the gap of camera %s lasts %v, want %v", camera, g.End.Sub(g.Start), length)
		}
	}
}

// A run that leaves no rows is known to have been alive by its lock file.
func TestAliveIsKnownAfterAKill(t *testing.T) {
	dir, now := t.TempDir(), epoch
	at := func() *Spool {
		s, err := Open(t.Context(), Options{Dir: dir, Log: zerolog.Nop(), Now: func() time.Time { return now }})
		must(t, err)
		_, err = s.Recover(t.Context())
		must(t, err)
		return s
	}
	s := at()
	must(t, s.GapOpened(t.Context(), "gate", epoch, Unreachable, ""))
	now = now.Add(time.Hour)
	s.Alive()
	must(t, s.Close())
	now = now.Add(time.Hour)
	s = at()
	defer s.Close()
	if g := s.onlyGap(t, "gate"); g.End.Sub(g.Start) != time.Hour {
		t.Errorf("the gap lasts %v, the agent was alive for an hour", g.End.Sub(g.Start))
	}
}

// A recovered segment ends where the next thing begins that the ledger knows, and what
// it has lost is a gap.
func TestRecoveredSegmentsEnd(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	start := epoch.Add(-time.Minute)
	rows := map[string]*recording{}
	for _, camera := range []string{"overtaken", "few", "torn", "alone"} {
		rows[camera] = begin(t, s, camera, start)
		rows[camera].parts(t, 4)
		must(t, s.Begun(ctx, rows[camera].Segment))
	}
	finished(t, s, "overtaken", start.Add(3*time.Second), 2)
	must(t, s.GapOpened(ctx, "few", start.Add(6*time.Second), Unreachable, ""))
	must(t, s.GapBetween(ctx, "torn", start.Add(30*time.Second), start.Add(31*time.Second), BadFootage, ""))
	s, _ = reopen(t, s)
	for camera, length := range map[string]time.Duration{"overtaken": 3 * time.Second, "few": 6 * time.Second, "torn": 4 * time.Second, "alone": 4 * time.Second} {
		if seg := state(t, s, rows[camera].ID); (seg.End.Sub(seg.Start) - length).Abs() > time.Millisecond {
			t.Errorf("the segment of camera %s ends after %v, want %v", camera, seg.End.Sub(seg.Start), length)
		}
	}
	gaps, err := s.Gaps(ctx, "torn")
	must(t, err)
	if len(gaps) != 2 || gaps[0].Cause != AgentStopped || !gaps[0].End.Equal(gaps[1].Start) || gaps[0].Start.Sub(start) != 4*time.Second {
		t.Errorf("what was torn off: %+v", gaps)
	}
}

// A segment of which nothing can be played leaves its time as a gap, not a moment of it.
func TestTimeOfSegmentsThatCannotBePlayed(t *testing.T) {
	ctx, now := t.Context(), epoch
	o := testOptions(t, t.TempDir())
	o.Now = func() time.Time { return now }
	s, err := Open(ctx, o)
	must(t, err)
	for _, camera := range []string{"followed", "last", "connecting"} {
		rec := begin(t, s, camera, epoch)
		must(t, rec.file.Close())
		if camera == "connecting" {
			must(t, s.GapOpened(ctx, camera, epoch.Add(-time.Minute), Unreachable, ""))
			continue
		}
		must(t, s.Begun(ctx, rec.Segment))
	}
	must(t, s.GapOpened(ctx, "followed", epoch.Add(3*time.Second), Unreachable, ""))
	now = now.Add(10 * time.Second)
	s.Alive()
	must(t, s.Close())
	now = now.Add(time.Hour)
	s, err = Open(ctx, o)
	must(t, err)
	defer s.Close()
	_, err = s.Recover(ctx)
	must(t, err)
	for camera, want := range map[string][]Stretch{
		"followed":   {{epoch, epoch.Add(3 * time.Second)}, {epoch.Add(3 * time.Second), epoch.Add(10 * time.Second)}},
		"last":       {{epoch, epoch.Add(10 * time.Second)}},
		"connecting": {{epoch.Add(-time.Minute), epoch.Add(10 * time.Second)}},
	} {
		var got []Stretch
		gaps, err := s.Gaps(ctx, camera)
		must(t, err)
		for _, g := range gaps {
			got = append(got, Stretch{g.Start, g.End})
		}
		if !slices.Equal(got, want) {
			t.Errorf("gaps of camera %s: %v, want %v", camera, got, want)
		}
	}
}

// Files of other recorders say nothing of what this agent has recorded.
func TestFilesOfOthersDoNotCountAsRecorded(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	id := ForeignID("gate", 1, "sum")
	path, err := PathFor("gate", id, epoch)
	must(t, err)
	must(t, s.adopted(ctx, Segment{ID: id, CameraID: "gate", Path: path, State: Finished, Start: epoch, End: epoch.Add(time.Minute), Duration: time.Minute, Recorded: time.Minute}))
	finished(t, s, "gate", epoch.Add(time.Hour), 3)
	if sum, err := s.Recorded(ctx, "gate", epoch, epoch.Add(2*time.Hour)); err != nil || sum != 3*time.Second {
		t.Errorf("%v are recorded, %v", sum, err)
	}
	if seen, err := s.Seen(ctx, "gate"); err != nil || !seen.Equal(epoch.Add(time.Hour)) {
		t.Errorf("seen since %v, %v", seen, err)
	}
}

// A segment ends with its pictures; its file may be longer.
func TestSegmentEndsWithItsPictures(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	rec := begin(t, s, "gate", epoch)
	rec.parts(t, 1)
	must(t, s.Begun(ctx, rec.Segment))
	must(t, s.Finished(ctx, rec.ID, epoch, mp4.Result{Duration: time.Minute, Pictures: time.Second}))
	if seg := state(t, s, rec.ID); !seg.End.Equal(epoch.Add(time.Second)) || seg.Duration != time.Minute {
		t.Errorf("it ends at %v and lasts %v", seg.End, seg.Duration)
	}
}

// openBy opens and recovers a spool that lives by a clock.
func openBy(t *testing.T, dir string, now *time.Time) *Spool {
	t.Helper()
	o := testOptions(t, dir)
	o.Now = func() time.Time { return *now }
	s, err := Open(t.Context(), o)
	must(t, err)
	_, err = s.Recover(t.Context())
	must(t, err)
	return s
}

// After the host's clock was set back the ledger has times that are still to come: they
// are neither what follows what is recorded now, nor known to be footage.
func TestTimesThatAreStillToCome(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	now := epoch
	at := func() *Spool { return openBy(t, dir, &now) }
	s := at()
	finished(t, s, "gate", epoch, 10)
	now = epoch.Add(-time.Hour)
	rec := begin(t, s, "gate", now)
	rec.parts(t, 5)
	must(t, s.Begun(ctx, rec.Segment))
	must(t, s.GapOpened(ctx, "yard", now, Unreachable, ""))
	finished(t, s, "yard", epoch.Add(10*time.Minute), 10) // before, by the clock as it was
	must(t, rec.file.Close())
	must(t, s.Close())
	now = now.Add(time.Minute)
	s = at()
	defer s.Close()
	if got := state(t, s, rec.ID); got.End.Sub(got.Start) != 5*time.Second {
		t.Errorf("the segment lasts from %v to %v", got.Start, got.End)
	}
	if until, err := s.AccountedUntil(ctx, "gate"); err != nil || !until.Equal(epoch.Add(5*time.Second-time.Hour)) {
		t.Errorf("known up to %v, %v", until, err)
	}
	if g := s.onlyGap(t, "yard"); g.End.After(now) {
		t.Errorf("the gap lasts from %v to %v, it is %v", g.Start, g.End, now)
	}
}

// What was recorded before the host's clock was set back does not hide what is missing
// when its times come a second time, nor is it what follows.
func TestTimesThatComeTwice(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	now := epoch.Add(time.Minute)
	at := func() *Spool { return openBy(t, dir, &now) }
	s := at()
	for i := range 6 { // a minute
		finished(t, s, "gate", epoch.Add(time.Duration(i)*10*time.Second), 10)
	}
	must(t, s.GapBetween(ctx, "gate", epoch.Add(20*time.Second), epoch.Add(21*time.Second), BadFootage, ""))
	now = epoch
	must(t, s.GapBetween(ctx, "gate", now, now, ClockStep, "set by -1m0s"))
	rec := begin(t, s, "gate", epoch)
	rec.parts(t, 15)
	must(t, s.Begun(ctx, rec.Segment))
	must(t, rec.file.Close())
	must(t, s.Close())
	now = epoch.Add(40 * time.Second)
	s = at()
	defer s.Close()
	if got := state(t, s, rec.ID); got.End.Sub(got.Start) != 15*time.Second {
		t.Errorf("the segment lasts from %v to %v", got.Start, got.End)
	}
	if until, err := s.AccountedUntil(ctx, "gate"); err != nil || !until.Equal(epoch.Add(15*time.Second)) {
		t.Errorf("known up to %v, %v", until, err)
	}
}

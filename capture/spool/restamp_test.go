package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recording-agent/capture/mp4"
)

// unsetBench is a spool on a host whose clock is lost at each boot.
type unsetBench struct {
	t    *testing.T
	dir  string
	host *testHost
	*Spool
}

// newUnset has a segment of ten seconds of a camera, ends at epoch, and boots again
// in 1970.
func newUnset(t *testing.T) *unsetBench {
	b := &unsetBench{t: t, dir: t.TempDir(), host: &testHost{boot: "before", up: time.Hour}}
	b.host.set(epoch)
	b.open()
	finished(t, b.Spool, "gate", epoch.Add(-10*time.Second), 10)
	b.boot("first")
	return b
}

func (b *unsetBench) open() {
	b.t.Helper()
	o := testOptions(b.t, b.dir)
	o.Now, o.Clock = b.host.now, b.host.clock()
	o.Destinations[0].Key = func(s Segment) string { return "recordings/" + s.CameraID + "/" + s.Start.Format(fileTime) + ".mp4" }
	var err error
	if b.Spool, err = Open(b.t.Context(), o); err != nil {
		b.t.Fatal(err)
	}
	s := b.Spool
	b.t.Cleanup(func() { s.Close() })
	if _, err := b.Recover(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// restart is the agent's end and start, crash its end without a last word.
func (b *unsetBench) restart() {
	b.t.Helper()
	must(b.t, b.Spool.Close())
	b.open()
}

func (b *unsetBench) crash() {
	b.t.Helper()
	b.kill()
	b.open()
}

// boot is a power cut, and the next start in 1970.
func (b *unsetBench) boot(name string) {
	b.t.Helper()
	b.kill()
	b.host.reboot(unix0.Add(20*time.Second), name)
	b.open()
}

func (b *unsetBench) follow() ClockState {
	b.t.Helper()
	r, err := b.FollowClock(b.t.Context())
	must(b.t, err)
	return r.State
}

// record records a segment of some seconds from now on, as a camera does that has
// not been recorded before, or goes on.
func (b *unsetBench) record(seconds int) Segment {
	b.t.Helper()
	rec := begin(b.t, b.Spool, "gate", b.host.now())
	must(b.t, b.Begun(b.t.Context(), rec.Segment))
	must(b.t, b.GapClosed(b.t.Context(), "gate", rec.Start))
	rec.parts(b.t, seconds)
	b.host.up += time.Duration(seconds) * time.Second
	rec.finish(b.t, b.Spool)
	return rec.Segment
}

// due lists the keys of what may be uploaded, and wants central to be told of the same.
func (b *unsetBench) due() (keys []string) {
	b.t.Helper()
	jobs, err := b.DueDeliveries(b.t.Context(), Due{Destination: "primary", Now: b.host.now(), Limit: 100})
	must(b.t, err)
	told, err := b.Unreported(b.t.Context(), b.host.now(), 100)
	must(b.t, err)
	if len(told) != len(jobs) {
		b.t.Errorf("%d segments may be uploaded, %d told to central", len(jobs), len(told))
	}
	for _, j := range jobs {
		keys = append(keys, strings.TrimSuffix(filepath.Base(j.Delivery.Key), ".mp4"))
	}
	slices.Sort(keys)
	return keys
}

// account describes the time of the camera, as far as it is known.
func (b *unsetBench) account() string {
	b.t.Helper()
	ctx := b.t.Context()
	var lines []string
	line := func(start, end time.Time, what string) {
		lines = append(lines, fmt.Sprintf("%s %s %s", start.Format("2006-01-02T15:04:05"), end.Format("2006-01-02T15:04:05"), what))
	}
	for _, state := range []State{Finished, Empty, Missing} {
		segs, err := b.Segments(ctx, state)
		must(b.t, err)
		for _, s := range segs {
			line(s.Start, s.End, fmt.Sprintf("%s %s", s.State, s.Dated))
			b.checkFile(s)
		}
	}
	gaps, err := b.Gaps(ctx, "gate")
	must(b.t, err)
	for _, g := range gaps {
		line(g.Start, g.End, string(g.Cause))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// checkFile wants the file of a segment to be where, and what, its row says, and to
// tell its start.
func (b *unsetBench) checkFile(s Segment) {
	b.t.Helper()
	if s.State != Finished {
		return
	}
	want, err := PathFor(s.CameraID, s.ID, s.Start)
	if must(b.t, err); s.Path != want {
		b.t.Errorf("segment of %v lies in %s", s.Start, s.Path)
	}
	size, checksum, err := sum(filepath.Join(b.dir, s.Path))
	if must(b.t, err); size != s.Size || checksum != s.Checksum {
		b.t.Errorf("segment of %v: its file is not what its row says", s.Start)
	}
	r, err := b.readFile(filepath.Join(b.dir, s.Path), s.ID, hurried)
	if must(b.t, err); !r.Start.Equal(s.Start) || r.Checksum != s.Checksum {
		b.t.Errorf("segment of %v: its file tells %v", s.Start, r.Start)
	}
}

func (b *unsetBench) wantAccount(want string) {
	b.t.Helper()
	if got := b.account(); got != strings.TrimSpace(want) {
		b.t.Errorf("the camera's time:\n%s\nwant:\n%s", got, strings.TrimSpace(want))
	}
}

// What is recorded before the clock is set waits, and goes out under its true time.
func TestClockIsSetAfterBoot(t *testing.T) {
	b := newUnset(t)
	ctx := t.Context()
	must(t, b.GapOpened(ctx, "gate", epoch, AgentStopped, "")) // since the last run
	b.host.up += 10 * time.Second
	b.record(60)
	must(t, b.GapOpened(ctx, "gate", b.host.now(), Unreachable, "it does not answer"))
	b.host.up += 5 * time.Second
	b.record(60)
	if state := b.follow(); state != ClockUnset {
		t.Errorf("the clock is %s", state)
	}
	if n, err := b.HeldBack(ctx); len(b.due()) != 0 || n != 2 || err != nil {
		t.Errorf("%v may be uploaded, %d wait (%v)", b.due(), n, err)
	}
	b.host.set(epoch.Add(time.Hour))
	step := b.host.now()
	next := b.record(10) // begins in the moment in which it is set, before anybody looks
	must(t, b.GapBetween(ctx, "gate", unix0.Add(155*time.Second), step, ClockStep, "set by 56 years"))
	if state := b.follow(); state != ClockSet {
		t.Errorf("the clock is %s", state)
	}
	b.wantAccount(`
2026-11-23T09:59:50 2026-11-23T10:00:00 finished yes
2026-11-23T10:00:00 2026-11-23T10:57:55 agent stopped
2026-11-23T10:57:55 2026-11-23T10:58:55 finished yes
2026-11-23T10:58:55 2026-11-23T10:59:00 camera unreachable
2026-11-23T10:59:00 2026-11-23T11:00:00 finished yes
2026-11-23T11:00:00 2026-11-23T11:00:10 finished yes`)
	if got, want := b.due(), []string{"20261123T095950.000Z", "20261123T105755.000Z", "20261123T105900.000Z", "20261123T110000.000Z"}; !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	if at, err := b.AccountedUntil(ctx, "gate"); err != nil || !at.Equal(next.Start.Add(10*time.Second)) {
		t.Errorf("accounted until %v, %v", at, err)
	}
	b.restart()
	if b.follow() != ClockSet || len(b.due()) != 4 {
		t.Errorf("after a restart %v may be uploaded", b.due())
	}
}

// A segment that is still open when the clock is set, or whose row comes afterwards,
// is dated once it is finished.
func TestClockIsSetWhileASegmentIsOpen(t *testing.T) {
	b := newUnset(t)
	ctx := t.Context()
	open, late := begin(t, b.Spool, "gate", b.host.now()), begin(t, b.Spool, "yard", b.host.now())
	open.parts(t, 5)
	late.parts(t, 5)
	must(t, b.Begun(ctx, open.Segment))
	b.host.up += 5 * time.Second
	b.host.set(epoch.Add(time.Hour))
	b.follow()
	must(t, b.Begun(ctx, late.Segment))
	b.follow()
	if keys := b.due(); len(keys) != 1 {
		t.Errorf("%v may be uploaded", keys)
	}
	if job, err := b.LiveDelivery(ctx, open.ID, "primary"); job != nil || err != nil {
		t.Errorf("parts of it may be uploaded: %v, %v", job, err)
	}
	open.finish(t, b.Spool)
	late.finish(t, b.Spool)
	b.follow()
	if got, want := b.due(), []string{"20261123T095950.000Z", "20261123T105955.000Z", "20261123T105955.000Z"}; !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	if s, err := b.Segment(ctx, open.ID); err != nil || s.End.Sub(s.Start) != 5*time.Second {
		t.Errorf("it lasts from %v to %v, %v", s.Start, s.End, err)
	}
}

// The agent is killed, and the host goes on: nothing is lost of what is known of its
// clock.
func TestKilledBeforeTheClockIsSet(t *testing.T) {
	b := newUnset(t)
	b.record(10)
	open := begin(t, b.Spool, "gate", b.host.now())
	open.parts(t, 5)
	must(t, b.Begun(t.Context(), open.Segment))
	b.host.up += time.Minute
	b.crash()
	b.host.up += time.Minute
	b.host.set(epoch.Add(time.Hour)) // while it was away
	b.crash()
	if b.follow() != ClockSet {
		t.Error("the clock is set")
	}
	b.wantAccount(`
2026-11-23T09:59:50 2026-11-23T10:00:00 finished yes
2026-11-23T10:00:00 2026-11-23T10:57:50 agent stopped
2026-11-23T10:57:50 2026-11-23T10:58:00 finished yes
2026-11-23T10:58:00 2026-11-23T10:58:05 finished yes`)
}

// The power is cut while footage gets its times, at each step, and the next start is
// in 1970 again.
func TestPowerCutWhileDating(t *testing.T) {
	cut := errors.New("power cut")
	for name, at := range map[string]func(b *unsetBench){
		"before anything": func(b *unsetBench) {},
		"the file tells its start, and has its old name": func(b *unsetBench) {
			b.rename = func(string, string) error { return cut }
		},
		"the file has its name, and the row not": func(b *unsetBench) {
			b.rename = func(from, to string) error { return errors.Join(os.Rename(from, to), cut) }
		},
		"one of two is done": func(b *unsetBench) {
			n := 0
			b.rename = func(from, to string) error {
				if n++; n > 1 {
					return cut
				}
				return os.Rename(from, to)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for what, again := range map[string]func(b *unsetBench){
				"the agent is killed": (*unsetBench).crash,
				"the host boots":      func(b *unsetBench) { b.boot("second") },
				"it was a fault only": func(b *unsetBench) { b.rename = os.Rename },
			} {
				b := newUnset(t)
				b.record(10)
				b.record(20)
				b.host.set(epoch.Add(time.Hour))
				at(b)
				if _, err := b.FollowClock(t.Context()); (err != nil) != (name != "before anything") {
					t.Fatal(err)
				}
				if name == "before anything" {
					b = newUnset(t)
					b.record(10)
					b.record(20)
				}
				again(b)
				b.host.set(epoch.Add(2 * time.Hour))
				b.follow()
				segs, err := b.Segments(t.Context(), Finished)
				if must(t, err); len(segs) != 3 || len(b.due()) != 3 {
					t.Fatalf("%s: %d segments, %v may be uploaded", what, len(segs), b.due())
				}
				for i, s := range segs {
					b.checkFile(s)
					if i > 0 && (s.Start.Before(segs[i-1].End) || s.Start.Before(epoch) || s.End.After(b.host.now()) || s.Duration != time.Duration(i)*10*time.Second) {
						t.Errorf("%s: segment %d from %v to %v, the one before ends at %v", what, i, s.Start, s.End, segs[i-1].End)
					}
				}
			}
		})
	}
}

// What was recorded under earlier boots can only be put in order: as late as possible,
// and it is marked.
func TestSeveralBootsBeforeTheClockIsSet(t *testing.T) {
	b := newUnset(t)
	b.record(100)
	b.host.up += 10 * time.Second
	b.record(30) // to 160 s after the boot
	b.boot("second")
	b.record(20) // from 20 s to 40 s after the boot
	b.boot("third")
	b.record(10)
	b.host.set(epoch.Add(time.Hour)) // 30 s after the boot
	b.follow()
	b.wantAccount(`
2026-11-23T09:59:50 2026-11-23T10:00:00 finished yes
2026-11-23T10:00:00 2026-11-23T10:56:50 agent stopped
2026-11-23T10:56:50 2026-11-23T10:58:30 finished never
2026-11-23T10:58:30 2026-11-23T10:58:40 agent stopped
2026-11-23T10:58:40 2026-11-23T10:59:10 finished never
2026-11-23T10:59:10 2026-11-23T10:59:30 finished never
2026-11-23T10:59:30 2026-11-23T10:59:50 agent stopped
2026-11-23T10:59:50 2026-11-23T11:00:00 finished yes`)
	if got := b.due(); len(got) != 5 {
		t.Errorf("%v may be uploaded", got)
	}
}

// They are not put before what is known, also when there is little time for them.
func TestLittleTimeForWhatIsUndated(t *testing.T) {
	b := newUnset(t)
	b.record(100)
	b.boot("second")
	b.record(10)
	b.host.set(epoch.Add(time.Minute))
	b.follow()
	b.wantAccount(`
2026-11-23T09:59:50 2026-11-23T10:00:00 finished yes
2026-11-23T10:00:00 2026-11-23T10:00:50 finished never
2026-11-23T10:00:50 2026-11-23T10:01:00 finished yes`)
}

// What was recorded before the clock was set is not the oldest, and what of it had to
// make room is missing at its true time.
func TestGivenUpBeforeTheClockIsSet(t *testing.T) {
	b := newUnset(t)
	b.record(10)
	b.host.up += time.Minute
	locals, err := b.Locals(t.Context(), true, time.Time{}, 10)
	must(t, err)
	_, err = b.GiveUp(t.Context(), locals[len(locals)-1], "no room")
	must(t, err)
	b.host.set(epoch.Add(time.Hour))
	b.follow()
	b.wantAccount(`
2026-11-23T09:59:50 2026-11-23T10:00:00 finished yes
2026-11-23T10:00:00 2026-11-23T10:58:50 agent stopped
2026-11-23T10:58:50 2026-11-23T10:59:00 deleted unsent
2026-11-23T10:58:50 2026-11-23T10:59:00 missing yes`)
}

// Until it has its time, nobody knows how old footage is.
func TestUndatedIsNotTooOld(t *testing.T) {
	b := newUnset(t)
	b.record(10)
	b.host.set(epoch.Add(time.Hour))
	old, err := b.Locals(t.Context(), false, b.host.now().Add(-30*time.Minute), 10)
	if must(t, err); len(old) != 1 || !old[0].Start.Equal(epoch.Add(-10*time.Second)) {
		t.Errorf("older than half an hour: %+v", old)
	}
}

// TestAgeOfWhatIsNeverDated: times of 1970 are no reason to delete what was recorded
// yesterday. Its age counts from when a clock was first seen that can be believed.
func TestAgeOfWhatIsNeverDated(t *testing.T) {
	b := newUnset(t)
	b.host.up += ClockPatience
	b.record(10)
	if b.follow() != ClockDoubted {
		t.Fatal("nobody has set the clock for a day")
	}
	b.record(10)
	old := func(age time.Duration) (n int) {
		t.Helper()
		locals, err := b.Locals(t.Context(), false, b.host.now().Add(-age), 10)
		must(t, err)
		for _, l := range locals {
			if l.Dated == Undated {
				n++
			}
		}
		return n
	}
	now := epoch.Add(100 * 24 * time.Hour)
	b.host.set(now)
	if n := old(time.Hour); n != 0 {
		t.Errorf("%d are old before anybody could know", n)
	}
	if b.follow() != ClockSet {
		t.Fatal("it was set")
	}
	if n := old(time.Hour); n != 0 {
		t.Errorf("%d are old when the clock was set", n)
	}
	b.host.up += 30 * time.Minute
	b.restart()
	b.follow()
	b.host.up += 31 * time.Minute
	if n := old(time.Hour); n != 2 {
		t.Errorf("%d of 2 are old after an hour", n)
	}
	if n := old(2 * time.Hour); n != 0 {
		t.Errorf("%d are two hours old", n)
	}
}

// Nobody sets the clock: after a day footage goes out all the same, and says so.
func TestClockIsNeverSet(t *testing.T) {
	b := newUnset(t)
	b.record(10)
	b.follow()
	b.host.up += ClockPatience - time.Hour
	if b.follow() != ClockUnset || len(b.due()) != 0 {
		t.Errorf("after 23 hours %v may be uploaded", b.due())
	}
	b.boot("second")
	b.record(20)
	b.host.up += time.Hour
	if b.follow() != ClockDoubted {
		t.Error("a day is enough, over several boots as well")
	}
	b.record(30)
	segs, err := b.Segments(t.Context(), Finished)
	must(t, err)
	undated := 0
	for _, s := range segs {
		if s.Dated == Undated {
			undated++
		}
	}
	if got := b.due(); len(got) != 4 || undated != 3 {
		t.Errorf("%v may be uploaded, %d are marked as undated", got, undated)
	}
	b.boot("third")
	if b.record(10); b.follow() != ClockDoubted || len(b.due()) != 5 {
		t.Error("it does not wait for another day after the next boot")
	}
	b.host.set(epoch.Add(48 * time.Hour))
	if b.record(10); b.follow() != ClockSet {
		t.Error("set at last")
	}
	if last := b.due(); last[len(last)-1] != "20261125T100000.000Z" {
		t.Errorf("keys %v", last)
	}
}

// A file that was written under an unset clock and has no row, because the ledger is
// lost, waits as well.
func TestAdoptedFromBeforeTheClockWasSet(t *testing.T) {
	b := newUnset(t)
	rec := begin(t, b.Spool, "gate", b.host.now())
	rec.parts(t, 10)
	must(t, rec.file.Close())
	b.host.up += 10 * time.Second
	b.crash()
	if len(b.due()) != 0 {
		t.Errorf("%v may be uploaded", b.due())
	}
	b.host.set(epoch.Add(time.Hour))
	b.follow()
	b.wantAccount(`
2026-11-23T09:59:50 2026-11-23T10:00:00 finished yes
2026-11-23T10:00:00 2026-11-23T10:59:20 agent stopped
2026-11-23T10:59:20 2026-11-23T10:59:30 finished never`)
}

// A camera with schedules misses only what it was to record.
func TestGapBeforeDatedFootageKeepsToThePlan(t *testing.T) {
	b := newUnset(t)
	b.opts.Wanted = func(camera string, from, to time.Time) []Stretch {
		if camera != "gate" || !from.Equal(epoch) {
			return nil
		}
		return []Stretch{{from, from.Add(time.Minute)}, {to.Add(-time.Minute), to}}
	}
	b.record(10)
	b.host.set(epoch.Add(time.Hour))
	b.follow()
	b.wantAccount(`
2026-11-23T09:59:50 2026-11-23T10:00:00 finished yes
2026-11-23T10:00:00 2026-11-23T10:01:00 agent stopped
2026-11-23T10:58:50 2026-11-23T10:59:50 agent stopped
2026-11-23T10:59:50 2026-11-23T11:00:00 finished yes`)
}

// Of a camera with schedules that had nothing to record before the clock was set,
// what it has missed is noted then.
func TestWindowsMissedBeforeTheClockWasSet(t *testing.T) {
	b := newUnset(t)
	b.opts.Wanted = func(_ string, from, to time.Time) []Stretch {
		return []Stretch{{from, from.Add(time.Minute)}, {to.Add(-time.Minute), to}} // the second is open
	}
	b.follow()
	b.host.set(epoch.Add(time.Hour))
	b.follow()
	const want = `
2026-11-23T09:59:50 2026-11-23T10:00:00 finished yes
2026-11-23T10:00:00 2026-11-23T10:01:00 agent stopped`
	b.wantAccount(want)
	b.follow()
	b.wantAccount(want)
}

// Other recorders have clocks of their own.
func TestOthersFilesDoNotWaitForTheClock(t *testing.T) {
	b := newUnset(t)
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte("theirs")).String()
	path, err := PathFor("gate", id, epoch)
	must(t, err)
	seg := Segment{ID: id, CameraID: "gate", Path: path, Start: epoch}
	must(t, b.Begun(t.Context(), seg))
	must(t, b.Finished(t.Context(), id, epoch, mp4.Result{}))
	if s, err := b.Segment(t.Context(), id); err != nil || s.Dated != Dated {
		t.Errorf("%+v, %v", s.Dated, err)
	}
}

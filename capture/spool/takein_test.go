package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/capture/panics"
)

// withoutLedger fills a spool with segments of some cameras, one of them another recorder's,
// and loses its ledger. It returns what had rows.
func withoutLedger(t *testing.T, cameras, segments int) (dir string, had map[string]any) {
	t.Helper()
	s := open(t, t.TempDir())
	for c := range cameras {
		for i := range segments {
			finished(t, s, fmt.Sprintf("camera-%d", c), epoch.Add(time.Duration(i-segments)*time.Minute), 1+i%2)
		}
	}
	bringForeign(t, s)
	had = kept(t, s)
	must(t, s.Close())
	must(t, os.Remove(filepath.Join(s.Dir(), "ledger.db")))
	return s.Dir(), had
}

func prepared(t *testing.T, s *Spool) *Spool {
	t.Helper()
	_, err := s.Prepare(t.Context())
	must(t, err)
	return s
}

// Before anything is taken in it is known since when footage of each camera is missing. What
// is recorded meanwhile is left alone, and what is taken in is what had rows.
func TestTakenInBehindTheCameras(t *testing.T) {
	dir, had := withoutLedger(t, 3, 50)
	s := prepared(t, open(t, dir))
	for c := range 3 {
		until, err := s.AccountedUntil(t.Context(), fmt.Sprintf("camera-%d", c))
		if want := epoch.Add(-time.Minute + 2*time.Second); err != nil || !until.Equal(want) {
			t.Errorf("camera %d is accounted for until %v, %v; want %v", c, until, err, want)
		}
	}
	if i := s.Intake(); i.Files != 3*49+1 || i.Unread.Segments != 3 {
		t.Errorf("to be taken in: %+v", i)
	}
	now := begin(t, s, "camera-0", epoch)
	now.parts(t, 3)
	begun := begin(t, s, "camera-1", epoch)
	begun.parts(t, 3)
	must(t, s.Begun(t.Context(), begun.Segment))

	r, err := s.TakeIn(t.Context())
	if err != nil || r != (Recovery{Adopted: 3*49 + 1}) {
		t.Errorf("taken in: %+v, %v", r, err)
	}
	if jobs, err := s.DueDeliveries(t.Context(), Due{Destination: "primary", Now: epoch, Limit: 1000}); err != nil || len(jobs) > 0 {
		t.Errorf("%d segments are to be sent that nobody has read, %v", len(jobs), err)
	}
	if i := s.Intake(); i.Files != 0 || i.Bytes != 0 || i.Unread.Segments != len(had) || i.Done() {
		t.Errorf("to be read: %+v", i)
	}
	if r, err := s.readAll(t.Context(), hurried); err != nil || r != (Recovery{}) {
		t.Errorf("read: %+v, %v", r, err)
	}
	if got := kept(t, s); !reflect.DeepEqual(got, had) {
		t.Errorf("%d segments had rows, %d have: %+v, %+v", len(had), len(got), had, got)
	}
	if !s.Intake().Done() {
		t.Errorf("left: %+v", s.Intake())
	}
	jobs, err := s.DueDeliveries(t.Context(), Due{Destination: "primary", Now: epoch, Limit: 1000})
	if err != nil || len(jobs) != len(had) {
		t.Errorf("%d of %d segments are to be sent, %v", len(jobs), len(had), err)
	}
	if got := state(t, s, begun.ID); got.State != Recording || !got.End.IsZero() {
		t.Errorf("what is being recorded is %s and ends at %v", got.State, got.End)
	}
	if _, err := s.Segment(t.Context(), now.ID); !errors.Is(err, ErrUnknown) {
		t.Errorf("what is being recorded was adopted: %v", err)
	}
	must(t, s.Begun(t.Context(), now.Segment))
	now.finish(t, s)
	begun.finish(t, s)
}

// dying ends a context with one of its next messages.
type dying struct {
	left int
	end  context.CancelFunc
}

func (d *dying) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("adopted")) {
		if d.left--; d.left < 0 {
			d.end()
		}
	}
	return len(p), nil
}

// However often the agent ends while it takes in, in the end each file has the one row that
// it had, with the key under which it is in the store.
func TestTakingInEndsAgainAndAgain(t *testing.T) {
	dir, had := withoutLedger(t, 3, 60)
	random := rand.New(rand.NewPCG(7, 7))
	for range 8 {
		ctx, end := context.WithCancel(t.Context())
		o := testOptions(t, dir)
		o.Log = zerolog.New(&dying{random.IntN(60), end})
		s, err := Open(t.Context(), o)
		must(t, err)
		reads := random.IntN(200)
		_, err = s.Prepare(ctx)
		if err == nil {
			_, err = s.TakeIn(ctx)
		}
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		_, _ = s.readAll(t.Context(), func() error {
			if reads--; reads < 0 {
				end()
				return context.Canceled
			}
			return nil
		})
		end()
		must(t, s.Close())
	}
	s := open(t, dir)
	if _, err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := kept(t, s); !reflect.DeepEqual(got, had) {
		t.Errorf("%d segments had rows, %d have", len(had), len(got))
	}
	if r, err := s.Segments(t.Context(), Recording); err != nil || len(r) > 0 {
		t.Errorf("%d are still recorded, %v", len(r), err)
	}
}

// What is newer than a file that has no row yet does not go before it, and all files count
// for the room that they take.
func TestOldestGoesFirstWhileTakingIn(t *testing.T) {
	dir, had := withoutLedger(t, 2, 40)
	s := prepared(t, open(t, dir))
	locals, err := s.Locals(t.Context(), false, time.Time{}, 100)
	if err != nil || len(locals) != 0 {
		t.Errorf("%d could go before the oldest, %v", len(locals), err)
	}
	var bytes int64
	for _, row := range had {
		bytes += row.([]any)[0].(Segment).Size
	}
	s.measure(t.Context())
	if n, err := s.LocalBytes(t.Context()); err != nil || n != bytes {
		t.Errorf("files of %d bytes take %d, %v", bytes, n, err)
	}
	files := s.intake.next(10)
	var r Recovery
	must(t, s.takeInFiles(t.Context(), files, &r))
	s.intake.taken(len(files))
	locals, err = s.Locals(t.Context(), false, time.Time{}, 100)
	if err != nil || len(locals) != len(files) || !locals[0].Start.Equal(files[0].start) {
		t.Errorf("%d can go, %v; want the oldest %d", len(locals), err, len(files))
	}
	if n, err := s.LocalBytes(t.Context()); err != nil || n != bytes {
		t.Errorf("files of %d bytes take %d, %v", bytes, n, err)
	}
	lost, err := s.GiveUp(t.Context(), locals[0], "no room")
	if err != nil || lost != OnlyCopy || state(t, s, locals[0].ID).Checksum == "" { // by which the store can be asked
		t.Errorf("given up: %v, %v, %+v", lost, err, state(t, s, locals[0].ID))
	}
	_, err = s.TakeIn(t.Context())
	must(t, err)
	if locals, err = s.Locals(t.Context(), false, time.Time{}, 100); err != nil || len(locals) != len(had)-1 {
		t.Errorf("%d of %d can go, %v", len(locals), len(had)-1, err)
	}
}

// A segment that a kill has cut off ends where its last pictures do before it is recovered.
// What was recorded since, in another window, is not brought together with it, in the next
// run neither.
func TestKilledSegmentEndsBeforeItIsRecovered(t *testing.T) {
	s := open(t, t.TempDir())
	rec := begin(t, s, "gate", epoch.Add(-3*time.Hour))
	rec.parts(t, 20)
	must(t, s.Begun(t.Context(), rec.Segment))
	lone := begin(t, s, "yard", epoch.Add(-2*time.Hour)) // a crash came before its row
	lone.parts(t, 5)
	must(t, s.Close())

	for range 2 { // and once more, before it was recovered
		s = prepared(t, open(t, s.Dir()))
		for camera, want := range map[string]time.Time{"gate": rec.Start.Add(20 * time.Second), "yard": lone.Start.Add(5 * time.Second)} {
			until, err := s.AccountedUntil(t.Context(), camera)
			if err != nil || !until.Equal(want) {
				t.Errorf("%s is accounted for until %v, %v; want %v", camera, until, err, want)
			}
		}
		if footage, err := s.Footage(t.Context(), "gate", epoch.Add(-4*time.Hour), epoch); err != nil || len(footage) != 1 || footage[0].End.IsZero() {
			t.Errorf("its line of time is %+v, %v", footage, err)
		}
		must(t, s.Close())
	}
	s = prepared(t, open(t, s.Dir()))
	later := finished(t, s, "gate", epoch.Add(-time.Hour), 2)
	must(t, s.Close())

	s = prepared(t, open(t, s.Dir()))
	_, err := s.TakeIn(t.Context())
	must(t, err)
	if r, err := s.readAll(t.Context(), hurried); err != nil || r != (Recovery{Recovered: 2}) {
		t.Errorf("read: %+v, %v", r, err)
	}
	for _, one := range []*recording{rec, lone, later} {
		got := state(t, s, one.ID)
		if want := map[*recording]time.Duration{rec: 20 * time.Second, lone: 5 * time.Second, later: 2 * time.Second}[one]; got.State != Finished || got.End.Sub(got.Start) != want || got.Checksum == "" {
			t.Errorf("%s from %v to %v, %q; want %v", got.State, got.Start, got.End, got.Checksum, want)
		}
	}
	if gaps, err := s.Gaps(t.Context(), "gate"); err != nil || len(gaps) > 0 {
		t.Errorf("nothing was to be recorded between, the gaps are %+v, %v", gaps, err)
	}
}

// What stays on this host is told to central as complete once it was read, as before.
func TestUnreadIsNotComplete(t *testing.T) {
	dir, _ := withoutLedger(t, 1, 2)
	o := testOptions(t, dir)
	o.Destinations = nil
	s, err := Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	prepared(t, s)
	_, err = s.TakeIn(t.Context())
	must(t, err)
	reportable := func() (n int) {
		segs, err := s.Unreported(t.Context(), epoch, 10)
		must(t, err)
		for _, seg := range segs {
			if seg.Central.State == CentralNone {
				must(t, errors.Join(s.RegisterAttempted(t.Context(), seg.ID), s.Registered(t.Context(), seg.ID, "rec-"+seg.ID), s.CentralAcknowledged(t.Context(), seg.ID, CentralRecording)))
			}
		}
		segs, err = s.Unreported(t.Context(), epoch, 10)
		must(t, err)
		return len(segs)
	}
	if n := reportable(); n != 0 {
		t.Errorf("%d are complete that nobody has read", n)
	}
	_, err = s.readAll(t.Context(), hurried)
	must(t, err)
	if n := reportable(); n != 3 {
		t.Errorf("%d of 3 are complete", n)
	}
}

// A panic over one file is an error of that file.
func TestPanicOverAFile(t *testing.T) {
	s := open(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 1)
	name := filepath.Join(s.Dir(), rec.Path)
	_, err := s.readFile(name, rec.ID, func() error { panic("a fault in the parser") })
	var panicked *panics.Error
	if !errors.As(err, &panicked) || !strings.Contains(err.Error(), "a fault in the parser") {
		t.Fatalf("reading a file over which the parser panics: %v", err)
	}
	if _, err := s.readFile(name, rec.ID, hurried); err != nil {
		t.Errorf("the next time: %v", err)
	}
}

// What is deleted to make room in the moment in which it was to be read is no loss.
func TestDeletedWhileReadThrough(t *testing.T) {
	o := testOptions(t, t.TempDir())
	o.Destinations = nil
	s, err := Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	seg := finished(t, s, "gate", epoch, 1)
	_, err = s.ledger.db.Exec(`UPDATE segments SET checksum = '' WHERE id = ?`, seg.ID)
	must(t, err)
	unread := state(t, s, seg.ID)
	s.removing.Lock() // as Delete does from here
	must(t, os.Remove(filepath.Join(s.Dir(), unread.Path)))
	var reading sync.WaitGroup
	var r Recovery
	reading.Go(func() { err = s.readThrough(t.Context(), unread, hurried, &r) })
	time.Sleep(100 * time.Millisecond)
	must(t, s.deleted(t.Context(), seg.ID))
	s.removing.Unlock()
	reading.Wait()
	if got := state(t, s, seg.ID); err != nil || got.State != Deleted || r.Missing != 0 {
		t.Errorf("it is %s, %+v, %v", got.State, r, err)
	}
}

// Where somebody has taken many files away, that is settled as fast however many others there are.
func TestManyFilesWereTakenAway(t *testing.T) {
	const gone = 1000
	settle := func(others int) time.Duration {
		s := open(t, t.TempDir())
		var segs []Segment
		for i := range gone + others {
			start, id := epoch.Add(time.Duration(i-10_000)*time.Minute), uuid.NewString()
			path, err := PathFor("gate", id, start)
			must(t, err)
			segs = append(segs, Segment{ID: id, CameraID: "gate", Path: path, State: Finished, Start: start, End: start.Add(time.Minute), Size: 1, Checksum: "sum="})
		}
		must(t, s.adopted(t.Context(), segs...))
		must(t, os.MkdirAll(filepath.Join(s.Dir(), segmentsDir, "gate"), 0o750))
		for _, seg := range segs[gone:] {
			must(t, os.WriteFile(filepath.Join(s.Dir(), seg.Path), nil, 0o600))
		}
		prepared(t, s)
		began := time.Now()
		if r, err := s.TakeIn(t.Context()); err != nil || r != (Recovery{Missing: gone}) {
			t.Errorf("%+v, %v", r, err)
		}
		return time.Since(began)
	}
	if alone, among := settle(0), settle(6000); among > 4*alone+time.Second {
		t.Errorf("it takes %v for %d, and %v among 6000 others", alone, gone, among)
	}
}

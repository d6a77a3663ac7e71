package uploader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// held is a spool with files that cannot be deleted for a while, as those that a
// player holds open on Windows.
type held struct {
	*spool.Spool
	mu    sync.Mutex
	files map[string]bool
}

func (s *held) Delete(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files[id] {
		return errors.New("the file is in use")
	}
	return s.Spool.Delete(ctx, id)
}

func (s *held) hold(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = map[string]bool{}
	for _, id := range ids {
		s.files[id] = true
	}
}

// roomy is a disk of which nothing is ever missing.
func roomy() (free, total uint64, err error) { return 1 << 40, 1 << 41, nil }

func noMinimum(uint64) uint64 { return 0 }

// retain lets a Retention work until the test ends.
func (s *storage) retain(o RetentionOptions) *Retention {
	s.t.Helper()
	o.Log, o.Now, o.Anywhere = zerolog.Nop(), time.Now, true
	if o.Keep.MinFree == nil {
		o.Keep.MinFree = noMinimum
	}
	r := NewRetention(o)
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = r.Run(ctx) })
	s.stop = func() {
		stop()
		done.Wait()
	}
	return r
}

func (s *storage) verify(i int) {
	s.t.Helper()
	s.must(s.spool.Verified(s.t.Context(), id(i), "primary", "size, crc64nvme", time.Now()))
}

func (s *storage) complete(i int) {
	s.t.Helper()
	s.must(s.spool.RegisterAttempted(s.t.Context(), id(i)))
	s.must(s.spool.Registered(s.t.Context(), id(i), "recording"))
	s.must(s.spool.CentralAcknowledged(s.t.Context(), id(i), spool.CentralCompleted))
}

// states are those of the segments, in one text: f for finished, d, m.
func (s *storage) states(segments int) (out string) {
	s.t.Helper()
	for i := range segments {
		seg, err := s.spool.Segment(s.t.Context(), id(i))
		s.must(err)
		out += string(seg.State[:1])
	}
	return out
}

func TestReapOnlyWhatIsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 4)
		defer s.close()
		for i := range 3 {
			s.verify(i)
		}
		for i := range 2 { // 2 is verified, but central has not acknowledged it
			s.complete(i)
		}
		files := &held{Spool: s.spool}
		files.hold(id(0))
		s.retain(RetentionOptions{Files: files, CentralConfigured: true, Keep: Keep{For: time.Hour}, Disk: roomy})

		after(59 * time.Minute)
		if got := s.states(4); got != "ffff" {
			t.Errorf("states %s within keep_for", got)
		}
		after(2 * time.Minute)
		if got := s.states(4); got != "fdff" {
			t.Errorf("states %s: only the second may go, the first is held open", got)
		}
		files.hold()
		after(time.Minute)
		if got := s.states(4); got != "ddff" {
			t.Errorf("states %s once the first is free", got)
		}
	})
}

// TestFilesThatCannotBeDeletedHoldUpNothing: more than are looked at together.
func TestFilesThatCannotBeDeletedHoldUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3 * reapBatch
		s := newStorage(t, n)
		defer s.close()
		var stuck []string
		for i := range n {
			s.verify(i)
			if i < 2*reapBatch {
				stuck = append(stuck, id(i))
			}
		}
		files := &held{Spool: s.spool}
		files.hold(stuck...)
		s.retain(RetentionOptions{Files: files, Disk: roomy})
		after(5 * time.Minute)
		if left := countOf(s.states(n), 'f'); left != len(stuck) {
			t.Errorf("%d files are left, %d cannot be deleted", left, len(stuck))
		}
		files.hold()
		after(11 * time.Minute)
		if left := countOf(s.states(n), 'f'); left != 0 {
			t.Errorf("%d files are left once all can be deleted", left)
		}
	})
}

// TestManyFilesThatCannotBeDeleted: so many that each look meets some that are tried
// again. The others go, and the disk does not stay full for hours.
func TestManyFilesThatCannotBeDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, free = 600, 10
		s := newStorage(t, n)
		defer s.close()
		var stuck []string
		for i := range n {
			s.verify(i)
			if i < n-free {
				stuck = append(stuck, id(i))
			}
		}
		files := &held{Spool: s.spool}
		files.hold(stuck...)
		full := func() (uint64, uint64, error) { return 100 << 20, 1 << 40, nil }
		s.retain(RetentionOptions{Files: files, Disk: full, Keep: Keep{AfterUpload: true, MinFree: func(uint64) uint64 { return 2 << 30 }}})
		after(2 * time.Minute)
		if left := countOf(s.states(n), 'f'); left != len(stuck) {
			t.Errorf("%d files are left after two minutes, %d cannot be deleted", left, len(stuck))
		}
	})
}

func countOf(s string, what rune) (n int) {
	for _, c := range s {
		if c == what {
			n++
		}
	}
	return n
}

// TestRoomThatRecordingTakesAgain: what was given up makes its room when an upload closes
// it, and recording has taken as much by then. It does not stop for want of more.
func TestRoomThatRecordingTakesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, size, rate = 100, 3 << 20, 1 << 20 // bytes, and bytes per second
		s := newStorage(t, 0)
		defer s.close()
		s.size = size
		for i := range n {
			s.add(i)
		}
		began, deleted := time.Now(), map[int]time.Time{}
		least := int64(1 << 40)
		disk := func() (uint64, uint64, error) {
			free := int64(spool.KeptFree+brinkBytes+1<<20) - int64(rate*time.Since(began).Seconds())
			for i, state := range s.states(n) {
				if _, known := deleted[i]; state != 'f' && !known {
					deleted[i] = time.Now()
				}
				if at, known := deleted[i]; known && time.Since(at) >= 4*time.Second {
					free += size
				}
			}
			least = min(least, free)
			return uint64(free), 100 << 20, nil
		}
		s.retain(RetentionOptions{Files: s.spool, Keep: Keep{AfterUpload: true}, Disk: disk})
		after(2 * time.Minute)
		if least < spool.KeptFree {
			t.Errorf("recording has stopped: %d MB were free at least, %d MB have to be", least>>20, spool.KeptFree>>20)
		}
		if lost := countOf(s.states(n), 'm'); lost > 2*60*rate/size+20 {
			t.Errorf("%d segments were given up, %d would have made room", lost, 2*60*rate/size)
		}
	})
}

func TestOldAndSurplusFilesGoIfTheyAreSafe(t *testing.T) {
	for _, c := range []struct {
		keep Keep
		held []string // cannot be deleted
		want string
	}{ // the segments last a minute, one begins each minute from 00:00 on
		{Keep{MaxAge: 30 * time.Minute}, nil, "dfddffff"},
		{Keep{MaxBytes: 4500}, nil, "dfdddfff"},
		{Keep{MaxBytes: 4500}, []string{id(0), id(3)}, "ffdfdddf"},
	} {
		t.Run(c.want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStorage(t, 8)
				defer s.close()
				for i := range 8 {
					if i != 1 { // is nowhere else
						s.verify(i)
					}
				}
				c.keep.AfterUpload = true
				files := &held{Spool: s.spool}
				files.hold(c.held...)
				r := NewRetention(RetentionOptions{
					Files: files, Anywhere: true, Keep: c.keep, Disk: roomy, Log: zerolog.Nop(),
					Now: func() time.Time { return time.Date(1999, 12, 1, 0, 34, 30, 0, time.UTC) },
				})
				s.must(r.reap(t.Context()))
				if got := s.states(8); got != c.want {
					t.Errorf("states %s, want %s", got, c.want)
				}
			})
		})
	}
}

// smallDisk has room for so many bytes of segments before recording would stop.
func (s *storage) smallDisk(room uint64) func() (free, total uint64, err error) {
	return func() (uint64, uint64, error) {
		bytes, err := s.spool.LocalBytes(context.Background())
		return spool.KeptFree + brinkBytes + room - uint64(bytes), 1 << 40, err
	}
}

// TestRoomIsMadeInOrder: what is safe, then what central has yet to be told of,
// then what is nowhere else; each the oldest first, and none before it has to.
func TestRoomIsMadeInOrder(t *testing.T) {
	for _, c := range []struct {
		room uint64
		want string
	}{
		{8000, "ffffffff"}, {7000, "fffdffff"}, {6000, "fffddfff"}, {5000, "fffdddff"}, {4000, "mffdddff"}, {3000, "mmfdddff"},
	} {
		t.Run(fmt.Sprint(c.room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStorage(t, 8) // of 1000 bytes each
				defer s.close()
				for _, i := range []int{3, 4, 5} {
					s.verify(i)
				}
				for _, i := range []int{3, 4} {
					s.complete(i)
				}
				s.retain(RetentionOptions{Files: s.spool, CentralConfigured: true, Keep: Keep{AfterUpload: true}, Disk: s.smallDisk(c.room)})
				after(time.Minute)
				if got := s.states(8); got != c.want {
					t.Errorf("states %s, want %s", got, c.want)
				}
				losses, err := s.spool.Losses(t.Context())
				s.must(err)
				gaps, err := s.spool.Gaps(t.Context(), "gate")
				s.must(err)
				if lost := countOf(c.want, 'm'); losses.Segments != lost || len(gaps) != lost {
					t.Errorf("%d losses and %d gaps for %d segments that were lost", losses.Segments, len(gaps), lost)
				}
				for i, g := range gaps {
					seg, err := s.spool.Segment(t.Context(), id(i))
					s.must(err)
					if g.Cause != spool.GivenUp || !g.Start.Equal(seg.Start) || !g.End.Equal(seg.End) || seg.GivenUp == "" {
						t.Errorf("gap %+v for segment %+v", g, seg)
					}
				}
				unreported, err := s.spool.Unreported(t.Context(), time.Now(), 100)
				s.must(err)
				told := map[string]bool{}
				for _, seg := range unreported {
					told[seg.ID] = true
				}
				for i, state := range c.want {
					if (state == 'm' || i == 5 && state == 'd') && !told[id(i)] {
						t.Errorf("central is not told of segment %d, which is gone", i)
					}
				}
			})
		})
	}
}

// TestMinimumIsKeptFreeOfWhatIsSafe: only the brink costs what is not.
func TestMinimumIsKeptFreeOfWhatIsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 6)
		defer s.close()
		s.verify(4)
		s.verify(5)
		minFree := func(uint64) uint64 { return spool.KeptFree + brinkBytes + 4000 }
		s.retain(RetentionOptions{Files: s.spool, Keep: Keep{AfterUpload: true, MinFree: minFree}, Disk: s.smallDisk(6000)})
		after(time.Minute)
		if got := s.states(6); got != "ffffdd" {
			t.Errorf("states %s", got)
		}
	})
}

func TestRecordingStopsRatherThanLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 4)
		defer s.close()
		s.verify(2)
		r := s.retain(RetentionOptions{Files: s.spool, Keep: Keep{AfterUpload: true, StopRecording: true}, Disk: s.smallDisk(1000)})
		after(time.Minute)
		if got := s.states(4); got != "ffdf" {
			t.Errorf("states %s", got)
		}
		if r.Status().Trouble == "" {
			t.Error("nobody is told that the disk is nearly full")
		}
	})
}

// TestRoomIsMadeBeforeItIsNeeded: a disk that fills fast has to be kept emptier.
func TestRoomIsMadeBeforeItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 4)
		defer s.close()
		s.verify(0)
		const rate = 10 << 20 // bytes per second
		began := time.Now()
		disk := func() (uint64, uint64, error) {
			return spool.KeptFree + 2000<<20 - uint64(time.Since(began).Seconds()*rate), 1 << 40, nil
		}
		s.retain(RetentionOptions{Files: s.spool, Keep: Keep{AfterUpload: true}, Disk: disk})
		after(105 * time.Second) // 950 MiB are left: a minute and a half's worth, and 5 s
		if got := s.states(4); got != "ffff" {
			t.Errorf("states %s too early", got)
		}
		after(10 * time.Second)
		if got := s.states(4); got != "dfff" {
			t.Errorf("states %s when the disk would be full in 85 s", got)
		}
		after(20 * time.Second)
		if got := s.states(4); got != "dfff" {
			t.Errorf("states %s when the disk would be full in 65 s", got)
		}
		after(10 * time.Second)
		if got := s.states(4); got != "dmmm" {
			t.Errorf("states %s when the disk would be full in 55 s", got)
		}
	})
}

// TestBurstsCostNothingThatIsNotSafe: another program writes much at once, and then no
// more. What is left would have lasted for less than a minute of that.
func TestBurstsCostNothingThatIsNotSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 4)
		defer s.close()
		s.verify(0)
		began := time.Now()
		disk := func() (uint64, uint64, error) {
			free := uint64(spool.KeptFree + 1600<<20)
			if time.Since(began) > time.Minute {
				free -= 400 << 20
			}
			return free, 1 << 40, nil
		}
		r := s.retain(RetentionOptions{Files: s.spool, Keep: Keep{AfterUpload: true}, Disk: disk})
		after(3 * time.Minute)
		if got := s.states(4); got != "dfff" {
			t.Errorf("states %s: only what is safe makes room ahead of a burst", got)
		}
		if trouble := r.Status().Trouble; trouble != "" {
			t.Errorf("1200 MB are free, and it is said that %s", trouble)
		}
	})
}

// TestLooksInQuickSuccession: a second's writing, seen by many looks, is no rate at which
// a disk fills lastingly.
func TestLooksInQuickSuccession(t *testing.T) {
	var f fill
	now, free := time.Unix(0, 0), uint64(10<<30)
	for range 3 {
		f.measure(now, free)
		now = now.Add(retainEvery)
	}
	for range 25 {
		now, free = now.Add(200*time.Millisecond), free-10<<20
		f.measure(now, free)
	}
	if fastest, lasting := f.measure(now, free); lasting > 300<<20/60 || fastest < 40<<20 {
		t.Errorf("250 MB in 5 s fill the disk at %.1f MB/s lastingly, and %.1f MB/s at the most", lasting/(1<<20), fastest/(1<<20))
	}
}

// brimful is a spool whose ledger takes nothing any more.
type brimful struct{ *spool.Spool }

func (brimful) GiveUp(_ context.Context, l spool.Local, _ string) (spool.Worth, error) {
	return 0, fmt.Errorf("ledger: give up %s: database or disk is full", l.ID)
}

// TestFullLedgerIsSaidOnce, not for each of the segments that could go.
func TestFullLedgerIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 20)
		defer s.close()
		r := NewRetention(RetentionOptions{
			Files: brimful{s.spool}, Anywhere: true, Keep: Keep{AfterUpload: true, MinFree: noMinimum}, Disk: s.smallDisk(0), Log: zerolog.New(&s.log), Now: time.Now,
		})
		_ = r.makeRoom(t.Context())
		if n := strings.Count(s.log.String(), "cannot be deleted"); n != 1 {
			t.Errorf("it is said %d times:\n%s", n, s.log.String())
		}
		if trouble := r.Status().Stuck; trouble.Since.IsZero() {
			t.Error("it is no trouble")
		}
	})
}

// TestRoomThatDeletingDoesNotMake: the file system frees late (btrfs, ZFS), or a snapshot
// keeps what is deleted. The files that nothing else has must not all go for that.
func TestRoomThatDeletingDoesNotMake(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration // room is there so long after it was made
		most  int           // segments given up in ten minutes
	}{{"at once", 0, 2}, {"late", 30 * time.Second, 2}, {"never", time.Hour, 14}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 200
				s := newStorage(t, n) // of 1000 bytes each
				defer s.close()
				s.verify(0)
				deleted := map[int]time.Time{}
				disk := func() (uint64, uint64, error) {
					free := uint64(spool.KeptFree + brinkBytes - 2500) // what is safe does not do
					for i, state := range s.states(n) {
						if _, known := deleted[i]; state != 'f' && !known {
							deleted[i] = time.Now()
						}
						if at, known := deleted[i]; known && time.Since(at) >= c.after {
							free += 1000
						}
					}
					return free, 1 << 40, nil
				}
				r := s.retain(RetentionOptions{Files: s.spool, Keep: Keep{AfterUpload: true}, Disk: disk})
				after(10 * time.Minute)
				lost := countOf(s.states(n), 'm')
				if lost < 2 || lost > c.most {
					t.Errorf("%d segments were given up, want 2 to %d", lost, c.most)
				}
				if trouble := r.Status().Trouble; (trouble != "") != (c.name == "never") {
					t.Errorf("the trouble is %q", trouble)
				}
			})
		})
	}
}

// TestRoomAfterFilesWereTakenAway: somebody has deleted the oldest files. That to delete
// these makes no room is no reason to wait for it, while the disk fills and recording stops.
func TestRoomAfterFilesWereTakenAway(t *testing.T) {
	for _, anywhere := range []bool{true, false} {
		t.Run(fmt.Sprint("uploaded ", anywhere), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n, taken = 200, 150
				s := newStorage(t, n) // of 1000 bytes each
				defer s.close()
				segs, err := s.spool.Segments(t.Context(), spool.Finished)
				s.must(err)
				for _, seg := range segs[:taken] {
					s.must(os.Remove(filepath.Join(s.spool.Dir(), seg.Path)))
				}
				disk := func() (uint64, uint64, error) {
					files, err := filepath.Glob(filepath.Join(s.spool.Dir(), "segments", "gate", "*.mp4"))
					return spool.KeptFree + brinkBytes + 45_500 - uint64(1000*len(files)), 1 << 40, err
				}
				r := NewRetention(RetentionOptions{
					Files: s.spool, Anywhere: anywhere, Keep: Keep{AfterUpload: true, MinFree: noMinimum}, Disk: disk, Log: zerolog.Nop(), Now: time.Now,
				})
				for range 2 { // what was listed of rows without a file, and the rest
					s.must(r.makeRoom(t.Context()))
					after(retainEvery)
				}
				if free, _, err := disk(); err != nil || free < spool.KeptFree+brinkBytes {
					t.Errorf("%d bytes lack, %v", spool.KeptFree+brinkBytes-free, err)
				}
				if got := strings.Count(s.states(n), "f"); got != 45 {
					t.Errorf("%d segments are left, want 45", got)
				}
			})
		})
	}
}

// TestWhatIsBeingSentIsSpared as long as there is something else.
func TestWhatIsBeingSentIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 4)
		defer s.close()
		sending := func(segment string) bool { return segment == id(0) || segment == id(3) }
		room := uint64(3000)
		disk := func() (uint64, uint64, error) { return s.smallDisk(room)() }
		r := NewRetention(RetentionOptions{
			Files: s.spool, Anywhere: true, Keep: Keep{AfterUpload: true, MinFree: noMinimum}, Disk: disk, Sending: sending, Log: zerolog.Nop(), Now: time.Now,
		})
		for _, c := range []struct {
			room uint64
			want string
		}{{3000, "fmff"}, {2000, "fmmf"}, {1000, "mmmf"}} {
			room = c.room
			s.must(r.makeRoom(t.Context()))
			if got := s.states(4); got != c.want {
				t.Errorf("states %s with room for %d bytes, want %s", got, c.room, c.want)
			}
		}
	})
}

// TestGivenUpWhileItWasSent: the sender had the file open, and it has arrived.
func TestGivenUpWhileItWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 2)
		defer s.close()
		r := NewRetention(RetentionOptions{
			Files: s.spool, Anywhere: true, Keep: Keep{AfterUpload: true, MinFree: noMinimum}, Disk: s.smallDisk(0), Log: zerolog.Nop(), Now: time.Now,
		})
		s.must(r.makeRoom(t.Context()))
		s.must(s.spool.RegisterAttempted(t.Context(), id(0)))
		s.must(s.spool.Registered(t.Context(), id(0), "recording"))
		s.must(s.spool.CentralAcknowledged(t.Context(), id(0), spool.CentralFailed))
		s.verify(0)
		if got := s.states(2); got != "dm" {
			t.Errorf("states %s", got)
		}
		gaps, err := s.spool.Gaps(t.Context(), "gate")
		s.must(err)
		unreported, err := s.spool.Unreported(t.Context(), time.Now(), 10)
		s.must(err)
		if len(gaps) != 1 || len(unreported) != 2 {
			t.Errorf("%d gaps, want that of the segment that is lost; %d segments to report, want both", len(gaps), len(unreported))
		}
	})
}

package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"recording-agent/capture/mp4"
)

// brought is a file of another recorder, and the segment that it is to become.
type brought struct {
	Segment
	source string
	bytes  []byte
}

// bring puts a file of n seconds into a directory beside the spool.
func bring(t testing.TB, s *Spool, camera string, start time.Time, n int) *brought {
	t.Helper()
	rec := begin(t, s, "elsewhere", start)
	rec.parts(t, n)
	_, err := rec.writer.Finish()
	must(t, err)
	b := &brought{source: filepath.Join(t.TempDir(), "from another recorder.mp4")}
	b.bytes, err = os.ReadFile(rec.file.Name())
	must(t, err)
	must(t, os.Remove(rec.file.Name()))
	b.again(t)
	size, checksum, err := sum(b.source)
	must(t, err)
	found, err := mp4.ReadForeign(bytes.NewReader(b.bytes), size)
	must(t, err)
	b.Segment = Segment{ID: ForeignID(camera, size, checksum), CameraID: camera, CameraName: camera, ClientName: "warehouse-7", Start: start}
	b.take(found.Result)
	b.Size, b.Checksum = size, checksum
	b.Path, err = PathFor(camera, b.ID, start)
	must(t, err)
	return b
}

// again puts the file there once more.
func (b *brought) again(t testing.TB) {
	t.Helper()
	must(t, os.WriteFile(b.source, b.bytes, 0o600))
}

func fine(string) error { return nil }

// taken wants the file to be there once, in its place, byte for byte, with a row
// and a delivery.
func (b *brought) taken(t testing.TB, s *Spool) {
	t.Helper()
	if _, err := os.Lstat(b.source); !os.IsNotExist(err) {
		t.Errorf("the original is still there: %v", err)
	}
	got, err := os.ReadFile(filepath.Join(s.Dir(), b.Path))
	if err != nil || !bytes.Equal(got, b.bytes) {
		t.Errorf("the segment's file has %d bytes (%v), the original had %d, and they are not the same", len(got), err, len(b.bytes))
	}
	seg := state(t, s, b.ID)
	if seg.State != Finished || !seg.Start.Equal(b.Start) || !seg.End.Equal(b.Start.Add(b.Duration)) || seg.Size != b.Size || seg.Checksum != b.Checksum ||
		seg.Frames != b.Frames || seg.VideoCodec != b.VideoCodec || seg.Width != b.Width {
		t.Errorf("the segment is %+v, want %+v", seg, b.Segment)
	}
	if d, err := s.Deliveries(t.Context(), b.ID); err != nil || len(d) != 1 || d[0].State != Pending {
		t.Errorf("its deliveries: %+v, %v", d, err)
	}
	files, err := filepath.Glob(filepath.Join(s.Dir(), "segments", "*", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("files in the spool: %v, %v", files, err)
	}
	if segs, err := s.segments(t.Context(), ""); err != nil || len(segs) != 1 {
		t.Errorf("%d rows, %v", len(segs), err)
	}
}

// untouched wants the original to be there as it was, and nothing in the spool.
func (b *brought) untouched(t testing.TB, s *Spool) {
	t.Helper()
	if got, err := os.ReadFile(b.source); err != nil || !bytes.Equal(got, b.bytes) {
		t.Errorf("the original is not as it was: %v", err)
	}
	if files, err := filepath.Glob(filepath.Join(s.Dir(), "segments", "*", "*")); err != nil || len(files) != 0 {
		t.Errorf("files in the spool: %v, %v", files, err)
	}
	if segs, err := s.segments(t.Context(), ""); err != nil || len(segs) != 0 {
		t.Errorf("%d rows, %v", len(segs), err)
	}
}

// otherDisk makes the directory of a file look like another file system.
func otherDisk(s *Spool, source string) {
	s.rename = func(from, to string) error {
		if filepath.Dir(from) == filepath.Dir(source) {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: errOtherDisk}
		}
		return os.Rename(from, to)
	}
}

func TestTakeOver(t *testing.T) {
	for name, setUp := range map[string]func(s *Spool, source string){
		"same file system":    func(*Spool, string) {},
		"another file system": otherDisk,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			b := bring(t, s, "gate", epoch, 2)
			setUp(s, b.source)
			again, err := s.TakeOver(t.Context(), b.Segment, b.source, fine)
			if err != nil || again {
				t.Fatalf("taken over again %v, %v", again, err)
			}
			b.taken(t, s)
			s, r := reopen(t, s)
			if r != (Recovery{}) {
				t.Errorf("recovery after that: %+v", r)
			}
			b.taken(t, s)
		})
	}
}

// Whatever the step that a crash follows, the file is there once in the end.
func TestCrashWhileTakingOver(t *testing.T) {
	for name, crash := range map[string]struct {
		steps   func(t *testing.T, s *Spool, b *brought)
		adopted int
		again   bool // the original is still there for the inbox to find
	}{
		"moved, no row": {func(t *testing.T, s *Spool, b *brought) {
			copied, err := s.bringIn(t.Context(), b.Segment, b.source, fine)
			must(t, err)
			if copied {
				t.Fatal("copied, though it is the same file system")
			}
		}, 1, false},
		"half copied": {func(t *testing.T, s *Spool, b *brought) {
			name := filepath.Join(s.Dir(), b.Path)
			must(t, os.MkdirAll(filepath.Dir(name), 0o750))
			must(t, os.WriteFile(name+copying, b.bytes[:1000], 0o600))
		}, 0, true},
		"copied, no row": {func(t *testing.T, s *Spool, b *brought) {
			otherDisk(s, b.source)
			copied, err := s.bringIn(t.Context(), b.Segment, b.source, fine)
			must(t, err)
			if !copied {
				t.Fatal("not copied, though it is another file system")
			}
		}, 1, true},
		"copied, with a row": {func(t *testing.T, s *Spool, b *brought) {
			otherDisk(s, b.source)
			_, err := s.TakeOver(t.Context(), b.Segment, b.source, fine)
			must(t, err)
			b.again(t)
		}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			b := bring(t, s, "gate", epoch, 2)
			crash.steps(t, s, b)
			s, r := reopen(t, s)
			if r != (Recovery{Adopted: crash.adopted}) {
				t.Errorf("recovery: %+v", r)
			}
			if crash.again {
				_, err := s.TakeOver(t.Context(), b.Segment, b.source, fine)
				must(t, err)
			}
			b.taken(t, s)
		})
	}
}

// A live segment of another agent, not finished: taken over, it stays as it is,
// also when its row is lost.
func TestForeignFileIsNeverFinished(t *testing.T) {
	s := open(t, t.TempDir())
	b := bring(t, s, "gate", epoch, 2)
	rec := begin(t, s, "elsewhere", epoch)
	rec.parts(t, 2)
	must(t, os.Rename(rec.file.Name(), b.source))
	var err error
	b.bytes, err = os.ReadFile(b.source)
	must(t, err)
	b.Size, b.Checksum, err = sum(b.source)
	must(t, err)
	b.ID = ForeignID("gate", b.Size, b.Checksum)
	b.Path, err = PathFor("gate", b.ID, epoch)
	must(t, err)
	_, err = s.bringIn(t.Context(), b.Segment, b.source, fine)
	must(t, err)
	s, r := reopen(t, s)
	if r != (Recovery{Adopted: 1}) {
		t.Errorf("recovery: %+v", r)
	}
	b.taken(t, s)
}

func TestTakeOverThatFails(t *testing.T) {
	failing := errors.New("somebody writes to it")
	for name, c := range map[string]struct {
		setUp func(t *testing.T, s *Spool, b *brought)
		check func(string) error
	}{
		"written to, moved":  {func(*testing.T, *Spool, *brought) {}, func(string) error { return failing }},
		"written to, copied": {func(_ *testing.T, s *Spool, b *brought) { otherDisk(s, b.source) }, func(string) error { return failing }},
		"no row, moved":      {func(t *testing.T, s *Spool, _ *brought) { refuseRows(t, s) }, fine},
		"no row, copied": {func(t *testing.T, s *Spool, b *brought) {
			refuseRows(t, s)
			otherDisk(s, b.source)
		}, fine},
		"other bytes when copied": {func(_ *testing.T, s *Spool, b *brought) {
			otherDisk(s, b.source)
			b.Checksum = "AAAAAAAAAAA="
		}, fine},
		"no permission": {func(_ *testing.T, s *Spool, b *brought) {
			s.rename = func(string, string) error { return os.ErrPermission }
		}, fine},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			b := bring(t, s, "gate", epoch, 1)
			c.setUp(t, s, b)
			if _, err := s.TakeOver(t.Context(), b.Segment, b.source, c.check); err == nil {
				t.Error("taken over all the same")
			}
			b.untouched(t, s)
		})
	}
}

// refuseRows makes the ledger as useless as a full disk does.
func refuseRows(t *testing.T, s *Spool) {
	t.Helper()
	_, err := s.ledger.db.Exec("CREATE TRIGGER full BEFORE INSERT ON segments BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END")
	must(t, err)
}

func TestPlaceThatIsTakenMeanwhile(t *testing.T) {
	s := open(t, t.TempDir())
	b := bring(t, s, "gate", epoch, 1)
	_, err := s.TakeOver(t.Context(), b.Segment, b.source, func(string) error {
		must(t, os.WriteFile(b.source, []byte("another file"), 0o600))
		return errors.New("not as it was")
	})
	if !errors.Is(err, ErrStranded) {
		t.Fatalf("without a way back: %v", err)
	}
	if got, err := os.ReadFile(b.source); err != nil || string(got) != "another file" {
		t.Errorf("the other file is now %d bytes, %v", len(got), err)
	}
	must(t, os.Remove(b.source))
	s, r := reopen(t, s)
	if r != (Recovery{Adopted: 1}) {
		t.Errorf("recovery: %+v", r)
	}
	b.taken(t, s)
}

func TestBroughtTwice(t *testing.T) {
	s := open(t, t.TempDir())
	b := bring(t, s, "gate", epoch, 1)
	for _, want := range []bool{false, true} {
		b.again(t)
		if again, err := s.TakeOver(t.Context(), b.Segment, b.source, fine); err != nil || again != want {
			t.Errorf("taken over again %v, want %v; %v", again, want, err)
		}
		b.taken(t, s)
	}

	// Under another time it is for somebody to decide.
	b.again(t)
	other := b.Segment
	other.Start = epoch.Add(time.Hour)
	var known *KnownError
	if _, err := s.TakeOver(t.Context(), other, b.source, fine); !errors.As(err, &known) || known.Known.ID != b.ID {
		t.Errorf("the same bytes under another time: %v", err)
	}
	if _, err := os.Stat(b.source); err != nil {
		t.Errorf("the file is gone: %v", err)
	}

	// Once it is safe elsewhere it need not come again.
	must(t, s.Verified(t.Context(), b.ID, "primary", "size, crc64nvme", epoch))
	must(t, s.Delete(t.Context(), b.ID))
	if again, err := s.TakeOver(t.Context(), b.Segment, b.source, fine); err != nil || !again {
		t.Errorf("brought again after it was uploaded: %v, %v", again, err)
	}
	if got := state(t, s, b.ID).State; got != Deleted {
		t.Errorf("it is %s", got)
	}
	if _, err := os.Stat(b.source); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

// What was lost before it was uploaded, and told to be, is brought once more.
func TestLostAndBroughtAgain(t *testing.T) {
	for name, setUp := range map[string]func(s *Spool, source string){"moved": func(*Spool, string) {}, "copied": otherDisk} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			b := bring(t, s, "gate", epoch, 1)
			_, err := s.TakeOver(t.Context(), b.Segment, b.source, fine)
			must(t, err)
			must(t, os.Remove(filepath.Join(s.Dir(), b.Path)))
			b.again(t)
			if _, err := s.TakeOver(t.Context(), b.Segment, b.source, fine); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a row without its file, just now: %v", err)
			}
			must(t, s.FileMissing(t.Context(), b.ID))
			must(t, s.CentralAcknowledged(t.Context(), b.ID, CentralFailed))
			setUp(s, b.source)
			_, err = s.TakeOver(t.Context(), b.Segment, b.source, fine)
			must(t, err)
			b.taken(t, s)
			if got := state(t, s, b.ID).Central.State; got != CentralRecording {
				t.Errorf("central is at %s, and would not be told", got)
			}
		})
	}
}

func TestOriginalThatCannotBeRemoved(t *testing.T) {
	s := open(t, t.TempDir())
	b := bring(t, s, "gate", epoch, 1)
	otherDisk(s, b.source)
	_, err := s.TakeOver(t.Context(), b.Segment, b.source, func(name string) error {
		// The last moment: a directory that is not empty cannot be removed.
		return errors.Join(os.Remove(name), os.MkdirAll(filepath.Join(name, "in the way"), 0o750))
	})
	if !errors.Is(err, ErrLeftBehind) {
		t.Errorf("an original that stays: %v", err)
	}
	if got := state(t, s, b.ID).State; got != Finished {
		t.Errorf("the segment is %s", got)
	}
}

// Footage that others bring says nothing about when the agent has recorded, least
// of all when its clock is ahead.
func TestGapsDoNotCountForeignFiles(t *testing.T) {
	s := open(t, t.TempDir())
	s.opts.Now = func() time.Time { return epoch.Add(3 * time.Hour) }
	rec := finished(t, s, "gate", epoch, 2)
	b := bring(t, s, "gate", epoch.Add(time.Hour), 1)
	_, err := s.TakeOver(t.Context(), b.Segment, b.source, fine)
	must(t, err)
	until, err := s.AccountedUntil(t.Context(), "gate")
	if want := state(t, s, rec.ID).End; err != nil || !until.Equal(want) {
		t.Errorf("accounted until %v, want %v (%v)", until, want, err)
	}
}

// Another recorder's file may begin when ours does. Neither may go over the other,
// even if the store would let it.
func TestKeyIsPlannedOnce(t *testing.T) {
	o := testOptions(t, t.TempDir())
	o.Destinations[0].Key = func(seg Segment) string { return seg.CameraID + "/" + seg.Start.Format(fileTime) + ".mp4" }
	s, err := Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	rec := finished(t, s, "gate", epoch, 1)
	b := bring(t, s, "gate", epoch, 2)
	_, err = s.TakeOver(t.Context(), b.Segment, b.source, fine)
	must(t, err)
	_, err = s.Recover(t.Context()) // plans again what is there
	must(t, err)
	for id, want := range map[string]string{rec.ID: "gate/20261123T100000.000Z.mp4", b.ID: "gate/20261123T100000.000Z_" + b.ID + ".mp4"} {
		if d, err := s.Deliveries(t.Context(), id); err != nil || len(d) != 1 || d[0].Key != want {
			t.Errorf("deliveries of %s: %+v (%v), want key %s", id, d, err, want)
		}
	}
}

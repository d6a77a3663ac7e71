package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"recording-agent/capture/mp4"
)

// kept is what a lost ledger must give back: the rows of what is here, with the keys
// under which it is, or will be, elsewhere.
func kept(t *testing.T, s *Spool) map[string]any {
	t.Helper()
	out := map[string]any{}
	segs, err := s.Segments(t.Context(), Finished)
	must(t, err)
	for _, seg := range segs {
		seg.FrameRate = 0 // as the file describes it, which is as good
		deliveries, err := s.Deliveries(t.Context(), seg.ID)
		must(t, err)
		out[seg.ID] = []any{seg, deliveries[0].Bucket, deliveries[0].Key}
	}
	return out
}

// A ledger that is lost in whatever way is kept aside, and its segments are adopted as
// they were: with the same ids, names, schedules and keys.
func TestLostLedger(t *testing.T) {
	garbage := bytes.Repeat([]byte{0xa5}, 4096)
	for name, lose := range map[string]func(t *testing.T, file string){
		"removed":        func(t *testing.T, file string) { must(t, os.Remove(file)) },
		"emptied":        func(t *testing.T, file string) { must(t, os.Truncate(file, 0)) },
		"cut off":        func(t *testing.T, file string) { must(t, os.Truncate(file, 6*4096+100)) },
		"first page":     func(t *testing.T, file string) { overwrite(t, file, garbage, 0) },
		"another page":   func(t *testing.T, file string) { overwrite(t, file, garbage, 9*4096) },
		"a few bytes":    func(t *testing.T, file string) { overwrite(t, file, []byte{0xff, 0xff, 0xff, 0xff}, 9*4096+2) },
		"not a ledger":   func(t *testing.T, file string) { must(t, os.WriteFile(file, []byte("a text\n"), 0o640)) },
		"another's -wal": func(t *testing.T, file string) { must(t, os.WriteFile(file+"-wal", garbage, 0o640)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			for i := range 40 {
				finished(t, s, "gate", epoch.Add(time.Duration(i)*time.Minute), 1)
			}
			bringForeign(t, s)
			want := kept(t, s)
			must(t, s.Close())
			file := filepath.Join(s.Dir(), "ledger.db")
			was, err := os.ReadFile(file)
			must(t, err)
			lose(t, file)
			lost, err := os.ReadFile(file)
			s = open(t, s.Dir())
			r, rerr := s.Recover(t.Context())
			must(t, rerr)
			if got := kept(t, s); !reflect.DeepEqual(got, want) {
				t.Errorf("recovery %+v; %d segments, %d had rows", r, len(got), len(want))
				for id, row := range want {
					if !reflect.DeepEqual(row, got[id]) {
						t.Fatalf("was %+v, is %+v", row, got[id])
					}
				}
			}
			if r.Failed > 0 || r.Missing > 0 {
				t.Errorf("recovery: %+v", r)
			}
			aside, gerr := filepath.Glob(file + ".damaged-*")
			must(t, gerr)
			if err == nil && len(lost) > 0 && !bytes.Equal(lost, was) {
				if len(aside) == 0 {
					t.Fatal("the damaged ledger was not kept aside")
				}
				if data, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(data, lost) {
					t.Errorf("what is aside is not what was there: %d bytes, %v", len(data), err)
				}
			} else if len(aside) > 0 {
				t.Errorf("set aside: %v", aside)
			}
		})
	}
}

func overwrite(t *testing.T, file string, data []byte, at int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(data, at)
	must(t, err)
	must(t, f.Close())
}

// bringForeign takes over a file of another recorder, which does not say whose it is.
func bringForeign(t *testing.T, s *Spool) {
	t.Helper()
	source := filepath.Join(s.Dir(), "other.mp4")
	f, err := os.Create(source)
	must(t, err)
	defer f.Close()
	w, err := mp4.NewWriter(f, mp4.Info{}, tracks(), 4000)
	must(t, err)
	rec := &recording{file: f, writer: w}
	rec.parts(t, 2)
	_, err = w.Finish()
	must(t, err)
	seg := Segment{CameraID: "gate", CameraName: "Gate gate", ClientName: "warehouse-7", Start: epoch.Add(-time.Hour)}
	found, err := mp4.ReadForeign(f, w.Size())
	must(t, err)
	seg.take(found.Result)
	seg.Checksum, err = mp4.Checksum(f, seg.Size)
	must(t, err)
	seg.ID = ForeignID("gate", seg.Size, seg.Checksum)
	seg.Path, err = PathFor("gate", seg.ID, seg.Start)
	must(t, err)
	_, err = s.TakeOver(t.Context(), seg, source, func(string) error { return nil })
	must(t, err)
}

// Damage behind the first page is met by whatever needs the page, and told by the next
// look at the ledger, whose own page is well: opened anew, the ledger is set aside.
func TestDamageIsMetByEveryVerb(t *testing.T) {
	for name, meet := range map[string]func(s *Spool, rec *recording) error{
		"rows": func(s *Spool, _ *recording) error { _, err := s.Segments(t.Context(), Finished); return err },
		"view": func(s *Spool, _ *recording) error {
			return s.View(t.Context(), false, func(v *View) error { _, _, err := v.Segments(t.Context(), Query{}); return err })
		},
		"verb":        func(s *Spool, rec *recording) error { return s.Stored(t.Context(), rec.ID, "primary") },
		"transaction": func(s *Spool, rec *recording) error { return s.Verified(t.Context(), rec.ID, "primary", "size", epoch) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			rec := finished(t, s, "gate", epoch, 1)
			manyRows(t, s, 2000, 0)
			_, err := s.ledger.db.Exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory")
			must(t, err)
			file := filepath.Join(s.Dir(), "ledger.db")
			info, err := os.Stat(file)
			must(t, err)
			overwrite(t, file, bytes.Repeat([]byte{0xa5}, int(info.Size())-2*4096), 2*4096)
			must(t, s.Check(t.Context()))
			if err := meet(s, rec); !damaged(err) {
				t.Fatalf("the damage was not met: %v", err)
			}
			if err := s.Check(t.Context()); !errors.Is(err, ErrLedgerDamaged) {
				t.Errorf("the look at the ledger says %v", err)
			}
			must(t, s.Close())
			s = open(t, s.Dir())
			if r, err := s.Recover(t.Context()); err != nil || r.Adopted != 1 || s.Check(t.Context()) != nil {
				t.Errorf("opened anew: %+v, %v, %v", r, err, s.Check(t.Context()))
			}
		})
	}
}

// An index that does not fit its table is met only by who changes a row of it, and by no
// quick check: without a thorough one it would be met, and the agent begin anew, for ever.
func TestDamagedIndex(t *testing.T) {
	for thorough, aside := range map[bool]int{false: 0, true: 1} {
		s := open(t, t.TempDir())
		rec := finished(t, s, "gate", epoch, 1)
		_, err := s.ledger.db.Exec(`PRAGMA writable_schema = 1;
			UPDATE sqlite_schema SET sql = replace(sql, 'end_us)', 'start_us)') WHERE name = 'segments_camera'; PRAGMA writable_schema = 0`)
		must(t, err)
		must(t, s.Close())
		o := testOptions(t, s.Dir())
		o.LedgerDamaged = thorough
		s, err = Open(t.Context(), o)
		must(t, err)
		found, err := filepath.Glob(filepath.Join(s.Dir(), "ledger.db.damaged-*"))
		if err != nil || len(found) != aside {
			t.Errorf("thorough %v: set aside %v, %v", thorough, found, err)
		}
		_, err = s.Recover(t.Context())
		must(t, err)
		err = s.Verified(t.Context(), rec.ID, "primary", "size", epoch)
		if err == nil {
			err = s.Delete(t.Context(), rec.ID)
		}
		must(t, err)
		must(t, s.Close())
	}
}

// A ledger whose file goes while the agent runs is met, and mended by opening anew.
func TestLedgerDamagedMeanwhile(t *testing.T) {
	s := open(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 1)
	must(t, s.Check(t.Context()))
	must(t, os.Remove(filepath.Join(s.Dir(), "ledger.db")))
	if err := s.Check(t.Context()); err == nil {
		t.Error("a ledger without a file is found to be well")
	}
	s, r := reopen(t, s)
	if r != (Recovery{Adopted: 1}) || state(t, s, rec.ID).State != Finished {
		t.Errorf("recovery: %+v", r)
	}
}

// A -wal whose ledger is gone, or was emptied, holds what nothing else does: it is kept.
func TestOrphanedWALIsKept(t *testing.T) {
	for name, lose := range map[string]func(file string) error{
		"removed": os.Remove,
		"emptied": func(file string) error { return os.Truncate(file, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			rec := finished(t, s, "gate", epoch, 1)
			file := filepath.Join(s.Dir(), "ledger.db")
			wal, err := os.ReadFile(file + "-wal")
			must(t, err)
			must(t, s.Close())
			must(t, lose(file))
			must(t, os.WriteFile(file+"-wal", wal, 0o640))

			s, said := spoken(t, s.Dir())
			if r, err := s.Recover(t.Context()); err != nil || r != (Recovery{Adopted: 1}) || state(t, s, rec.ID).State != Finished {
				t.Errorf("recovery: %+v, %v", r, err)
			}
			aside, err := filepath.Glob(file + ".damaged-*-wal")
			if err != nil || len(aside) != 1 {
				t.Fatalf("kept: %v, %v", aside, err)
			}
			if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, wal) {
				t.Errorf("%d bytes are kept of %d, %v", len(kept), len(wal), err)
			}
			if !strings.Contains(said.String(), aside[0]) {
				t.Errorf("the log does not say where: %s", said)
			}
		})
	}
}

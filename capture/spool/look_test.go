package spool

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func looking(dir string) LookOptions { return LookOptions{Dir: dir, Primary: "primary", Central: true} }

// seen is what a look at a data directory finds.
func seen(t testing.TB, dir string, q Query) (entries []Entry, more bool) {
	t.Helper()
	must(t, Look(t.Context(), looking(dir), func(v *View) (err error) {
		entries, more, err = v.Segments(t.Context(), q)
		return err
	}))
	return entries, more
}

func seenIDs(t testing.TB, dir string, q Query) (out []string) {
	t.Helper()
	entries, _ := seen(t, dir, q)
	for _, e := range entries {
		out = append(out, e.Segment.ID)
	}
	return out
}

// contents are the files of a directory with what is in them and their times.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var data []byte
		if !d.IsDir() {
			if data, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		out[path] = fmt.Sprintf("%s %s %x", info.Mode(), info.ModTime(), data)
		return nil
	}))
	return out
}

// killed is a data directory as a kill leaves it: what the ledger's files hold
// while it is open.
func killed(t testing.TB, s *Spool, suffixes ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, suffix := range suffixes {
		data, err := os.ReadFile(filepath.Join(s.Dir(), "ledger.db"+suffix))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "ledger.db"+suffix), data, 0o640))
	}
	return dir
}

func TestLookingChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	first := finished(t, s, "gate", epoch, 1)
	s, _ = reopen(t, s) // so that the first is in the file itself
	second := finished(t, s, "gate", epoch.Add(time.Minute), 1)
	both := []string{first.ID, second.ID}

	ended := func() string {
		dir := killed(t, s, "", "-wal", "-shm")
		again, err := Open(t.Context(), testOptions(t, dir))
		must(t, err)
		must(t, again.Close())
		return dir
	}
	for name, tc := range map[string]struct {
		dir  string
		want []string
	}{
		"killed":            {killed(t, s, "", "-wal", "-shm"), both},
		"without its -shm":  {killed(t, s, "", "-wal"), both},
		"without its -wal":  {killed(t, s, "", "-shm"), both[:1]},
		"without either":    {killed(t, s, ""), both[:1]},
		"ended in order":    {ended(), both},
		"copied by a human": {killed(t, s, "", "-wal", "-shm"), both},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.Chmod(tc.dir, 0o500))
			defer os.Chmod(tc.dir, 0o700)
			before := contents(t, tc.dir)
			for range 2 {
				if got := seenIDs(t, tc.dir, Query{}); !slices.Equal(got, tc.want) {
					t.Errorf("segments %v, want %v", got, tc.want)
				}
			}
			if after := contents(t, tc.dir); !equalMaps(before, after) {
				t.Errorf("before:\n%v\nafter:\n%v", keys(before), keys(after))
			}
		})
	}
}

func equalMaps(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func keys(m map[string]string) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// While an agent writes, each look sees one moment, and later ones see more.
func TestLookingWhileTheAgentWrites(t *testing.T) {
	s := open(t, t.TempDir())
	finished(t, s, "gate", epoch, 1)
	const segments = 300 // more than one checkpoint
	ctx, written := t.Context(), make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		defer close(written)
		for i := range segments {
			seg := Segment{ID: fmt.Sprintf("segment-%06d", i), CameraID: "gate", Path: fmt.Sprintf("segments/gate/%d.mp4", i), Start: epoch.Add(time.Duration(i) * time.Second)}
			if err := s.Begun(ctx, seg); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer writing.Wait()
	last, looks := 0, 0
	for ended := false; !ended; looks++ {
		select {
		case <-written:
			ended = true
		default:
		}
		must(t, Look(ctx, looking(s.Dir()), func(v *View) error {
			first, _, err := v.Segments(ctx, Query{})
			must(t, err)
			second, _, err := v.Segments(ctx, Query{})
			must(t, err)
			if len(first) != len(second) || len(first) < last {
				t.Fatalf("%d segments, then %d in the same look; %d in the one before", len(first), len(second), last)
			}
			last = len(first)
			return nil
		}))
	}
	if last != segments+1 || looks < 10 {
		t.Errorf("%d segments were seen in the last of %d looks", last, looks)
	}
}

// A ledger that is read without locks and is written meanwhile is read again.
func TestLookingAgainWhenTheLedgerMoves(t *testing.T) {
	s := open(t, t.TempDir())
	finished(t, s, "gate", epoch, 1)
	dir := s.Dir()
	must(t, s.Close())
	looks, counts := 0, []int(nil)
	must(t, Look(t.Context(), looking(dir), func(v *View) error {
		if looks++; looks == 1 {
			again := open(t, dir)
			finished(t, again, "gate", epoch.Add(time.Minute), 1)
			must(t, again.Close())
		}
		entries, _, err := v.Segments(t.Context(), Query{})
		counts = append(counts, len(entries))
		return err
	}))
	if looks != 2 || counts[1] != 2 {
		t.Errorf("looked %d times, saw %v segments", looks, counts)
	}
	restless := errors.New("never reached")
	i := 0
	err := Look(t.Context(), looking(dir), func(*View) error {
		i++
		must(t, os.Chtimes(filepath.Join(dir, "ledger.db"), time.Time{}, epoch.Add(time.Duration(i)*time.Second)))
		return restless
	})
	if i != lookTries || errors.Is(err, restless) || !strings.Contains(err.Error(), "try again") {
		t.Errorf("after %d looks: %v", i, err)
	}
}

func TestLookingSaysWhatIsWrong(t *testing.T) {
	good := open(t, t.TempDir())
	finished(t, good, "gate", epoch, 1)
	versioned := func(version int) string {
		dir := killed(t, good, "", "-wal", "-shm")
		db, err := sql.Open("sqlite", dsn(filepath.Join(dir, "ledger.db"), url.Values{}))
		must(t, err)
		defer db.Close()
		_, err = db.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
		must(t, err)
		return dir
	}
	garbage := t.TempDir()
	must(t, os.WriteFile(filepath.Join(garbage, "ledger.db"), []byte(strings.Repeat("this is no database. ", 500)), 0o640))
	cut := killed(t, good, "", "-wal", "-shm")
	must(t, os.Truncate(filepath.Join(cut, "ledger.db"), 50))
	must(t, os.Remove(filepath.Join(cut, "ledger.db-wal")))
	folder := t.TempDir()
	must(t, os.Mkdir(filepath.Join(folder, "ledger.db"), 0o750))
	empty := t.TempDir()
	must(t, os.WriteFile(filepath.Join(empty, "ledger.db"), nil, 0o640))
	for name, tc := range map[string]struct{ dir, want string }{
		"no directory":   {filepath.Join(t.TempDir(), "elsewhere"), "elsewhere (agent.data_dir) is not there"},
		"no ledger":      {t.TempDir(), "no agent has run with it yet"},
		"newer":          {versioned(len(migrations) + 1), "was written by a newer agent"},
		"older":          {versioned(-1), "was written by an older agent"},
		"nothing in it":  {empty, "holds nothing"},
		"no database":    {garbage, "is no ledger, or a damaged one"},
		"cut off":        {cut, "it is damaged"},
		"it is a folder": {folder, "ledger.db: "},
	} {
		t.Run(name, func(t *testing.T) {
			before := fmt.Sprint(os.ReadDir(tc.dir))
			err := Look(t.Context(), looking(tc.dir), func(v *View) error {
				_, _, err := v.Segments(t.Context(), Query{})
				return err
			})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error: %v", err)
			}
			if after := fmt.Sprint(os.ReadDir(tc.dir)); before != after {
				t.Errorf("the directory held %s, now %s", before, after)
			}
		})
	}
	if err := unreadable("ledger.db", fs.ErrPermission); !strings.Contains(err.Error(), "as administrator (root)") {
		t.Errorf("without permission: %v", err)
	}
	mine := errors.New("mine")
	if err := Look(t.Context(), looking(good.Dir()), func(*View) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the error of who looks became %v", err)
	}
}

// Names of directories mean nothing to SQLite, whose names of databases are URIs.
func TestLookingIntoOddDirectories(t *testing.T) {
	for _, name := range []string{"a b", "100%", "x%20y", "#1", "a&mode=rwc", "Süd"} {
		s := open(t, filepath.Join(t.TempDir(), name))
		rec := finished(t, s, "gate", epoch, 1)
		if got := seenIDs(t, s.Dir(), Query{}); !slices.Equal(got, []string{rec.ID}) {
			t.Errorf("%q: %v", name, got)
		}
		must(t, s.Close())
		if got := seenIDs(t, s.Dir(), Query{}); !slices.Equal(got, []string{rec.ID}) {
			t.Errorf("%q, at rest: %v", name, got)
		}
	}
}

// No look can write, whatever it is asked to do.
func TestLookingCannotWrite(t *testing.T) {
	s := open(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 1)
	for name, dir := range map[string]string{
		"shared": s.Dir(), "killed": killed(t, s, "", "-wal", "-shm"), "copied": killed(t, s, "", "-wal"),
	} {
		err := Look(t.Context(), looking(dir), func(v *View) error {
			return v.ledger.one(t.Context(), "written", rec.ID, "UPDATE segments SET size = 0 WHERE id = ?", rec.ID)
		})
		if err == nil || !strings.Contains(err.Error(), "readonly") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

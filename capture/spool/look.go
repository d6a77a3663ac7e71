package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Look reads the ledger of a data directory at one moment, while an agent writes
// to it or after it has ended in whatever way. It changes nothing in the
// directory and holds up nobody. do may be called again when the ledger has moved
// under it: what counts is what it saw last.
//
// How the ledger can be read depends on who has it open, and SQLite would create
// the files that are not there:
//
//   - With its -wal and -shm there, it is read as one of many, with SQLite's locks.
//     After a kill they are left, and the index is then made in memory.
//   - Without a -wal all is in the file itself, which nobody writes to: an agent
//     makes a -wal first. It is read without any lock.
//   - Without its -shm a -wal was copied here, or bereft of it. Both are copied to
//     where temporary files go, and read there.
//
// Nothing keeps an agent from starting or ending meanwhile. So the latter two
// count only if the files were afterwards what they had been before.
func Look(ctx context.Context, o LookOptions, do func(*View) error) error {
	dir, err := filepath.Abs(o.Dir) // what is said names it whole
	if err != nil {
		return fmt.Errorf("find the data directory %s: %w", o.Dir, err)
	}
	o.Dir = dir
	file := filepath.Join(dir, "ledger.db")
	for try := 1; ; try++ {
		before, err := survey(file)
		if err != nil {
			return err
		}
		err = look(ctx, before, o, do)
		after, serr := survey(file)
		if (err == nil && before.shared() || serr == nil && before.stands(after)) && !locked(err) {
			return readable(before, err)
		}
		if try == lookTries {
			return fmt.Errorf("the ledger %s does not stay as it is for long enough to be read; try again", file)
		}
		timer := time.NewTimer(lookAgain)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// LookOptions say which ledger, and what the configuration says of it.
type LookOptions struct {
	Dir     string
	Primary string // name of the destination that is listed first and that central is told of
	Central bool   // there is a central server
}

const (
	lookTries = 50
	lookAgain = 100 * time.Millisecond
)

// scene is the files of a ledger as they are found.
type scene struct {
	file         string
	db, wal, shm fs.FileInfo // nil for one that is not there
}

func survey(file string) (scene, error) {
	s := scene{file: file}
	for _, f := range []struct {
		suffix string
		info   *fs.FileInfo
	}{{"", &s.db}, {"-wal", &s.wal}, {"-shm", &s.shm}} {
		info, err := os.Stat(file + f.suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return s, unreadable(file, err)
		}
		if err == nil {
			*f.info = info
		}
	}
	if s.db != nil {
		return s, nil
	}
	dir := filepath.Dir(file)
	if _, err := os.Stat(dir); err != nil {
		return s, fmt.Errorf("the data directory %s (agent.data_dir) is not there: is this the configuration that the agent runs with? %w", dir, err)
	}
	return s, fmt.Errorf("there is no ledger in the data directory %s (agent.data_dir): no agent has run with it yet", dir)
}

func unreadable(file string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the ledger %s cannot be read by this user; run this as administrator (root): %w", file, err)
	}
	return fmt.Errorf("read the ledger %s: %w", file, err)
}

// shared: it is, or could be, read while others have it open.
func (s scene) shared() bool { return s.wal != nil && s.shm != nil }

// stands: what it was read by still holds.
func (s scene) stands(now scene) bool {
	if s.shared() {
		return now.shared()
	}
	same := func(a, b fs.FileInfo) bool {
		return a == nil && b == nil || a != nil && b != nil && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
	}
	return same(s.db, now.db) && same(s.wal, now.wal) && same(s.shm, now.shm)
}

// locked: SQLite was in no position to read just then.
func locked(err error) bool {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return false
	}
	// A wal-index that a writer has just begun has no mark yet that a reader could
	// hold on to without writing one.
	return se.Code()&0xff == sqlite3.SQLITE_BUSY || se.Code() == sqlite3.SQLITE_READONLY_CANTINIT
}

// readable puts what went wrong into words.
func readable(s scene, err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	if damaged(err) {
		return fmt.Errorf("%s is no ledger, or a damaged one; an agent sets that aside when it starts, and begins another: %w", s.file, err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		f, oerr := os.Open(s.file + suffix)
		if oerr == nil {
			f.Close()
		} else if errors.Is(oerr, fs.ErrPermission) {
			return unreadable(s.file, oerr)
		}
	}
	return fmt.Errorf("read the ledger %s: %w", s.file, err)
}

// newestFirst has SQLite go through a table from its end, where the newest rows
// are: with those in hand it need not sort the others.
const newestFirst = "reverse_unordered_selects(1)"

func look(ctx context.Context, s scene, o LookOptions, do func(*View) error) error {
	params := url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(5000)", newestFirst}}
	file := s.file
	switch {
	case s.shared():
		params.Set("readonly_shm", "1")
	case s.wal == nil || s.wal.Size() == 0:
		params.Set("immutable", "1")
	default:
		dir, err := os.MkdirTemp("", "ledger-")
		if err != nil {
			return fmt.Errorf("copy the ledger to read it: %w", err)
		}
		defer os.RemoveAll(dir)
		if file, err = copyLedger(dir, s.file); err != nil {
			return err
		}
	}
	db, err := sql.Open("sqlite", dsn(file, params))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	v := &View{opts: o, ledger: &ledger{db: db, now: time.Now}}
	// One transaction: everything is seen at the same moment.
	if _, err := db.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := v.known(ctx, s.file); err != nil {
		return err
	}
	return do(v)
}

// copyLedger copies a ledger and its -wal.
func copyLedger(dir, file string) (string, error) {
	to := filepath.Join(dir, "ledger.db")
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(to+suffix, file+suffix); err != nil {
			return "", unreadable(file, err)
		}
	}
	return to, nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// known makes sure that the ledger has the form that this program knows: looking
// does not migrate.
func (v *View) known(ctx context.Context, file string) error {
	switch version, err := v.ledger.version(ctx); {
	case err != nil:
		return err
	case version == 0:
		return fmt.Errorf("the ledger %s holds nothing: an agent is about to make it, or it is damaged; an agent that starts puts it right", file)
	case version > len(migrations):
		return fmt.Errorf("the ledger %s has version %d and was written by a newer agent; this one knows up to %d: look with the newer one", file, version, len(migrations))
	case version < len(migrations):
		return fmt.Errorf("the ledger %s has version %d and was written by an older agent; this one knows version %d, and brings it up to that when it starts as the agent", file, version, len(migrations))
	}
	return nil
}

package spool

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// openLedger opens or creates the database. One that SQLite says is damaged, or that lies
// where the disk cannot be read, is moved aside: the segments are adopted into a new one,
// which is worse than a good ledger and better than not recording.
func openLedger(ctx context.Context, file string, o Options) (*ledger, error) {
	if err := keepOrphan(file, o); err != nil {
		return nil, err
	}
	l, err := connect(ctx, file, o.Now, o.LedgerDamaged)
	for try := 1; unread(err) && try < readTries && wait(ctx, readAgain); try++ {
		l, err = connect(ctx, file, o.Now, o.LedgerDamaged)
	}
	if unread(err) {
		if derr := works(filepath.Dir(file)); derr != nil {
			return nil, fmt.Errorf("%w (and it is not the ledger alone: %w)", err, derr)
		}
	} else if !damaged(err) {
		return l, err
	}
	aside := asideName(file, o.Now())
	o.Log.Error().Err(err).Str("moved_to", aside).Msg("the ledger is damaged: starting a new one and adopting the segments on disk")
	if err := moveAside(file, aside); err != nil {
		return nil, err
	}
	return connect(ctx, file, o.Now, false)
}

// A disk may fail for a moment: what cannot be read at so many attempts is lost.
const (
	readTries = 3
	readAgain = time.Second
)

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// errUnread says that a check has come to a page which the disk does not return.
var errUnread = errors.New("the disk does not return it")

// unread: the disk does not return what is in the ledger. That it cannot be written, or
// is full, is another matter. Of the first page the driver does not say more than IOERR.
func unread(err error) bool {
	var se *sqlite.Error
	return errors.Is(err, errUnread) || errors.As(err, &se) && slices.Contains([]int{sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ,
		sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_DATA}, se.Code())
}

// works says whether other files in a data directory can be read and written.
func works(dir string) error {
	if _, err := os.ReadFile(filepath.Join(dir, "spool.id")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	probe := filepath.Join(dir, "probe")
	if err := WriteDurably(probe, []byte("can this be written?\n"), 0o640); err != nil {
		return err
	}
	_, err := os.ReadFile(probe)
	return errors.Join(err, os.Remove(probe))
}

// keepOrphan keeps a -wal whose ledger was lost: SQLite would delete it, and it may hold
// what nothing else does.
func keepOrphan(file string, o Options) error {
	if info, err := os.Stat(file); err == nil && info.Size() > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil // whoever opens it says what is wrong
	}
	if info, err := os.Stat(file + "-wal"); err != nil || info.Size() == 0 {
		return nil
	}
	aside := asideName(file, o.Now())
	o.Log.Error().Str("moved_to", aside+"-wal").Msg("the ledger is gone, and what was last written to it is not: that is kept, a new ledger begun and the segments on disk adopted")
	return moveAside(file, aside)
}

func asideName(file string, now time.Time) string {
	return fmt.Sprintf("%s.damaged-%s", file, now.UTC().Format(fileTime))
}

// moveAside keeps what there is of a ledger under another name.
func moveAside(file, aside string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := renameFile(file+suffix, aside+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("move the damaged ledger aside: %w", err)
		}
	}
	return nil
}

// errUnsound says what a check has found.
var errUnsound = errors.New("it is damaged")

// pageError is how a check says that a page could not be had.
var pageError = regexp.MustCompile(`unable to get the page\. error code=(\d+)`)

// sound has SQLite look at every page: one that is damaged behind the first would be
// met when it is needed. A thorough look compares the indexes with what they are of,
// which takes several times as long.
func (l *ledger) sound(ctx context.Context, thorough bool) error {
	check := "PRAGMA quick_check(1)"
	if thorough {
		check = "PRAGMA integrity_check(1)"
	}
	var found string
	if err := l.db.QueryRowContext(ctx, check).Scan(&found); err != nil {
		return fmt.Errorf("check it: %w", err)
	}
	if code := pageError.FindStringSubmatch(found); code != nil {
		if n, err := strconv.Atoi(code[1]); err == nil && n&0xff == sqlite3.SQLITE_IOERR {
			return fmt.Errorf("%w: %s", errUnread, found)
		}
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", errUnsound, found)
	}
	return nil
}

func damaged(err error) bool {
	var se *sqlite.Error
	return errors.Is(err, errUnsound) || errors.As(err, &se) && (se.Code()&0xff == sqlite3.SQLITE_CORRUPT || se.Code()&0xff == sqlite3.SQLITE_NOTADB)
}

// damage remembers the first that SQLite has met in a database, whichever verb or
// question met it: who asked may only try again.
type damage struct{ first atomic.Pointer[error] }

func (d *damage) note(err error) error {
	if damaged(err) {
		d.first.CompareAndSwap(nil, &err)
	}
	return err
}

// met is ErrLedgerDamaged, and where, once there is any.
func (d *damage) met() error {
	if first := d.first.Load(); first != nil {
		return Damage(*first)
	}
	return nil
}

// open opens a database, with one connection, whose damage is noted.
func (d *damage) open(name string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(watchedConnector{c, d})
	db.SetMaxOpenConns(1)
	return db, nil
}

// watchedConnector makes connections whose errors are looked at. All that the spool
// asks passes there, the rows that are read one by one as well.
type watchedConnector struct {
	driver.Connector
	damage *damage
}

// sqliteConn is what a connection of SQLite can do for database/sql.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

func (c watchedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, c.damage.note(err)
	}
	whole, ok := conn.(sqliteConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a connection of SQLite is a %T, which cannot be watched", conn), conn.Close())
	}
	return watchedConn{whole, c.damage}, nil
}

type watchedConn struct {
	sqliteConn
	damage *damage
}

func (c watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.sqliteConn.ExecContext(ctx, query, args)
	return result, c.damage.note(err)
}

func (c watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.sqliteConn.QueryContext(ctx, query, args)
	if err != nil {
		return nil, c.damage.note(err)
	}
	return watchedRows{rows, c.damage}, nil
}

func (c watchedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.sqliteConn.BeginTx(ctx, o)
	if err != nil {
		return nil, c.damage.note(err)
	}
	return watchedTx{tx, c.damage}, nil
}

type watchedRows struct {
	driver.Rows
	damage *damage
}

func (r watchedRows) Next(into []driver.Value) error { return r.damage.note(r.Rows.Next(into)) }

type watchedTx struct {
	driver.Tx
	damage *damage
}

func (t watchedTx) Commit() error { return t.damage.note(t.Tx.Commit()) }

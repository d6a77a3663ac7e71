package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

// ledger is the SQLite database. It has one writer, the agent, and one
// connection; synchronous=FULL makes every committed verb survive a power cut.
type ledger struct {
	db     *sql.DB
	now    func() time.Time
	file   string
	opened os.FileInfo // of file
	damage *damage     // that was met in it
}

// migrations lead from one schema version (PRAGMA user_version) to the next. One
// that was released is never changed; another is added behind it.
var migrations = []string{`
CREATE TABLE identity (id TEXT NOT NULL) STRICT;

CREATE TABLE segments (
	id            TEXT PRIMARY KEY,
	camera_id     TEXT NOT NULL,
	camera_name   TEXT NOT NULL,
	client_name   TEXT NOT NULL,
	path          TEXT NOT NULL UNIQUE,
	state         TEXT NOT NULL CHECK (state IN ('recording','finished','deleted','missing','empty')),
	start_us      INTEGER NOT NULL,
	end_us        INTEGER NOT NULL DEFAULT 0,
	duration_us   INTEGER NOT NULL DEFAULT 0,
	size          INTEGER NOT NULL DEFAULT 0,
	checksum      TEXT NOT NULL DEFAULT '',
	video_codec   TEXT NOT NULL DEFAULT '',
	audio_codec   TEXT NOT NULL DEFAULT '',
	width         INTEGER NOT NULL DEFAULT 0,
	height        INTEGER NOT NULL DEFAULT 0,
	frame_rate    REAL NOT NULL DEFAULT 0,
	frames        INTEGER NOT NULL DEFAULT 0,
	central_state        TEXT NOT NULL DEFAULT 'none'
		CHECK (central_state IN ('none','registered','recording','completed','failed','refused')),
	central_recording_id TEXT NOT NULL DEFAULT '',
	central_attempts     INTEGER NOT NULL DEFAULT 0,
	central_error        TEXT NOT NULL DEFAULT '',
	central_refused_us   INTEGER NOT NULL DEFAULT 0,
	central_next_us      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX segments_present ON segments (state, start_us) WHERE state IN ('recording','finished');
CREATE INDEX segments_unreported ON segments (central_state, start_us) WHERE central_state IN ('none','registered','recording');
CREATE INDEX segments_camera ON segments (camera_id, end_us);

CREATE TABLE deliveries (
	segment_id  TEXT NOT NULL REFERENCES segments (id),
	destination TEXT NOT NULL,
	bucket      TEXT NOT NULL,
	key         TEXT NOT NULL,
	state       TEXT NOT NULL CHECK (state IN ('pending','stored','verified','missed')),
	verified_by TEXT NOT NULL DEFAULT '',
	verified_us INTEGER NOT NULL DEFAULT 0,
	attempts    INTEGER NOT NULL DEFAULT 0,
	error       TEXT NOT NULL DEFAULT '',
	next_us     INTEGER NOT NULL DEFAULT 0,
	upload_id   TEXT NOT NULL DEFAULT '',
	part_size   INTEGER NOT NULL DEFAULT 0,
	algorithm   TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (segment_id, destination)
) STRICT;
CREATE INDEX deliveries_open ON deliveries (destination) WHERE state IN ('pending','stored');

CREATE TABLE upload_parts (
	segment_id  TEXT NOT NULL,
	destination TEXT NOT NULL,
	number      INTEGER NOT NULL,
	size        INTEGER NOT NULL,
	checksum    TEXT NOT NULL,
	etag        TEXT NOT NULL,
	PRIMARY KEY (segment_id, destination, number),
	FOREIGN KEY (segment_id, destination) REFERENCES deliveries (segment_id, destination)
) STRICT;

CREATE TABLE gaps (
	id        INTEGER PRIMARY KEY,
	camera_id TEXT NOT NULL,
	start_us  INTEGER NOT NULL,
	end_us    INTEGER NOT NULL DEFAULT 0,
	cause     TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX gaps_open ON gaps (camera_id) WHERE end_us = 0;
CREATE INDEX gaps_camera ON gaps (camera_id, end_us);
`, `
CREATE INDEX deliveries_key ON deliveries (destination, key);
ALTER TABLE gaps ADD COLUMN detail TEXT NOT NULL DEFAULT '';
ALTER TABLE segments ADD COLUMN recorded_us INTEGER NOT NULL DEFAULT 0;
UPDATE segments SET recorded_us = duration_us;
ALTER TABLE segments ADD COLUMN schedule_id TEXT NOT NULL DEFAULT '';
`, `
ALTER TABLE segments ADD COLUMN given_up TEXT NOT NULL DEFAULT '';
CREATE INDEX segments_given_up ON segments (start_us) WHERE given_up <> '';
ALTER TABLE segments ADD COLUMN clock_offset_us INTEGER;
`, `
CREATE TABLE clock (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	open       INTEGER NOT NULL DEFAULT 1,
	trusted_us INTEGER NOT NULL DEFAULT 0,
	boot       TEXT NOT NULL DEFAULT '',
	waited_us  INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO clock (one) VALUES (1);
ALTER TABLE segments ADD COLUMN dated TEXT NOT NULL DEFAULT 'yes' CHECK (dated IN ('yes','later','never'));
ALTER TABLE segments ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE segments ADD COLUMN booted_us INTEGER NOT NULL DEFAULT 0;
CREATE INDEX segments_undated ON segments (dated) WHERE dated = 'later';
ALTER TABLE gaps ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE gaps ADD COLUMN booted_us INTEGER NOT NULL DEFAULT 0;
CREATE INDEX gaps_undated ON gaps (boot) WHERE boot <> '';
ALTER TABLE gaps ADD COLUMN segments_before INTEGER NOT NULL DEFAULT 0;
`, `
ALTER TABLE clock ADD COLUMN uptime_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clock ADD COLUMN gaps_before INTEGER NOT NULL DEFAULT 0;
`, `
CREATE INDEX segments_gone ON segments (state) WHERE state IN ('missing','empty');
`, `
ALTER TABLE segments ADD COLUMN seen_us INTEGER NOT NULL DEFAULT 0;
CREATE INDEX segments_unseen ON segments (state) WHERE dated = 'never' AND seen_us = 0;
`, `
CREATE TABLE pruned (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	ran_us     INTEGER NOT NULL DEFAULT 0,
	until_us   INTEGER NOT NULL DEFAULT 0,
	sent_us    INTEGER NOT NULL DEFAULT 0,
	ids        INTEGER NOT NULL DEFAULT 0,
	deleted    INTEGER NOT NULL DEFAULT 0,
	missing    INTEGER NOT NULL DEFAULT 0,
	empty      INTEGER NOT NULL DEFAULT 0,
	lost       INTEGER NOT NULL DEFAULT 0,
	lost_bytes INTEGER NOT NULL DEFAULT 0,
	lost_us    INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO pruned (one) VALUES (1);
CREATE TABLE pruned_ids (key INTEGER PRIMARY KEY) STRICT;
CREATE TABLE pruned_gaps (
	camera_id  TEXT NOT NULL,
	cause      TEXT NOT NULL,
	missing_us INTEGER NOT NULL,
	PRIMARY KEY (camera_id, cause)
) STRICT, WITHOUT ROWID;
CREATE TABLE marks (
	day     INTEGER PRIMARY KEY,
	segment INTEGER NOT NULL,
	gap     INTEGER NOT NULL
) STRICT;
`}

// connect opens or creates the database. thorough has all of it checked, with its
// indexes.
func connect(ctx context.Context, file string, now func() time.Time, thorough bool) (*ledger, error) {
	if err := privateFile(file); err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	params := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-1024)"},
	}
	met := &damage{}
	db, err := met.open(dsn(file, params))
	if err != nil {
		return nil, fmt.Errorf("open the ledger %s: %w", file, err)
	}
	l := &ledger{db: db, now: now, file: file, damage: met}
	if err = l.sound(ctx, thorough); err == nil {
		err = l.migrate(ctx)
	}
	if err == nil {
		// By its name: to open and close it would take SQLite's locks from this process.
		l.opened, err = os.Stat(file)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger %s: %w", file, err), db.Close())
	}
	os.SameFile(l.opened, l.opened) // on Windows the name is looked up when it is first compared
	return l, nil
}

// privateFile makes sure that there is a file, and that it is the agent's and its group's:
// SQLite would create it for everybody, and gives its other files the same rights.
func privateFile(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm()&0o007 == 0 {
		return err
	}
	return f.Chmod(0o640)
}

// dsn names a database file to the driver, on Windows as well.
func dsn(file string, params url.Values) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath(), RawQuery: params.Encode()}
	return u.String()
}

func (l *ledger) migrate(ctx context.Context) error {
	version, err := l.version(ctx)
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("it has version %d and was written by a newer agent; this one knows up to %d", version, len(migrations))
	}
	if version == len(migrations) {
		return nil
	}
	// All at once: whoever looks meanwhile sees the ledger as it was, or as it is.
	err = l.tx(ctx, func(tx *sql.Tx) error {
		for _, m := range migrations[version:] {
			if _, err := tx.ExecContext(ctx, m); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations)))
		return err
	})
	if err != nil {
		return fmt.Errorf("bring it from version %d to %d: %w", version, len(migrations), err)
	}
	return nil
}

// version is that of the schema: how many migrations it has seen.
func (l *ledger) version(ctx context.Context) (version int, err error) {
	if err := l.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("read its version: %w", err)
	}
	return version, nil
}

func (l *ledger) tx(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a ledger transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // when do panics: else the only connection would never come back
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// identity returns the id that binds ledger and directory. A new ledger takes
// the directory's, if that has one: then the old ledger was lost.
func (l *ledger) identity(ctx context.Context, directory string) (string, error) {
	var id string
	err := l.db.QueryRowContext(ctx, "SELECT id FROM identity").Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		if id = directory; id == "" {
			id = uuid.NewString()
		}
		_, err = l.db.ExecContext(ctx, "INSERT INTO identity (id) VALUES (?)", id)
	}
	if err != nil {
		return "", fmt.Errorf("read the ledger's identity: %w", err)
	}
	return id, nil
}

// ErrUnknown says that there is no such row.
var ErrUnknown = errors.New("there is no such segment")

// ErrTransition says that a verb does not fit the state a row is in.
var ErrTransition = errors.New("not possible in its present state")

// one runs a statement that has to change exactly one row: a verb.
func (l *ledger) one(ctx context.Context, verb, id, query string, args ...any) error {
	res, err := l.db.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("ledger: %s %s: %w", verb, id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("ledger: %s %s: %w", verb, id, ErrTransition)
	}
	return nil
}

// micros stores a time; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Package spool is the border between capture and uploader: a directory of
// segment files and a ledger that says what each of them is and how far it has
// come. The disk is the queue; nothing that matters lives only in memory.
//
// Layout of the data directory:
//
//	lock                                   held by the one agent that runs on it;
//	                                       its time is when that was last alive
//	spool.id                               binds the directory to its ledger
//	ledger.db                              SQLite
//	reserve                                holds room for the ledger
//	segments/<camera id>/<start>_<id>.mp4  being recorded, or finished; an id of
//	                                       version 5: another recorder's, see ForeignID
package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/capture/panics"
	"recording-agent/capture/private"
)

// Destination is where segments are to be delivered.
type Destination struct {
	Name     string
	Bucket   string
	Key      func(Segment) string // rendered once, when the segment begins
	Optional bool                 // local files do not wait for it for long, see Safe
}

// Options configure a Spool.
type Options struct {
	Dir          string                 // created if it does not exist
	ClientName   string                 // for files that are adopted without one
	CameraName   func(id string) string // the same; nil, or empty where it is not known: the id
	Destinations []Destination          // the first is the primary: the object there is the one that central is told of
	Log          zerolog.Logger
	Now          func() time.Time
	Disk         func(dir string) (free, total uint64, err error) // bytes; nil: the system is asked
	Clock        *HostClock                                       // nil: Now is believed, whatever it says
	Wanted       Wanted                                           // nil: cameras are to be recorded at all times

	LedgerDamaged bool // ErrLedgerDamaged ended the last run: all of the ledger is checked, with its indexes
}

// Spool is an open data directory. It is safe for concurrent use.
type Spool struct {
	opts   Options
	lock   *flock.Flock
	locked os.FileInfo // the lock's file
	id     string      // in spool.id
	ledger *ledger
	rename func(from, to string) error // renameFile
	before time.Time                   // when the last run was alive
	clock  *clock                      // nil: it is believed
	kept   ClockReport                 // as the ledger knows it; FollowClock's

	left   leftovers
	intake intake

	setBack time.Duration // by how much the clock was since the last run, below zero; until that is noted
	setSeen time.Duration // the uptime when it was seen that the clock was set, until that is remembered; FollowClock's

	ran  time.Duration // by the host's uptime, up to where the ledger knows that the agent ran; Ran's
	keep keeping       // what Prune leaves

	panics   *panics.Page // over what files hold
	removing sync.Mutex   // a file is being deleted or given up, up to its row
	refused  atomic.Int32 // a Refusal

	mu         sync.Mutex
	alive      time.Time
	subs       []chan struct{}
	growing    map[string]int64 // watermarks, by segment
	growthSubs []chan struct{}
}

// ErrLocked says that another agent runs on the data directory.
var ErrLocked = errors.New("another agent is running on this data directory")

// Open locks the data directory and opens its ledger, creating what is not there
// yet. Prepare has to follow before anything is recorded or uploaded.
func Open(ctx context.Context, o Options) (*Spool, error) {
	err := private.Directory(o.Dir)
	if err == nil {
		err = os.MkdirAll(filepath.Join(o.Dir, segmentsDir), 0o750)
	}
	if err != nil {
		return nil, fmt.Errorf("create the data directory (agent.data_dir): %w", err)
	}
	before := lastAlive(o.Dir)
	lock := flock.New(lockFile(o.Dir))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data directory %s: %w", o.Dir, err)
	}
	if !held {
		return nil, fmt.Errorf("%w (%s): stop it first, or give this one a data_dir of its own", ErrLocked, o.Dir)
	}
	if o.Disk == nil {
		o.Disk = diskUsage
	}
	s := &Spool{opts: o, lock: lock, rename: renameFile, before: before, keep: keepRows, panics: panics.NewBook(o.Log, o.Now).Own(), growing: map[string]int64{}}
	if s.locked, err = lock.Stat(); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data directory %s: %w", o.Dir, err), s.Close())
	}
	if err = s.openWithReserve(ctx); err == nil {
		err = s.bind(ctx)
	}
	if err == nil {
		err = s.startClock(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.ran = s.uptime()
	s.holdReserve()
	return s, nil
}

// Close closes the ledger and gives up the lock.
func (s *Spool) Close() error {
	var errs []error
	if s.ledger != nil {
		if s.clock != nil {
			errs = append(errs, s.keepClock(context.Background(), s.clock.report()))
		}
		errs = append(errs, s.ledger.db.Close())
	}
	return errors.Join(append(errs, s.lock.Unlock())...)
}

// bind makes sure that ledger and directory belong together: with a ledger that
// was copied from elsewhere, everything here would look like it had no row, and
// everything there like it had no file.
func (s *Spool) bind(ctx context.Context) error {
	file := filepath.Join(s.opts.Dir, "spool.id")
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	// What a power cut or an editor has left of it speaks against no ledger.
	here := strings.TrimSpace(string(content))
	if uuid.Validate(here) != nil {
		here = ""
	}
	known, err := s.ledger.identity(ctx, here)
	s.id = known
	switch {
	case err != nil:
		return err
	case here != "" && here != known:
		return fmt.Errorf("the ledger in %s belongs to another data directory: move ledger.db away to have the segments here adopted", s.opts.Dir)
	case here == "" || string(content) != here:
		if here == "" && len(content) > 0 {
			s.opts.Log.Warn().Str("file", file).Msg("the file that binds the data directory to its ledger was damaged: it is written again for the ledger that is there")
		}
		return WriteDurably(file, []byte(known), 0o640)
	}
	return nil
}

// Subscribe returns a channel with one slot that receives a hint after each
// change of a segment or delivery. A hint that is lost costs time, never data:
// whoever listens also looks by itself from time to time.
func (s *Spool) Subscribe() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{}, 1)
	s.subs = append(s.subs, c)
	return c
}

func (s *Spool) changed() {
	s.mu.Lock()
	subs := s.subs
	s.mu.Unlock()
	hint(subs)
}

func hint(subs []chan struct{}) {
	for _, c := range subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Dir is the data directory.
func (s *Spool) Dir() string { return s.opts.Dir }

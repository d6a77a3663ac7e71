package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"recording-agent/capture/mp4"
)

// errNotOurs says that a file in the spool is none of a segment: no attempt changes that.
var errNotOurs = errors.New("its name is not that of a segment")

// leftovers is what Recover could not bring in order: a disk may fail for a moment, and
// the next start be months away.
type leftovers struct {
	mu    sync.Mutex
	rows  map[string]error // by segment
	files map[string]error // by path in the data directory
	dirs  map[string]error // by name
	ours  map[string]bool  // paths of the files that came since, while there are dirs: they get their rows
}

func (l *leftovers) row(id string, err error) { l.note(&l.rows, id, err) }

func (l *leftovers) file(path string, err error) {
	if !errors.Is(err, errNotOurs) && !errors.Is(err, mp4.ErrNotSegment) {
		l.note(&l.files, path, err)
	}
}

func (l *leftovers) directory(name string, err error) { l.note(&l.dirs, name, err) }

func (l *leftovers) note(in *map[string]error, what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if *in == nil {
		*in = map[string]error{}
	}
	(*in)[what] = err
}

// made notes that a file of this run is about to come into the spool, before its row.
func (l *leftovers) made(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.dirs) == 0 {
		return
	}
	if l.ours == nil {
		l.ours = map[string]bool{}
	}
	l.ours[path] = true
}

func (l *leftovers) isOurs(path string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ours[path]
}

// settle forgets what an attempt brings in order, and keeps why it does not.
func (l *leftovers) settle(in map[string]error, what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		in[what] = err
		return
	}
	delete(in, what)
	if len(l.dirs) == 0 {
		l.ours = nil
	}
}

func (l *leftovers) names(in map[string]error) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(in))
}

// Leftovers is what is still not in order of what Recover found.
type Leftovers struct {
	Count int   // of segments, files and directories
	Cause error // of one of them; nil: there are none
}

// Leftovers says what Recover, and RecoverAgain since, could not bring in order.
func (s *Spool) Leftovers() Leftovers {
	s.left.mu.Lock()
	defer s.left.mu.Unlock()
	l := Leftovers{Count: len(s.left.rows) + len(s.left.files) + len(s.left.dirs)}
	for _, in := range []map[string]error{s.left.rows, s.left.files, s.left.dirs} {
		if names := slices.Sorted(maps.Keys(in)); l.Cause == nil && len(names) > 0 {
			l.Cause = fmt.Errorf("%s: %w", names[0], in[names[0]])
		}
	}
	return l
}

// RecoverAgain tries what Recover has left once more, while the agent runs: it touches
// only what the last run has left. Nothing else may run it at the same time. What it
// still cannot bring in order Leftovers tells.
func (s *Spool) RecoverAgain(ctx context.Context) (Recovery, error) {
	var r Recovery
	for _, id := range s.left.names(s.left.rows) {
		err := s.rowAgain(ctx, id, &r)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		s.left.settle(s.left.rows, id, err)
	}
	for _, dir := range s.left.names(s.left.dirs) {
		s.left.settle(s.left.dirs, dir, s.directoryAgain(ctx, dir))
	}
	for _, path := range s.left.names(s.left.files) {
		err := s.fileAgain(ctx, path, &r)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		s.left.settle(s.left.files, path, err)
	}
	r.Failed = s.Leftovers().Count
	if r.Recovered+r.Adopted == 0 {
		return r, nil
	}
	return r, s.planPresent(ctx) // destinations that came since
}

func (s *Spool) rowAgain(ctx context.Context, id string, r *Recovery) error {
	seg, err := s.Segment(ctx, id)
	if errors.Is(err, ErrUnknown) || err == nil && seg.State != Recording && seg.State != Finished {
		return nil
	}
	if err == nil {
		err = s.Present() // else a file that cannot be found is not lost
	}
	if err != nil {
		return err
	}
	if seg.State == Finished && seg.Checksum == "" && seg.Dated != DatedLater {
		return s.readThrough(ctx, seg, hurried, r)
	}
	return s.recoverRow(ctx, seg, r)
}

// directoryAgain takes the files of a directory for such as have no row, once it can be
// read. Directories in it come in the next turn.
func (s *Spool) directoryAgain(ctx context.Context, name string) error {
	entries, err := os.ReadDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s.Present()
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		at := filepath.Join(name, entry.Name())
		rel, err := filepath.Rel(s.opts.Dir, at)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		_, id, _, ours := parsePath(rel)
		switch {
		case entry.IsDir():
			s.left.directory(at, errors.New("it has not been looked at yet"))
			continue
		case !ours || !entry.Type().IsRegular() || filepath.Ext(rel) != ".mp4" || s.left.isOurs(rel):
			continue
		}
		// Behind isOurs: a file of this run may have got its row, or a time, meanwhile.
		known, err := s.segments(ctx, `WHERE id = ? AND state IN ('recording','finished','deleted')`, id)
		if err != nil {
			return err
		}
		if len(known) == 0 {
			s.left.file(rel, errors.New("it has not been looked at yet"))
		}
	}
	return nil
}

func (s *Spool) fileAgain(ctx context.Context, path string, r *Recovery) error {
	if err := s.Present(); err != nil {
		return err
	}
	err := s.adoptLater(ctx, path, r)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, mp4.ErrNotSegment) {
		return nil
	}
	return err
}

package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/mp4"
)

// Prepare looks at what the last run has left, and settles what has to be settled before
// cameras record: where the footage of each ends, and that gaps which were open end. It
// lists files and reads the ends of a few, so it takes no longer however much there is;
// TakeIn and ReadThrough do the rest while cameras record. It is to be called once. After a
// crash in any of these the next start does what is left.
func (s *Spool) Prepare(ctx context.Context) (Recovery, error) {
	var r Recovery
	files, err := s.listFiles(ctx, &r)
	if err != nil {
		return r, err
	}
	if err := s.prepareOpen(ctx, files, &r); err != nil {
		return r, err
	}
	gone, err := s.withoutFiles(ctx, files)
	if err != nil {
		return r, err
	}
	lone, err := s.prepareNewest(ctx, files, &r)
	if err != nil {
		return r, err
	}
	s.intake.begin(gone, lone)
	for _, step := range []func(context.Context) error{s.countUnread, s.settleGaps, s.noteSetBack, s.planPresent, s.retryAtOnce} {
		if err := step(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

// listFiles lists the files of segments by their paths, without opening any.
func (s *Spool) listFiles(ctx context.Context, r *Recovery) (map[string]lone, error) {
	files := map[string]lone{}
	err := filepath.WalkDir(filepath.Join(s.opts.Dir, segmentsDir), func(name string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.Failed++
			s.left.directory(name, err)
			s.opts.Log.Error().Err(err).Str("directory", name).
				Msg("a directory cannot be read: files in it that have no row are not taken up before it can; look at its rights and at the disk")
			return nil // of the others, and of what could be read of it, the rest is taken up
		}
		if entry.Type().IsRegular() && strings.HasSuffix(name, ".mp4"+copying) {
			_ = removeFile(name) // what was copied is still where it was, and this no loss
			return nil
		}
		if !entry.Type().IsRegular() || filepath.Ext(name) != ".mp4" {
			return nil
		}
		rel, err := filepath.Rel(s.opts.Dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		camera, id, start, ours := parsePath(rel)
		if !ours {
			r.Failed++
			s.sayNotAdopted(rel, errNotOurs)
			return nil
		}
		files[rel] = lone{path: rel, camera: camera, id: id, start: start}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look what files there are: %w", err)
	}
	return files, nil
}

func (s *Spool) sayNotAdopted(path string, err error) {
	s.opts.Log.Error().Err(err).Str("file", path).Msg("file without a row could not be adopted; it is left as it is")
}

// prepareOpen notes where the segments end that the last run did not finish. They are
// recovered behind the cameras.
func (s *Spool) prepareOpen(ctx context.Context, files map[string]lone, r *Recovery) error {
	segs, err := s.Segments(ctx, Recording)
	if err != nil {
		return err
	}
	var ended []Segment
	cut := 0
	for _, seg := range segs {
		if err := ctx.Err(); err != nil {
			return err
		}
		noted := !seg.End.IsZero()
		if !noted { // else an earlier start has found it, and the last run has not come to recover it
			cut++
		}
		settled, err := s.lookAtOpen(ctx, &seg, r)
		delete(files, seg.Path)
		if settled {
			continue
		}
		s.intake.recoverLater(openSegment{id: seg.ID, dated: seg.Dated}) // what is wrong with it is said then
		if err == nil && !noted {
			ended = append(ended, seg)
		}
	}
	s.intake.wereCut(cut)
	err = s.ledger.tx(ctx, func(tx *sql.Tx) error {
		for _, seg := range ended {
			if _, err := tx.ExecContext(ctx, `UPDATE segments SET path = ?, end_us = ? WHERE id = ? AND state = 'recording'`, seg.Path, micros(seg.End), seg.ID); err != nil {
				return fmt.Errorf("ledger: end of segment %s: %w", seg.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, seg := range ended {
		if err := s.settleEnd(ctx, seg); err != nil {
			return err
		}
	}
	return nil
}

// lookAtOpen finds out where a segment ends, and where its file lies. It is settled if
// there is nothing to be recovered.
func (s *Spool) lookAtOpen(ctx context.Context, seg *Segment, r *Recovery) (settled bool, err error) {
	name, err := s.file(seg.Path)
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if at := s.elsewhere(*seg); at != "" {
			seg.Path = at
			return s.lookAtOpen(ctx, seg, r)
		}
		err := s.withoutFile(ctx, *seg, r)
		return err == nil, err
	}
	if !seg.End.IsZero() { // an earlier start has noted it, and what was recorded since goes by it
		return false, nil
	}
	found, _, err := s.glance(name, seg.ID)
	if !foreign(seg.ID) && (errors.Is(err, mp4.ErrEmpty) || errors.Is(err, mp4.ErrNotSegment)) {
		if footage, ferr := holdsFootage(name); footage || ferr != nil {
			return false, errors.Join(err, ferr) // that it cannot be played is said by who reads it through
		}
		err := s.giveUp(ctx, *seg, name, time.Time{}, r)
		return err == nil, err
	}
	if err == nil {
		seg.End = seg.Start.Add(pictures(found))
	}
	return false, err
}

// withoutFiles lists the finished segments whose file is not where it should be, and takes
// those that have one out of the list. One that has its file under another name gets that:
// a crash came while it got its times.
func (s *Spool) withoutFiles(ctx context.Context, files map[string]lone) (gone []string, err error) {
	rows, err := s.ledger.db.QueryContext(ctx, `SELECT id, path FROM segments WHERE state = 'finished'`)
	if err != nil {
		return nil, fmt.Errorf("ledger: list files: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, path string
		if err := rows.Scan(&id, &path); err != nil {
			return nil, fmt.Errorf("ledger: list files: %w", err)
		}
		if _, found := files[path]; !found {
			gone = append(gone, id)
		}
		delete(files, path)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(gone) == 0 {
		return nil, err
	}
	at := map[string]string{}
	for path, f := range files {
		at[f.id] = path
	}
	for i, id := range gone {
		path := at[id]
		if path == "" {
			continue
		}
		if err := s.ledger.one(ctx, "moved", id, `UPDATE segments SET path = ? WHERE id = ?`, path, id); err != nil {
			return nil, err
		}
		delete(files, path)
		gone[i] = ""
	}
	return slices.DeleteFunc(gone, func(id string) bool { return id == "" }), nil
}

// newestTries is how many files of a camera are looked into, from the newest on, for one
// that holds footage.
const newestTries = 5

// prepareNewest makes a row for the newest file of each camera that has none: from its end
// on footage is missing. It returns the others.
func (s *Spool) prepareNewest(ctx context.Context, files map[string]lone, r *Recovery) ([]lone, error) {
	newest := map[string][]lone{}
	for _, f := range files {
		if !foreign(f.id) { // they do not say where ours end
			newest[f.camera] = append(newest[f.camera], f)
		}
	}
	var rows []Segment
	for _, of := range newest {
		slices.SortFunc(of, func(a, b lone) int { return b.start.Compare(a.start) })
		for i, f := range of[:min(newestTries, len(of))] {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			seg, err := s.describe(ctx, f)
			if errors.Is(err, mp4.ErrEmpty) && i+1 < len(of) { // not the only one: what is before it says where its time begins
				continue
			}
			if errors.Is(err, mp4.ErrEmpty) {
				if err := s.giveUpLone(ctx, f, r); err == nil {
					delete(files, f.path)
				}
				break
			}
			if err == nil && seg != nil {
				rows = append(rows, *seg)
				delete(files, f.path)
				break
			}
		}
	}
	if err := s.adopt(ctx, rows, r); err != nil {
		return nil, err
	}
	if len(rows) > 0 {
		crashpoint.Here("newest adopted")
	}
	left := make([]lone, 0, len(files))
	for _, f := range files {
		left = append(left, f)
	}
	return left, nil
}

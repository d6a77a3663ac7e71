package spool

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/mp4"
)

// batch is how many files get their rows in one transaction.
const batch = 32

// TakeIn makes rows for the files that Prepare has found without one, the oldest first,
// and settles rows whose file was not found. Of a file it reads no more than says which
// segment it is and how long; ReadThrough reads the rest. Cameras may record meanwhile:
// nothing but what Prepare has listed is touched. It is to be called once, after Prepare.
func (s *Spool) TakeIn(ctx context.Context) (Recovery, error) {
	var r Recovery
	for _, id := range s.intake.pending() {
		err := s.settleGone(ctx, id, &r)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if err != nil {
			s.leaveRow(Segment{ID: id}, err, &r)
		}
		s.intake.settled(id)
	}
	s.measure(ctx)
	for {
		files := s.intake.next(batch)
		if len(files) == 0 {
			break
		}
		if err := s.takeInFiles(ctx, files, &r); err != nil {
			return r, err
		}
		s.intake.taken(len(files))
		if err := s.countUnread(ctx); err != nil {
			return r, err
		}
	}
	if s.Intake().Of == 0 {
		return r, nil
	}
	return r, s.planPresent(ctx) // what was revived may be owed more than it was
}

// settleGone settles a segment whose file was not found. Prepare has seen all files: to look
// through its directory for another name of it once more would take hours where thousands
// were taken away.
func (s *Spool) settleGone(ctx context.Context, id string, r *Recovery) error {
	seg, err := s.Segment(ctx, id)
	if err == nil && seg.State == Finished && len(s.left.names(s.left.dirs)) == 0 && !s.Here(seg) && s.Present() == nil {
		return s.goneNow(ctx, id, r)
	}
	return s.rowAgain(ctx, id, r)
}

// leaveRow has a segment tried again later.
func (s *Spool) leaveRow(seg Segment, err error, r *Recovery) {
	r.Failed++
	s.left.row(seg.ID, err)
	s.opts.Log.Error().Err(err).Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", seg.Path).
		Msg("segment could not be recovered; it is left as it is, and tried again from time to time")
}

// leaveFile does so with a file that has no row.
func (s *Spool) leaveFile(f lone, err error, r *Recovery) {
	r.Failed++
	s.left.file(f.path, err)
	s.sayNotAdopted(f.path, err)
}

// measure finds out how large the files are that have no row: they count for the room
// that files may take.
func (s *Spool) measure(ctx context.Context) {
	sizes := map[string]int64{}
	for _, f := range s.intake.next(s.Intake().Files) {
		name, err := s.file(f.path)
		if err != nil || ctx.Err() != nil {
			continue
		}
		if info, err := os.Lstat(name); err == nil {
			sizes[f.path] = info.Size()
		}
	}
	s.intake.measured(sizes)
}

// takeInFiles makes rows for some files. One that cannot be read is left for later.
func (s *Spool) takeInFiles(ctx context.Context, files []lone, r *Recovery) error {
	var rows []Segment
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		seg, err := s.takeInFile(ctx, f, r)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist) && s.Present() == nil: // somebody took it away
		case err != nil:
			s.leaveFile(f, err, r)
		case seg != nil:
			rows = append(rows, *seg)
		}
	}
	if err := s.adopt(ctx, rows, r); err != nil {
		return err
	}
	crashpoint.Here("files adopted")
	return nil
}

// takeInFile says what row a file gets; nil: none.
func (s *Spool) takeInFile(ctx context.Context, f lone, r *Recovery) (*Segment, error) {
	seg, err := s.describe(ctx, f)
	if errors.Is(err, mp4.ErrEmpty) {
		return nil, s.giveUpLone(ctx, f, r)
	}
	if seg != nil || err != nil {
		return seg, err
	}
	name, err := s.file(f.path)
	if err != nil {
		return nil, err
	}
	known, err := s.segments(ctx, "WHERE path = ?", f.path)
	if err != nil || len(known) == 0 {
		return nil, err
	}
	return nil, s.revive(ctx, known[0], name, r)
}

// describe says by a glance what segment a file without a row is; nil: it has a row, or had
// one long ago. The segment is still recording if it has to be recovered.
func (s *Spool) describe(ctx context.Context, f lone) (*Segment, error) {
	known, err := s.segments(ctx, "WHERE path = ?", f.path)
	if err != nil || len(known) > 0 {
		return nil, err
	}
	if pruned, err := s.wasPruned(ctx, f.id); err != nil {
		return nil, err
	} else if pruned {
		s.opts.Log.Warn().Str("segment", f.id).Str("camera", f.camera).Str("file", f.path).
			Msg("a file is here again whose segment was uploaded and deleted long ago: it is left alone; take it away")
		return nil, nil
	}
	name, err := s.file(f.path)
	if err != nil {
		return nil, err
	}
	found, finished, err := s.glance(name, f.id)
	if err != nil {
		return nil, err
	}
	seg := s.segmentOf(f)
	if seg.take(found); seg.CameraName == "" {
		seg.CameraName = s.nameOf(f.camera)
	}
	if !finished {
		seg.State, seg.Size, seg.Duration, seg.Recorded = Recording, 0, 0, 0
	}
	return &seg, nil
}

// segmentOf is what the name of a file says of it.
func (s *Spool) segmentOf(f lone) Segment {
	return Segment{ID: f.id, CameraID: f.camera, ClientName: s.opts.ClientName, Path: f.path, Start: f.start}
}

// adopt makes the rows of files that had none, and has read through what they hold. If
// it cannot make all at once it makes those that it can.
func (s *Spool) adopt(ctx context.Context, rows []Segment, r *Recovery) error {
	if len(rows) == 0 {
		return nil
	}
	all := s.adopted(ctx, rows...)
	for _, seg := range rows {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := all
		if err != nil {
			err = s.adopted(ctx, seg)
		}
		if err != nil {
			s.leaveFile(lone{path: seg.Path}, err, r)
			continue
		}
		s.sayAdopted(seg, r)
		if seg.State == Recording {
			dated, _ := s.stampOfFound(seg)
			s.intake.recoverLater(openSegment{id: seg.ID, adopted: true, dated: dated})
		}
	}
	return nil
}

func (s *Spool) sayAdopted(seg Segment, r *Recovery) {
	r.Adopted++
	s.opts.Log.Info().Str("segment", seg.ID).Str("camera", seg.CameraID).Dur("duration", max(0, seg.End.Sub(seg.Start))).Bool("finished", seg.State == Finished).
		Msg("file without a row adopted")
}

// giveUpLone settles a file without a row of which a glance has found nothing that can be
// played. If it holds footage, whoever reads it through has the last word.
func (s *Spool) giveUpLone(ctx context.Context, f lone, r *Recovery) error {
	name, err := s.file(f.path)
	if err != nil {
		return err
	}
	seg := s.segmentOf(f)
	seg.State, seg.CameraName = Recording, s.nameOf(f.camera)
	footage, err := holdsFootage(name)
	if err != nil {
		return err
	}
	if footage {
		return s.adopt(ctx, []Segment{seg}, r)
	}
	if err := s.adopted(ctx, seg); err != nil {
		return err
	}
	return s.giveUp(ctx, seg, name, s.intake.followedBy(f.camera, f.start), r)
}

// glance says what a segment's file holds without reading it through.
func (s *Spool) glance(name, segmentID string) (r mp4.Result, finished bool, err error) {
	if panicked := s.panics.Guard("looking into a segment's file", func() { r, finished, err = glanceAt(name, segmentID) }); panicked != nil {
		return mp4.Result{}, false, panicked
	}
	return r, finished, err
}

// readFile says what a segment's file holds, and its checksum. A panic over one file is an
// error of that file: neither the start nor the others wait for it.
func (s *Spool) readFile(name, segmentID string, p pace) (r mp4.Result, err error) {
	if panicked := s.panics.Guard("reading a segment's file", func() { r, err = readThroughFile(name, segmentID, p) }); panicked != nil {
		return mp4.Result{}, panicked
	}
	return r, err
}

// glanceAt is glance without its guard. Another recorder's file is always finished.
func glanceAt(name, segmentID string) (r mp4.Result, finished bool, err error) {
	f, err := openFile(name, os.O_RDONLY)
	if err != nil {
		return mp4.Result{}, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return mp4.Result{}, false, err
	}
	if !foreign(segmentID) {
		return mp4.Glance(f, info.Size())
	}
	found, err := mp4.ReadForeign(f, info.Size())
	return found.Result, true, err
}

// adoptLater takes in a file that could not be before, and reads it through.
func (s *Spool) adoptLater(ctx context.Context, path string, r *Recovery) error {
	camera, id, start, ours := parsePath(path)
	if !ours {
		return errNotOurs
	}
	seg, err := s.takeInFile(ctx, lone{path: path, camera: camera, id: id, start: start}, r)
	if err != nil || seg == nil {
		return err
	}
	if err := s.adopted(ctx, *seg); err != nil {
		return err
	}
	s.sayAdopted(*seg, r)
	if seg.State == Finished {
		err = s.readThrough(ctx, *seg, hurried, r)
	} else {
		err = s.recoverOpen(ctx, *seg, hurried, &Recovery{})
	}
	if err != nil && ctx.Err() == nil {
		s.leaveRow(*seg, err, r)
	}
	return ctx.Err()
}

// TakingIn says whether files that the last run has left have no row yet.
func (s *Spool) TakingIn() bool { return s.intake.lasts() }

// TakenIn waits until all that the last run has left has its rows. It is false if ctx
// ended before.
func (s *Spool) TakenIn(ctx context.Context) bool {
	for s.intake.lasts() {
		if !wait(ctx, 100*time.Millisecond) {
			return false
		}
	}
	return true
}

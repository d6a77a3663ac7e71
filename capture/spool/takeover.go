package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/uuid"
	"github.com/shirou/gopsutil/v4/disk"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/mp4"
)

// foreignSpace is what the ids of files that were taken over are derived in.
var foreignSpace = uuid.MustParse("6c1d2a52-0f6b-4c58-9b0e-3f7a94d1e8c3")

// ForeignID is the id of the segment that a file of another recorder becomes: of
// the same bytes of the same camera always the same. So a file that a crash left
// in both places, or that somebody brings twice, is known by it. Its version, 5,
// tells such segments from our own: their files are kept as they are.
func ForeignID(cameraID string, size int64, checksum string) string {
	return uuid.NewSHA1(foreignSpace, fmt.Appendf(nil, "%s %d %s", cameraID, size, checksum)).String()
}

func foreign(segmentID string) bool {
	id, err := uuid.Parse(segmentID)
	return err == nil && id.Version() == 5
}

// KnownError says that the bytes of a file are a segment already, under another
// time.
type KnownError struct{ Known Segment }

func (e *KnownError) Error() string {
	return fmt.Sprintf("the same bytes are segment %s already, which starts at %s", e.Known.ID, e.Known.Start.Format(fileTime))
}

// ErrTakenBefore says that the bytes of a file were a segment before, which was uploaded
// and deleted so long ago that nothing else is known of it.
var ErrTakenBefore = errors.New("the same bytes were taken over, uploaded and deleted here long ago")

// ErrLeftBehind says that a file is a segment now, and that the original could not
// be removed.
var ErrLeftBehind = errors.New("it is taken over, and what was taken over cannot be removed")

// ErrStranded says that a file has come into the spool, but not into the ledger:
// the next start adopts it.
var ErrStranded = errors.New("it could not be put back and waits in the spool")

// copying is the end of the name of a file that is not all there yet.
const copying = ".copy"

// TakeOver makes a finished segment of a file that another program has made. The
// segment has to be described in full, with an id from ForeignID and a start in
// whole milliseconds. Its bytes are not changed. The order of the steps, and what
// a crash between any two leaves, is in ARCHITECTURE.md; after an error the file
// is in its old place.
//
// check is asked, with the name under which the file then lies, whether it still
// is what was described. again is true if the file had been taken over before:
// then the original is removed.
func (s *Spool) TakeOver(ctx context.Context, seg Segment, source string, check func(name string) error) (again bool, err error) {
	known, err := s.segments(ctx, "WHERE id = ?", seg.ID)
	if err != nil {
		return false, err
	}
	if len(known) == 1 {
		return true, s.takeAgain(ctx, known[0], seg, source, check)
	}
	if pruned, err := s.wasPruned(ctx, seg.ID); err != nil {
		return false, err
	} else if pruned {
		return false, ErrTakenBefore
	}
	copied, err := s.bringIn(ctx, seg, source, check)
	if err != nil {
		return false, err
	}
	crashpoint.Here("file taken over")
	seg.State = Finished
	// The file is in its place: an end of the agent must not keep its row from it.
	if err := s.adopted(context.WithoutCancel(ctx), seg); err != nil {
		return false, errors.Join(err, s.putBack(seg, source, copied))
	}
	if copied {
		return false, removeOriginal(source)
	}
	return false, nil
}

// takeAgain takes a file whose bytes have a row already: because a crash left the
// original, because somebody has brought it twice, or because our copy was lost.
func (s *Spool) takeAgain(ctx context.Context, known, seg Segment, source string, check func(name string) error) error {
	name, err := s.file(known.Path)
	if err == nil && known.State == Finished && known.Checksum == "" { // it was taken in, and not read yet
		if err = s.readThrough(ctx, known, hurried, &Recovery{}); err == nil {
			known, err = s.Segment(ctx, known.ID)
		}
	}
	if err != nil {
		return err
	}
	if !known.Start.Equal(seg.Start) || known.Size != seg.Size || known.Checksum != seg.Checksum {
		return &KnownError{known}
	}
	_, err = os.Stat(name)
	switch {
	case known.State == Deleted, known.State == Finished && err == nil:
		if err := check(source); err != nil {
			return err
		}
		return removeOriginal(source)
	case known.State != Missing:
		return fmt.Errorf("segment %s has a row and no file, it is just being deleted or was lost: %w", known.ID, err)
	}
	copied, err := s.bringIn(ctx, known, source, check)
	if err != nil {
		return err
	}
	if err := s.revive(context.WithoutCancel(ctx), known, name, &Recovery{}); err != nil {
		return errors.Join(err, s.putBack(known, source, copied))
	}
	if copied {
		return removeOriginal(source)
	}
	return nil
}

// bringIn moves a file to the place of its segment, durably. From another file
// system it is copied, and the original left.
func (s *Spool) bringIn(ctx context.Context, seg Segment, source string, check func(name string) error) (copied bool, err error) {
	name, err := s.file(seg.Path)
	if err != nil {
		return false, err
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return false, fmt.Errorf("create the directory of segment %s: %w", seg.ID, err)
	}
	if err := errors.Join(syncDirs(filepath.Dir(dir)), syncFile(source)); err != nil {
		return false, fmt.Errorf("sync before taking over: %w", err)
	}
	s.left.made(seg.Path)
	err = s.rename(source, name)
	if errors.Is(err, errOtherDisk) {
		return true, s.copyIn(ctx, seg, source, name, check)
	}
	if err != nil {
		return false, fmt.Errorf("take over: %w", err)
	}
	crashpoint.Here("file renamed")
	err = syncDirs(dir, filepath.Dir(source))
	if err == nil {
		err = check(name) // somebody may have written to it to the last
	}
	if err != nil {
		return false, errors.Join(err, s.putBack(seg, source, false))
	}
	return false, nil
}

// copyIn copies a file and makes sure that the disk has what was described.
func (s *Spool) copyIn(ctx context.Context, seg Segment, source, name string, check func(name string) error) error {
	temp := name + copying
	err := room(ctx, filepath.Dir(name), seg.Size)
	if err == nil {
		err = copyDurably(ctx, temp, source)
	}
	if err == nil {
		err = sameBytes(temp, seg)
	}
	if err == nil {
		err = check(source)
	}
	if err == nil {
		err = renameFile(temp, name)
	}
	if err == nil {
		err = syncDirs(filepath.Dir(name))
	}
	if err != nil {
		_ = removeFile(temp) // else the next attempt or start does it
		return fmt.Errorf("copy from another file system: %w", err)
	}
	return nil
}

// leftFree is the room that copying leaves to what is being recorded.
const leftFree = 1 << 30

func room(ctx context.Context, dir string, size int64) error {
	usage, err := disk.UsageWithContext(ctx, dir)
	if err == nil && usage.Free < uint64(size)+leftFree {
		err = fmt.Errorf("%d bytes are free, %d are wanted and 1 GiB is kept for recording: %w", usage.Free, size, syscall.ENOSPC)
	}
	return err
}

func copyDurably(ctx context.Context, to, from string) (err error) {
	if err := removeFile(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	in, err := openFile(from, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := openFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyN(out, in, 8<<20); err == io.EOF {
			return out.Sync()
		} else if err != nil {
			return err
		}
	}
}

func sameBytes(name string, seg Segment) error {
	size, checksum, err := sum(name)
	if err == nil && (size != seg.Size || checksum != seg.Checksum) {
		err = errors.New("the copy has other bytes: the file has changed meanwhile, or the disk is not well")
	}
	return err
}

func sum(name string) (size int64, checksum string, err error) {
	f, err := openFile(name, os.O_RDONLY)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, "", err
	}
	checksum, err = mp4.Checksum(f, st.Size())
	return st.Size(), checksum, err
}

// putBack undoes bringIn. Should the old place be taken by now, the file stays in
// the new one, and the next start adopts it.
func (s *Spool) putBack(seg Segment, source string, copied bool) error {
	name, err := s.file(seg.Path)
	if err != nil {
		return err
	}
	if copied {
		return removeFile(name)
	}
	if _, err := os.Lstat(source); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w as %s: another file is in its old place by now", ErrStranded, seg.Path)
	}
	if err := s.rename(name, source); err != nil {
		return fmt.Errorf("%w as %s: %w", ErrStranded, seg.Path, err)
	}
	return syncDirs(filepath.Dir(source), filepath.Dir(name))
}

func removeOriginal(source string) error {
	if err := removeFile(source); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrLeftBehind, err)
	}
	return syncDirs(filepath.Dir(source))
}

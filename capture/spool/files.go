package spool

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"recording-agent/capture/crashpoint"
)

const segmentsDir = "segments"

// fileTime is the UTC start of a segment in its file's name.
const fileTime = "20060102T150405.000Z"

// plainID is what an id must look like to become part of a path.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)

// PathFor is where the file of a segment belongs, relative to the data directory.
func PathFor(cameraID, segmentID string, start time.Time) (string, error) {
	if !plainID.MatchString(cameraID) || !plainID.MatchString(segmentID) {
		return "", fmt.Errorf("camera id %q or segment id %q is not a plain id", cameraID, segmentID)
	}
	return path.Join(segmentsDir, cameraID, start.UTC().Format(fileTime)+"_"+segmentID+".mp4"), nil
}

// parsePath is the reverse of PathFor.
func parsePath(rel string) (cameraID, segmentID string, start time.Time, ok bool) {
	parts := strings.Split(rel, "/")
	if len(parts) != 3 || parts[0] != segmentsDir || !plainID.MatchString(parts[1]) {
		return "", "", time.Time{}, false
	}
	stamp, id, found := strings.Cut(strings.TrimSuffix(parts[2], ".mp4"), "_")
	start, err := time.Parse(fileTime, stamp)
	if !found || err != nil || !plainID.MatchString(id) {
		return "", "", time.Time{}, false
	}
	return parts[1], id, start, true
}

// file is where a segment's file lies. A path from the ledger is not believed to
// stay inside the data directory.
func (s *Spool) file(rel string) (string, error) { return fileIn(s.opts.Dir, rel) }

func fileIn(dir, rel string) (string, error) {
	if !filepath.IsLocal(filepath.FromSlash(rel)) {
		return "", fmt.Errorf("segment path %q leaves the data directory", rel)
	}
	return filepath.Join(dir, filepath.FromSlash(rel)), nil
}

// OpenToRead opens a file that may be a segment's. An agent that is at work on it is
// not kept from finishing, renaming or removing it, on Windows neither.
func OpenToRead(name string) (*os.File, error) { return openFile(name, os.O_RDONLY) }

// Create makes the file of a segment that is about to be recorded. It must not
// exist yet. The directory entry is durable when Create returns.
func (s *Spool) Create(seg Segment) (*os.File, error) {
	name, err := s.file(seg.Path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return nil, fmt.Errorf("create the directory of segment %s: %w", seg.ID, err)
	}
	s.left.made(seg.Path)
	f, err := openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, fmt.Errorf("create segment %s: %w", seg.ID, err)
	}
	if err := syncDirs(filepath.Dir(name), filepath.Dir(filepath.Dir(name))); err != nil {
		return nil, errors.Join(fmt.Errorf("create segment %s: %w", seg.ID, err), f.Close(), os.Remove(name))
	}
	crashpoint.Here("file created")
	return f, nil
}

// Open opens the file of a segment for reading.
func (s *Spool) Open(seg Segment) (*os.File, error) {
	name, err := s.file(seg.Path)
	if err != nil {
		return nil, err
	}
	f, err := openFile(name, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		if away := s.Present(); away != nil { // then that says nothing of the segment
			return nil, fmt.Errorf("open segment %s: %w", seg.ID, away)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open segment %s: %w", seg.ID, err)
	}
	return f, nil
}

// WriteDurably creates or replaces a small file so that a crash leaves either
// the old one or the new one.
func WriteDurably(name string, data []byte, mode os.FileMode) error {
	temp := name + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = renameFile(temp, name)
	}
	if err == nil {
		err = syncDirs(filepath.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

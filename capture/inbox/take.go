package inbox

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
)

// take takes one file over that has not changed for a while.
func (in *Inbox) take(ctx context.Context, camera Camera, path string, info fs.FileInfo) error {
	if err := in.promising(path, info); err != nil {
		return err
	}
	found, stat, err := describe(ctx, path, info)
	if err != nil {
		return err
	}
	start, from := in.startOf(found, filepath.Base(path), info.ModTime())
	seg := spool.Segment{
		ID: spool.ForeignID(camera.ID, found.Size, found.Checksum), CameraID: camera.ID, CameraName: camera.Name, ClientName: in.opts.ClientName,
		Start: start, End: start.Add(found.Duration), Duration: found.Duration, Size: found.Size, Checksum: found.Checksum,
		VideoCodec: found.VideoCodec, AudioCodec: found.AudioCodec, Width: found.Width, Height: found.Height, FrameRate: found.FrameRate, Frames: found.Frames,
	}
	if in.opts.MaxAge > 0 && seg.End.Before(in.opts.Now().Add(-in.opts.MaxAge)) {
		return &refusal{"it ended " + seg.End.Format(time.DateTime) + " UTC, which is longer ago than retention.max_age: it would be deleted at once", "raise retention.max_age, or keep the file elsewhere"}
	}
	if seg.Path, err = spool.PathFor(camera.ID, seg.ID, start); err != nil {
		return err
	}
	again, err := in.opts.Spool.TakeOver(ctx, seg, path, func(name string) error { return unchanged(name, stat) })
	if err != nil {
		return err
	}
	message := "file taken over from the inbox"
	if again {
		message = "file removed from the inbox: it had been taken over before"
	}
	in.opts.Log.Info().Str("segment", seg.ID).Str("camera", camera.ID).Str("file", filepath.Base(path)).Time("start", start).Str("start_from", from).
		Dur("duration", seg.Duration).Int64("bytes", seg.Size).Str("codec", seg.VideoCodec).Msg(message)
	return nil
}

// promising says what can be said of a file without opening it.
func (in *Inbox) promising(path string, info fs.FileInfo) error {
	switch kind := info.Mode().Type(); {
	case kind == fs.ModeSymlink:
		return &refusal{"it is a symbolic link", "put the file itself there"}
	case kind == fs.ModeDir:
		return &refusal{"it is a directory", "put the files themselves into the directory of the camera"}
	case kind != 0:
		return &refusal{"it is not a file", "take it away"}
	case !nameFits(path):
		return &mp4.UnfitError{Cause: "its name does not end in .mp4", Remedy: "rename it if it is an MP4, else take it away"}
	case info.Size() > in.opts.MaxBytes:
		return &refusal{
			fmt.Sprintf("it has %d bytes, the destinations take %d of a segment", info.Size(), in.opts.MaxBytes),
			"split it, like ffmpeg -i FILE -c copy -f segment -segment_time 3600 PART%03d.mp4, or raise s3.part_size",
		}
	}
	return nil
}

// describe reads a file, and makes sure that it stayed the same meanwhile. stat
// is its identity.
func describe(ctx context.Context, path string, info fs.FileInfo) (found mp4.Foreign, stat fs.FileInfo, err error) {
	f, err := openFile(path)
	if err != nil {
		return found, nil, err
	}
	defer f.Close()
	if stat, err = f.Stat(); err != nil {
		return found, nil, err
	}
	if !os.SameFile(info, stat) || !same(info, stat) {
		return found, nil, errChanged
	}
	if held(f) {
		return found, nil, errHeld
	}
	in := &readerAt{ctx, f}
	if found, err = mp4.ReadForeign(in, stat.Size()); err != nil {
		return found, nil, err
	}
	if found.Checksum, err = mp4.Checksum(in, stat.Size()); err != nil {
		return found, nil, err
	}
	now, err := f.Stat()
	if err == nil && !same(now, stat) {
		err = errChanged
	}
	return found, stat, err
}

// unchanged says whether the file with this name is one that was described, and
// that nobody is about to change it.
func unchanged(name string, described fs.FileInfo) error {
	f, err := openFile(name)
	if err != nil {
		return err
	}
	defer f.Close()
	now, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !os.SameFile(now, described) || !same(now, described):
		return errChanged
	case held(f):
		return errHeld
	}
	return nil
}

func same(a, b fs.FileInfo) bool {
	return a.Mode().IsRegular() && b.Mode().IsRegular() && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// readerAt ends reading when the agent stops: a file may be large.
type readerAt struct {
	ctx context.Context
	f   io.ReaderAt
}

func (r *readerAt) ReadAt(p []byte, at int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.f.ReadAt(p, at)
}

// earliest is when no camera recorded MP4 yet: times before are those of a clock
// that was not set.
var earliest = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// startOf is when a file begins, in whole milliseconds: as its name says, or as
// the media says, or so long before its last change as it lasts. Times that cannot
// be are not believed.
func (in *Inbox) startOf(found mp4.Foreign, name string, changed time.Time) (start time.Time, from string) {
	sane := func(t time.Time) bool { return t.After(earliest) && t.Before(in.opts.Now().Add(24*time.Hour)) }
	start, ok := timeOf(strings.TrimSuffix(name, filepath.Ext(name)), in.opts.Zone())
	switch {
	case ok && sane(start):
		from = "name"
	case sane(found.Created):
		start, from = found.Created, "media"
	default:
		start, from = changed.Add(-found.Duration), "time of modification"
	}
	return start.UTC().Truncate(time.Millisecond), from
}

package inbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
)

const (
	// settleFor is for how long a file has to stay as it is before it is looked into.
	settleFor = 10 * time.Second
	// patience is for how long one may stay as it is and not be whole: whoever writes
	// it may have paused, or have made room for all of it first.
	patience = 10 * time.Minute
	// troubleFor is the pause after a trouble that is not the file's.
	troubleFor = time.Minute
	// heldFor is after how long a file that somebody keeps open is reported.
	heldFor = time.Hour
)

// sighting is what is known of something in the inbox.
type sighting struct {
	here    bool      // at the last look
	size    int64     // of a file
	changed time.Time // its time of modification
	mode    fs.FileMode
	since   time.Time // it has been like that
	next    time.Time // it is not looked into before
	settled bool      // it will not be taken over as it is
	said    string    // the last complaint
}

// refusal says why something is not taken over, and never will be as it is.
type refusal struct{ cause, remedy string }

func (r *refusal) Error() string { return r.cause }

var (
	errHeld    = errors.New("another program has it open for writing")
	errChanged = errors.New("it has just been changed")
)

// look brings one thing in a camera's directory a step further.
func (in *Inbox) look(ctx context.Context, camera Camera, path string) {
	info, err := os.Lstat(path)
	if err != nil {
		return // it has gone again
	}
	now := in.opts.Now()
	s := in.seen[path]
	if s == nil || s.mode.Type() != info.Mode().Type() || info.Mode().IsRegular() && (s.size != info.Size() || !s.changed.Equal(info.ModTime())) {
		in.seen[path] = &sighting{here: true, size: info.Size(), changed: info.ModTime(), mode: info.Mode(), since: now, next: now.Add(settleFor)}
		return
	}
	s.here = true
	if s.settled || now.Before(s.next) {
		return
	}
	in.judge(s, path, camera.ID, in.takeSafely(ctx, camera, path, info))
}

// takeSafely keeps a panic over one file from ending the agent.
func (in *Inbox) takeSafely(ctx context.Context, camera Camera, path string, info fs.FileInfo) (err error) {
	defer func() {
		if p := recover(); p != nil {
			in.opts.Log.Error().Str("stack", string(debug.Stack())).Msgf("panic over a file in the inbox: %v", p)
			err = &refusal{fmt.Sprintf("reading it made the agent fail: %v", p), "keep it, and report it as a fault of the agent"}
		}
	}()
	return in.take(ctx, camera, path, info)
}

// judge decides what becomes of a file after an attempt at it.
func (in *Inbox) judge(s *sighting, path, camera string, err error) {
	now := in.opts.Now()
	var unfit *mp4.UnfitError
	var known *spool.KnownError
	var refused *refusal
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist) && !exists(path):
		delete(in.seen, path)
	case errors.Is(err, spool.ErrStranded):
		delete(in.seen, path)
		in.opts.Log.Error().Err(err).Str("camera", camera).Str("file", filepath.Base(path)).Msg("a file from the inbox is in the spool and is uploaded after the next start only; restart the agent")
	case errors.Is(err, context.Canceled):
	case errors.Is(err, errChanged):
		s.since, s.next = now, now.Add(settleFor)
	case errors.Is(err, errHeld):
		s.next = now.Add(settleFor)
		if now.Sub(s.since) >= heldFor {
			in.complain(s, path, camera, &refusal{fmt.Sprintf("another program has had it open for writing for %v", heldFor), "end that program, or have it close the file"})
		}
	case errors.As(err, &unfit):
		if s.next = s.since.Add(patience); !now.Before(s.next) {
			s.settled = true
			in.complain(s, path, camera, &refusal{unfit.Cause, unfit.Remedy})
		}
	case errors.As(err, &refused):
		s.settled = true
		in.complain(s, path, camera, refused)
	case errors.As(err, &known):
		s.settled = true
		in.complain(s, path, camera, &refusal{known.Error(), "take it away; a segment's time cannot be changed"})
	case errors.Is(err, spool.ErrTakenBefore):
		s.settled = true
		in.complain(s, path, camera, &refusal{err.Error(), "take it away; what was uploaded once is not uploaded again"})
	case errors.Is(err, spool.ErrLeftBehind):
		s.settled = true
		in.complain(s, path, camera, &refusal{err.Error(), "delete it, and let the agent write to its directory"})
	default:
		s.next = now.Add(troubleFor)
		in.complain(s, path, camera, &refusal{err.Error(), remedy(err)})
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "let the agent read the file, and write to its directory; it is tried again"
	case errors.Is(err, syscall.ENOSPC):
		return "free space on the disk of agent.data_dir; it is tried again"
	}
	return "it is tried again"
}

// complain says each cause once for as long as the thing stays as it is.
func (in *Inbox) complain(s *sighting, path, camera string, why *refusal) {
	if s.said == why.cause {
		return
	}
	s.said = why.cause
	event := in.opts.Log.Warn()
	if camera != "" {
		event = event.Str("camera", camera)
	}
	name, err := filepath.Rel(in.opts.Dir, path)
	if err != nil {
		name = path
	}
	event.Str("file", filepath.ToSlash(name)).Str("cause", why.cause).Str("remedy", why.remedy).
		Msg("what lies in the inbox is left there as it is")
}

// nameFits says whether a name promises an MP4.
func nameFits(name string) bool { return strings.EqualFold(filepath.Ext(name), ".mp4") }

// Package inbox takes over MP4 files that another recorder or a person puts into
// a directory of the camera: from a memory card, from ffmpeg, from MediaMTX. Files
// that are complete enter, finished segments of the spool leave. A file that cannot
// be taken over stays where it is, as it is, and the log says so once.
package inbox

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// Spool is what taking over needs of the spool.
type Spool interface {
	TakeOver(ctx context.Context, seg spool.Segment, source string, check func(name string) error) (again bool, err error)
}

// Camera is one whose files are taken over.
type Camera struct {
	ID   string // a plain id, and the name of its directory
	Name string
}

// Options configure an Inbox.
type Options struct {
	Dir        string          // a directory for each camera is made in it
	Cameras    func() []Camera // they may change while it runs
	ClientName string
	MaxBytes   int64                 // of a file: what the destinations can store
	MaxAge     time.Duration         // of what goes nowhere else: it would be deleted at once; 0: no limit
	Zone       func() *time.Location // of times in names that do not say
	Spool      Spool
	Log        zerolog.Logger
	Now        func() time.Time
	ClockSet   func() bool // whether Now can be believed: nothing is taken over before it can
}

// Inbox watches the directories.
type Inbox struct {
	opts    Options
	cameras map[string]Camera    // by id
	seen    map[string]*sighting // by path
	watcher *fsnotify.Watcher    // nil when the system has none for us
	waits   bool                 // for the host's clock; it was said
}

const (
	lookEvery = 30 * time.Second // in case a hint was lost
	hintAfter = time.Second      // a file that is being written to gives many
)

// New prepares an inbox.
func New(o Options) *Inbox {
	return &Inbox{opts: o, cameras: map[string]Camera{}, seen: map[string]*sighting{}}
}

// Run takes files over until ctx ends.
func (in *Inbox) Run(ctx context.Context) error {
	var events <-chan fsnotify.Event
	var faults <-chan error
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		in.watcher, events, faults = watcher, watcher.Events, watcher.Errors
	} else {
		in.opts.Log.Warn().Err(err).Dur("every", lookEvery).Msg("the inbox cannot be watched; it is looked at from time to time")
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for hinted := true; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			hinted = false
			timer.Reset(in.scan(ctx))
		case <-events:
			if !hinted {
				hinted = true
				timer.Reset(hintAfter)
			}
		case err := <-faults:
			in.opts.Log.Debug().Err(err).Msg("watching the inbox")
		}
	}
}

// follow takes over the cameras that there are now, and makes directories for new
// ones, so that one can see where files go. Whether others may write into them is for
// the umask to say.
func (in *Inbox) follow() {
	before := in.cameras
	in.cameras = map[string]Camera{}
	for _, c := range in.opts.Cameras() {
		in.cameras[c.ID] = c
		if _, known := before[c.ID]; known {
			continue
		}
		if err := os.MkdirAll(filepath.Join(in.opts.Dir, c.ID), 0o770); err != nil {
			in.opts.Log.Warn().Err(err).Str("camera", c.ID).Msg("the inbox of a camera cannot be made; make it, and let the agent write to it")
		}
	}
}

// scan looks at everything once, and says when to look again.
func (in *Inbox) scan(ctx context.Context) (again time.Duration) {
	in.follow()
	in.watch(in.opts.Dir)
	if !in.dated() {
		return lookEvery
	}
	for _, s := range in.seen {
		s.here = false
	}
	for _, entry := range in.list(in.opts.Dir) {
		path := filepath.Join(in.opts.Dir, entry.Name())
		camera, known := in.cameras[entry.Name()]
		if known && entry.IsDir() {
			in.scanCamera(ctx, camera, path)
		} else {
			in.stranger(path, entry)
		}
	}
	now, next := in.opts.Now(), in.opts.Now().Add(lookEvery)
	for path, s := range in.seen {
		switch {
		case !s.here && ctx.Err() == nil:
			delete(in.seen, path)
		case !s.settled && s.next.Before(next):
			next = s.next
		}
	}
	return max(next.Sub(now), hintAfter)
}

// dated says whether files can be given their times. Which time is one of the future
// only a clock that is set can tell, and what was copied before has no better one than
// that of the copy.
func (in *Inbox) dated() bool {
	set := in.opts.ClockSet()
	if !set && !in.waits {
		in.opts.Log.Warn().Str("remedy", "set the host's clock").Msg("nothing is taken over from the inbox before the host's clock is set")
	}
	in.waits = !set
	return set
}

func (in *Inbox) scanCamera(ctx context.Context, camera Camera, dir string) {
	in.watch(dir)
	for _, entry := range in.list(dir) {
		if ctx.Err() != nil {
			return
		}
		in.look(ctx, camera, filepath.Join(dir, entry.Name()))
	}
}

// list leaves out hidden files: copying programs give such names to what is not
// all there yet.
func (in *Inbox) list(dir string) []fs.DirEntry {
	entries, err := os.ReadDir(dir)
	s := in.sighting(dir)
	if err != nil {
		in.complain(s, dir, "", &refusal{"it cannot be read: " + err.Error(), "let the agent read and write in it"})
		return nil
	}
	s.said = ""
	visible := entries[:0]
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			visible = append(visible, e)
		}
	}
	return visible
}

func (in *Inbox) watch(dir string) {
	if in.watcher != nil {
		_ = in.watcher.Add(dir) // the same directory once more does no harm; without it, we look from time to time
	}
}

// stranger is what lies in the inbox and is no camera's directory.
func (in *Inbox) stranger(path string, entry fs.DirEntry) {
	why := &refusal{"it does not lie in the directory of a camera", "put it into the directory with the id of its camera"}
	switch {
	case entry.Type()&fs.ModeSymlink != 0:
		why = &refusal{"it is a symbolic link", "mount the directory there instead"}
	case entry.IsDir():
		if inside, err := os.ReadDir(path); err == nil && len(inside) == 0 {
			return
		}
		why = &refusal{"no camera with this id is configured", "give it the id of a camera, or add the camera to the configuration"}
	}
	s := in.sighting(path)
	s.settled = true
	in.complain(s, path, "", why)
}

// sighting is what is known of a path, which is there now.
func (in *Inbox) sighting(path string) *sighting {
	s := in.seen[path]
	if s == nil {
		s = &sighting{settled: true}
		in.seen[path] = s
	}
	s.here = true
	return s
}

package fetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"recording-agent/uploader/s3"
)

// Store is where the object is.
type Store interface {
	fmt.Stringer // which store
	// Read opens an object at a byte; it is an *s3.ChangedError when it is another by now.
	Read(ctx context.Context, o s3.Stored, from int64) (io.ReadCloser, error)
	// Compare says by what a copy was held against the object; it may be by nothing.
	Compare(o s3.Stored, copy io.ReaderAt, size int64) (by string, err error)
}

// Options say how a copy is made.
type Options struct {
	Force    bool             // what is in the copy's place is replaced
	Begun    func(from int64) // told where it begins; may be nil
	Progress func(n int)      // told of n more bytes; may be nil
}

// Copy is a copy that was made.
type Copy struct {
	File    string
	Size    int64
	Resumed int64  // so many bytes were there from an earlier attempt
	By      string // what it was compared by; empty: the store has no checksum, only the size is the object's
}

// ExistsError says that there is something in the place of the copy.
type ExistsError struct{ File string }

func (e *ExistsError) Error() string {
	return e.File + " is there already, and was not touched: name another file with -o, or replace it with --force"
}

// tries is how often the store may break off in a row without a single byte.
const tries = 6

// Object copies an object that Stat has described into a file. Up to the end it is
// beside it, under a name that ends with .partial and holds what it is a copy of:
// after an error, however the process ended, it is gone on with. It gets its name
// when it was compared. A copy that is not the object is removed.
func Object(ctx context.Context, store Store, o s3.Stored, file string, opts Options) (Copy, error) {
	if _, err := os.Lstat(file); err == nil && !opts.Force {
		return Copy{}, &ExistsError{file}
	}
	partial := partialOf(file, store, o)
	if info, err := os.Lstat(partial); err == nil && !info.Mode().IsRegular() {
		return Copy{}, fmt.Errorf("%s is no ordinary file: remove it", partial)
	}
	f, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return Copy{}, fmt.Errorf("begin the copy: %w", err)
	}
	c := &copying{store: store, object: o, f: f, opts: opts}
	out, err := c.run(ctx)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close the copy: %w", cerr)
	}
	var mismatch *s3.MismatchError
	if errors.As(err, &mismatch) {
		return Copy{}, errors.Join(fmt.Errorf("what was fetched is not what the store has: %s. The copy was removed; fetch it again, and if it stays so, the object is damaged in the store", mismatch.What), os.Remove(partial))
	}
	var changed *s3.ChangedError
	if errors.As(err, &changed) { // nothing can go on with it any more
		err = errors.Join(err, os.Remove(partial))
	}
	if err != nil {
		return Copy{}, err
	}
	out.File = file
	if err := place(partial, file, opts.Force); err != nil {
		return out, err
	}
	sweep(file)
	return out, nil
}

// partialOf names an unfinished copy so that it is gone on with only for the same
// object, to its last byte.
func partialOf(file string, store Store, o s3.Stored) string {
	of := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d\x00%d", store, o.Key, o.ETag, o.Size, o.Modified.UnixMicro()))
	return fmt.Sprintf("%s.%x.partial", file, of[:6])
}

// place gives a copy its name. Without force nothing is replaced, not even what has
// come there meanwhile; where there are no links that is looked up.
func place(partial, file string, force bool) error {
	if !force {
		err := os.Link(partial, file)
		if err == nil {
			return os.Remove(partial)
		}
		if _, serr := os.Lstat(file); errors.Is(err, fs.ErrExist) || serr == nil {
			return &ExistsError{file}
		}
	}
	if err := os.Rename(partial, file); err != nil {
		return fmt.Errorf("the copy is whole, but cannot be given its name: %w", err)
	}
	return nil
}

var unfinished = regexp.MustCompile(`^\.[0-9a-f]{12}\.partial$`)

// sweep removes unfinished copies of what the object was before, or of others for the
// same place: nobody would go on with them. Those that cannot be removed do no harm.
func sweep(file string) {
	entries, _ := os.ReadDir(filepath.Dir(file))
	for _, e := range entries {
		if rest, ours := strings.CutPrefix(e.Name(), filepath.Base(file)); ours && e.Type().IsRegular() && unfinished.MatchString(rest) {
			_ = os.Remove(filepath.Join(filepath.Dir(file), e.Name()))
		}
	}
}

type copying struct {
	store  Store
	object s3.Stored
	f      *os.File
	opts   Options
	at     int64 // so many bytes are there
}

func (c *copying) run(ctx context.Context) (Copy, error) {
	var err error
	if c.at, err = c.f.Seek(0, io.SeekEnd); err != nil {
		return Copy{}, fmt.Errorf("go on with the copy: %w", err)
	}
	if c.at > c.object.Size { // nothing of ours
		c.at = 0
		if err := c.f.Truncate(0); err != nil {
			return Copy{}, fmt.Errorf("begin the copy: %w", err)
		}
	}
	out := Copy{Size: c.object.Size, Resumed: c.at}
	if c.opts.Begun != nil {
		c.opts.Begun(c.at)
	}
	if err := c.fetch(ctx); err != nil {
		return Copy{}, err
	}
	if err := c.f.Sync(); err != nil {
		return Copy{}, fmt.Errorf("sync the copy: %w", err)
	}
	out.By, err = c.store.Compare(c.object, c.f, c.at)
	return out, err
}

// fetch goes on after each break, until the store breaks off several times in a row
// without having sent anything.
func (c *copying) fetch(ctx context.Context) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 10*time.Second
	for failed := 0; c.at < c.object.Size; {
		before := c.at
		err := c.stretch(ctx)
		if err == nil {
			continue
		}
		if c.at > before {
			failed = 0
			pause.Reset()
		}
		if failed++; failed == tries || final(err) || ctx.Err() != nil {
			return &UnfinishedError{At: c.at, Size: c.object.Size, Err: err}
		}
		timer := time.NewTimer(pause.NextBackOff())
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	return nil
}

// UnfinishedError says how far a copy has come that was broken off.
type UnfinishedError struct {
	At, Size int64 // bytes
	Err      error
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("the copy ends at byte %d of %d: %v", e.At, e.Size, e.Err)
}
func (e *UnfinishedError) Unwrap() error { return e.Err }

// diskError is trouble with the copy, not with the store.
type diskError struct{ err error }

func (e *diskError) Error() string { return e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }

// final says that trying again would not help.
func final(err error) bool {
	var changed *s3.ChangedError
	var absent *s3.AbsentError
	var disk *diskError
	if errors.As(err, &changed) || errors.As(err, &absent) || errors.As(err, &disk) {
		return true
	}
	var api interface{ ErrorCode() string }
	return errors.As(err, &api) // the SDK has tried those again that can pass
}

// stretch fetches as much as comes in one go.
func (c *copying) stretch(ctx context.Context) error {
	body, err := c.store.Read(ctx, c.object, c.at)
	if err != nil {
		return err
	}
	defer body.Close()
	buf := make([]byte, 256<<10)
	for c.at < c.object.Size {
		if err := ctx.Err(); err != nil { // what is on its way already would be read to its end
			return err
		}
		n, err := body.Read(buf[:min(int64(len(buf)), c.object.Size-c.at)])
		if n > 0 {
			if _, werr := c.f.WriteAt(buf[:n], c.at); werr != nil {
				return &diskError{fmt.Errorf("write %s: %w", filepath.Base(c.f.Name()), werr)}
			}
			c.at += int64(n)
			if c.opts.Progress != nil {
				c.opts.Progress(n)
			}
		}
		if err == io.EOF && c.at < c.object.Size {
			return io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("read the object at byte %d: %w", c.at, err)
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"recording-agent/agent/config"
)

func verifyCommand(file *string) *cobra.Command {
	var destination string
	var deep, asJSON bool
	c := &cobra.Command{
		Use:   "verify FILE|KEY...",
		Short: "Check files and stored objects: structure, checksum, length, gaps inside",
		Long: `Check files and stored objects, in one line each: whether they are whole, their
checksum, how long they are, and where pictures are missing. What is no file here is
taken for the key of an object; with --destination all are.

A file is read whole: each part of an agent's segment against its seal, and the
checksum against that of the ledger, if it knows the segment. Of an object the index
is fetched, and what the store says of it is held against the ledger. With --deep
each sample is read through the index, and objects are fetched whole, into a directory
for temporary files (TMPDIR), and held against the store's checksum. What was checked,
and what only --deep does, is said.

The agent may run meanwhile; nothing is changed. Files need neither a configuration
nor a ledger: then they are checked by themselves. Exit code 1: something is at fault,
or could not be checked.`,
		Example: `  recording-agent verify /var/lib/recording-agent/segments/*/*/*.mp4
  recording-agent verify theft.mp4 --deep
  recording-agent verify recordings/8f14e45f/2026/01/02/150000.mp4 --destination onsite --deep`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			v := &verifier{terminal: terminalOf(c), file: *file, destination: destination, deep: deep}
			if err := v.configure(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return v.run(ctx, args, asJSON)
		},
	}
	c.Flags().StringVar(&destination, "destination", "", "which of the configuration's destinations, by name (default: the first); all names are keys then")
	c.Flags().BoolVar(&deep, "deep", false, "read every sample")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

// verifier checks files and objects one after the other.
type verifier struct {
	terminal
	file, destination string
	deep              bool

	cfg    *config.Config // nil when there is none that can be read
	cfgErr error          // why
	opened *storage       // by the first key

	unconfigured bool // no configuration is where it is looked for
}

// configure reads the configuration, if there is one: for files it is no must. One
// that was named has to be right.
func (v *verifier) configure() error {
	v.cfg, v.cfgErr = loadToLook(v.file)
	if v.file != "" || v.destination != "" {
		return v.cfgErr
	}
	_, err := config.Find()
	v.unconfigured = err != nil
	return nil
}

func (v *verifier) run(ctx context.Context, names []string, asJSON bool) error {
	faulty, all := 0, []verdictJSON{}
	for _, name := range names {
		found := v.check(ctx, name)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if len(found.faults) > 0 {
			faulty++
		}
		if asJSON {
			all = append(all, found.json())
			continue
		}
		if _, err := io.WriteString(v.out, found.line()+"\n"); err != nil {
			return err
		}
	}
	if asJSON {
		if err := writeJSON(v.out, all); err != nil {
			return err
		}
	}
	if faulty > 0 {
		return fmt.Errorf("%d of %d at fault, or not to be checked", faulty, len(names))
	}
	return nil
}

// check finds out what a name is, and checks that.
func (v *verifier) check(ctx context.Context, name string) *verdict {
	info, err := os.Stat(name)
	switch {
	case v.destination == "" && errors.Is(err, fs.ErrPermission):
		return fileVerdict(name).fault("it cannot be looked at by this user: %v", err)
	case v.destination != "" || err != nil:
		return v.checkObject(ctx, name)
	case !info.Mode().IsRegular():
		return fileVerdict(name).fault("it is no file: name those in it")
	}
	return v.checkFile(ctx, name)
}

// reading shows how much of a file was read. How often it is, depends on what is in it.
func (v *verifier) reading(name string) (progress func(n int), done func()) {
	return v.spin(filepath.Base(name), progressbar.OptionShowBytes(true), progressbar.OptionShowCount())
}

// interruptible ends reading when nobody waits for it any more.
type interruptible struct {
	ctx context.Context // of one check: io.ReaderAt takes none
	f   io.ReaderAt

	progress func(n int) // told of n more bytes
}

func (r interruptible) ReadAt(p []byte, at int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.f.ReadAt(p, at)
	r.progress(n)
	return n, err
}

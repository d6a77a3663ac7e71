package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"recording-agent/agent/fetch"
	"recording-agent/uploader/s3"
)

func s3GetCommand(open opener) *cobra.Command {
	var file string
	var force, asJSON bool
	c := &cobra.Command{
		Use:   "get KEY",
		Short: "Fetch an object, and check it",
		Long: `Fetch an object, and check it against the checksum that the store has of it. Without
-o the file is named after the end of the key, and lies in the current directory.

Until it is whole and checked it has a name that ends with .partial. When it is
broken off, the same command goes on where it was, if the object is still the same.
A file that is there is never overwritten without --force.`,
		Example: `  recording-agent s3 get recordings/8f14e45f/2026/01/02/150000.mp4
  recording-agent s3 get recordings/8f14e45f/2026/01/02/150000.mp4 -o /tmp/theft.mp4`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file, err := copyName(args[0], file)
			if err != nil {
				return &unusableError{err}
			}
			s, err := open(c)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return s.get(ctx, args[0], file, force, asJSON)
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "file to write, or the directory for it")
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

// copyName is where a copy goes: to the file that is named, or by its key into the
// directory that is named.
func copyName(key, file string) (string, error) {
	if file == "-" {
		return "", errors.New(`-o: name a file: what goes to standard output cannot be checked before it is used; for that there is "s3 url"`)
	}
	info, err := os.Stat(file)
	if directory := err == nil && info.IsDir(); file != "" && !directory {
		return file, nil
	}
	name, err := fetch.FileName(key)
	return filepath.Join(file, name), err
}

// copyJSON is a copy for programs. Its names are kept.
type copyJSON struct {
	Destination string  `json:"destination"`
	Key         string  `json:"key"`
	File        string  `json:"file"`
	Size        int64   `json:"size"`
	Resumed     int64   `json:"resumed_bytes"`
	CheckedBy   *string `json:"checked_by"` // null: the store has no checksum, only the size was compared
}

func (s *storage) get(ctx context.Context, key, file string, force, asJSON bool) error {
	made, err := s.fetch(ctx, key, file, force)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(s.out, copyJSON{s.destination.Name, key, made.File, made.Size, made.Resumed, known(made.By)})
	}
	text := fmt.Sprintf("%s: %s", plain(made.File), sizeText(made.Size))
	if made.Resumed > 0 {
		text += ", " + sizeText(made.Resumed) + " of it from before"
	}
	_, err = fmt.Fprintf(s.out, "%s, %s\n", text, checkedText(made.By))
	return err
}

func checkedText(by string) string {
	if by == "" {
		return "checked by its size only: the store has no checksum of the whole object"
	}
	return "checked by its " + by
}

// fetch makes a copy of an object, with a bar.
func (s *storage) fetch(ctx context.Context, key, file string, force bool) (fetch.Copy, error) {
	o, err := s.store.Stat(ctx, key)
	if err != nil {
		return fetch.Copy{}, s3.ExplainRead(err, mayRead)
	}
	progress, done := func(int) {}, func() {}
	made, err := fetch.Object(ctx, s.store, o, file, fetch.Options{
		Force:    force,
		Begun:    func(from int64) { progress, done = s.bar(filepath.Base(file), o.Size, from) },
		Progress: func(n int) { progress(n) },
	})
	done()
	var unfinished *fetch.UnfinishedError
	var changed *s3.ChangedError
	switch {
	case errors.As(err, &changed):
		return made, fmt.Errorf("%s is not whole: %w", plain(file), changed)
	case errors.As(err, &unfinished):
		cause := s3.ExplainRead(unfinished.Err, mayRead)
		return made, fmt.Errorf("%s is not whole, %s of %s are there: %w; the same command goes on from there", plain(file), sizeText(unfinished.At), sizeText(unfinished.Size), cause)
	}
	return made, err
}

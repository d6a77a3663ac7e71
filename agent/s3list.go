package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"recording-agent/uploader/s3"
)

func s3ListCommand(open opener) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List the objects whose keys begin with PREFIX",
		Long: `List the objects whose keys begin with PREFIX, or all, in the order of their keys:
when each was last changed, its size and its key. On a terminal sizes are rounded
and the sum is shown; otherwise they are in bytes. A key with characters that cannot
be shown is quoted.

With --json: one array, an object to a line.`,
		Example: `  recording-agent s3 ls recordings/8f14e45f-ceea-467f-9d4c-0a2b3c4d5e6f/2026/01/02/
  recording-agent s3 ls --destination onsite --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := open(c)
			if err != nil {
				return err
			}
			prefix := ""
			if len(args) > 0 {
				prefix = args[0]
			}
			if asJSON {
				return s.listJSON(c.Context(), prefix)
			}
			return s.list(c.Context(), prefix)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

// counting shows how many objects have been listed while the lines go elsewhere: on a
// terminal they themselves show it.
func (s *storage) counting() (progress func(n int), done func()) {
	if s.shows {
		return func(int) {}, func() {}
	}
	return s.spin("objects listed", progressbar.OptionShowCount())
}

const mayList = "s3:ListBucket"

func (s *storage) list(ctx context.Context, prefix string) error {
	objects, bytes := 0, int64(0)
	progress, done := s.counting()
	defer done()
	for o, err := range s.store.List(ctx, prefix) {
		if err != nil {
			return s3.ExplainRead(err, mayList)
		}
		objects, bytes = objects+1, bytes+o.Size
		progress(1)
		size := fmt.Sprintf("%12d", o.Size)
		if s.shows {
			size = fmt.Sprintf("%8s", sizeText(o.Size))
		}
		if _, err := fmt.Fprintf(s.out, "%s  %s  %s\n", localTime(o.Modified), size, shownKey(o.Key)); err != nil {
			return err
		}
	}
	if s.shows {
		fmt.Fprintf(s.aside, "%s, %s in %s\n", count(objects, "object", "objects"), sizeText(bytes), s.store)
	}
	return nil
}

// listedJSON is an object of a listing, for programs. Its names are kept.
type listedJSON struct {
	Key          string  `json:"key"`
	Size         int64   `json:"size"`
	Modified     *string `json:"last_modified"`
	ETag         *string `json:"etag"`
	StorageClass *string `json:"storage_class"`
}

// listJSON writes an array while it is read: there may be millions.
func (s *storage) listJSON(ctx context.Context, prefix string) error {
	before := "["
	for o, err := range s.store.List(ctx, prefix) {
		if err != nil {
			return s3.ExplainRead(err, mayList) // what was written is no JSON: nobody takes it for all
		}
		line, err := json.Marshal(listedJSON{o.Key, o.Size, knownTime(o.Modified), known(o.ETag), known(o.StorageClass)})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(s.out, "%s\n%s", before, line); err != nil {
			return err
		}
		before = ","
	}
	if before == "[" {
		_, err := io.WriteString(s.out, "[]\n")
		return err
	}
	_, err := io.WriteString(s.out, "\n]\n")
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"recording-agent/agent/fetch"
	"recording-agent/uploader/s3"
)

func s3URLCommand(open opener) *cobra.Command {
	var expires string
	var asJSON bool
	c := &cobra.Command{
		Use:   "url KEY",
		Short: "Print a link to an object that needs no credentials",
		Long: `Print a link to an object that needs no credentials, and nothing else on standard
output. Whoever has it can read the object, and nothing else, until it expires; with
temporary credentials (of a role) it ends with these at the latest.`,
		Example: `  recording-agent s3 url recordings/8f14e45f/2026/01/02/150000.mp4 --expires 7d
  curl -o clip.mp4 "$(recording-agent s3 url recordings/8f14e45f/2026/01/02/150000.mp4)"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			valid, err := parseValidity(expires)
			if err != nil {
				return &unusableError{err}
			}
			s, err := open(c)
			if err != nil {
				return err
			}
			return s.link(c.Context(), args[0], valid, asJSON)
		},
	}
	c.Flags().StringVar(&expires, "expires", "2h", "for how long it is valid: at most 7d")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

// linkJSON is a link for programs. Its names are kept.
type linkJSON struct {
	Destination string  `json:"destination"`
	Key         string  `json:"key"`
	URL         string  `json:"url"`
	Expires     *string `json:"expires_at"`
}

func (s *storage) link(ctx context.Context, key string, valid time.Duration, asJSON bool) error {
	// A link to nothing would be noticed by whoever it is sent to. It can be made
	// without the store; so trouble with that does not keep it back.
	_, err := s.store.Stat(ctx, key)
	var absent *s3.AbsentError
	switch {
	case errors.As(err, &absent):
		return s3.ExplainRead(err, mayRead)
	case err != nil:
		fmt.Fprintf(s.aside, "warning: it is not known whether the object is there: %v\n", s3.ExplainRead(err, mayRead))
	}
	name, _ := fetch.FileName(key)
	now := time.Now()
	url, err := s.store.Presign(ctx, key, name, valid)
	if err != nil {
		return s3.ExplainRead(err, mayRead)
	}
	if asJSON {
		return writeJSON(s.out, linkJSON{s.destination.Name, key, url, knownTime(now.Add(valid))})
	}
	_, err = fmt.Fprintln(s.out, url)
	return err
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"recording-agent/uploader/s3"
)

func s3RemoveCommand(open opener) *cobra.Command {
	var yes, asJSON bool
	c := &cobra.Command{
		Use:   "rm KEY",
		Short: "Remove an object, after asking",
		Long: `Remove an object from the destination. It says first what the object is, by the ledger
of this host, and where else there is a copy, and asks. Without a terminal it takes
--yes. The agent itself never removes an object, and needs no permission for it; this
takes s3:DeleteObject.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := open(c)
			if err != nil {
				return err
			}
			return s.remove(c.Context(), args[0], yes, asJSON)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

// removedJSON is what was removed, for programs. Its names are kept.
type removedJSON struct {
	Destination string `json:"destination"`
	Key         string `json:"key"`
	Size        int64  `json:"size"`
	Marked      bool   `json:"delete_marker"` // the bucket keeps versions: it is only hidden
}

func (s *storage) remove(ctx context.Context, key string, yes, asJSON bool) error {
	if !yes && !s.asks {
		return &unusableError{errors.New("there is no terminal to ask on: nothing was removed; --yes removes without asking")}
	}
	o, err := s.store.Stat(ctx, key)
	if err != nil {
		return s3.ExplainRead(err, mayRead)
	}
	fmt.Fprintf(s.aside, "%s, %s, in %s\n  ledger: %s\n", shownKey(o.Key), sizeText(o.Size), s.store, plain(s.inLedger(ctx, key)))
	if !yes {
		if agreed, err := s.ask(ctx, "Remove it? It cannot be taken back. [y/N] "); err != nil || !agreed {
			return errors.Join(errors.New("nothing was removed"), err)
		}
	}
	marked, err := s.store.Delete(ctx, key)
	if err != nil {
		return s3.ExplainRead(err, "s3:DeleteObject")
	}
	if asJSON {
		return writeJSON(s.out, removedJSON{s.destination.Name, key, o.Size, marked})
	}
	text := "removed"
	if marked {
		text = "hidden: the bucket keeps versions, and the object is still in it as one"
	}
	_, err = fmt.Fprintf(s.out, "%s: %s\n", shownKey(key), text)
	return err
}

// ask waits for an answer; anything but a yes is a no.
func (t terminal) ask(ctx context.Context, question string) (yes bool, err error) {
	fmt.Fprint(t.aside, question)
	answer, err := bufio.NewReader(t.in).ReadString('\n')
	if answer == "" && err != nil {
		return false, fmt.Errorf("there was no answer: %w", err)
	}
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))), ctx.Err()
}

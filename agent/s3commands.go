package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"recording-agent/agent/config"
	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

func s3Command(file *string) *cobra.Command {
	var destination string
	c := &cobra.Command{
		Use:   "s3",
		Short: "List, fetch, link to and remove stored objects",
		Long: `List, fetch, link to and remove objects of a destination of the configuration.

"ls" lists them, "stat" shows one, "get" fetches it, "url" makes a link to it that
needs no credentials, "rm" removes it. Bars are shown on a terminal only; --json is
for programs, with names that are kept.`,
		RunE: func(*cobra.Command, []string) error {
			return &unusableError{errors.New(`say what to do: "s3 ls", "s3 stat KEY", "s3 get KEY", "s3 url KEY", "s3 rm KEY"`)}
		},
	}
	c.PersistentFlags().StringVar(&destination, "destination", "", "which of the configuration's destinations, by name (default: the first)")
	open := func(c *cobra.Command) (*storage, error) { return openStorage(*file, destination, terminalOf(c)) }
	c.AddCommand(s3ListCommand(open), s3StatCommand(open), s3GetCommand(open), s3URLCommand(open), s3RemoveCommand(open))
	return c
}

// storage is a destination that somebody looks at.
type storage struct {
	terminal
	cfg         *config.Config
	destination config.Destination
	store       *s3.Store
}

// opener reads the configuration when a command runs.
type opener func(c *cobra.Command) (*storage, error)

func openStorage(file, destination string, t terminal) (*storage, error) {
	cfg, err := load(file)
	if err != nil {
		return nil, err
	}
	d, err := destinationOf(cfg, destination)
	if err != nil {
		return nil, err
	}
	return &storage{terminal: t, cfg: cfg, destination: d, store: s3.New(storeOptions(d))}, nil
}

// destinationOf finds a destination by its name; without one it is the first.
func destinationOf(cfg *config.Config, name string) (config.Destination, error) {
	var names []string
	for _, d := range cfg.Destinations() {
		if name == "" || d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	if len(names) == 0 {
		return config.Destination{}, &unusableError{fmt.Errorf("%s names no destination: segments stay on this host", cfg.Path)}
	}
	return config.Destination{}, &unusableError{fmt.Errorf("%s has no destination %q; it has: %s", cfg.Path, name, strings.Join(names, ", "))}
}

// shownKey is a key on one line: as it is, or quoted where a terminal would obey it
// or a script would take it for several.
func shownKey(key string) string {
	if plain(key) != key {
		return strconv.Quote(key)
	}
	return key
}

// recorded finds the segment that an object is, by the ledger of this host. There may
// be none, on a host that records nothing: then it says why.
func (s *storage) recorded(ctx context.Context, key string) (sighting, error) {
	var found sighting
	err := spool.Look(ctx, lookOptions(s.cfg), func(v *spool.View) error {
		e, err := v.Stored(ctx, s.destination.Name, key)
		if err == nil {
			found = sight(v, e)
		}
		return err
	})
	return found, err
}

// describeShortly says in one line which segment it is.
func (s sighting) describeShortly() string {
	text := fmt.Sprintf("segment %s of camera %s, from %s", s.Segment.ID, cameraNames{s.Segment.CameraName: {s.Segment.CameraID, ""}}.of(s.Segment), localTime(s.Segment.Start))
	if d := s.length(); d > 0 {
		text += ", " + lengthText(d)
	}
	return text
}

// elsewhere says where else there is a copy, as far as the ledger knows; nothing if
// there is none.
func (s sighting) elsewhere(destination string) (places []string) {
	if s.info != nil {
		places = append(places, "on this host ("+s.file+")")
	}
	for _, d := range s.Deliveries {
		if d.Destination != destination && d.State == spool.Verified {
			places = append(places, "at "+d.Destination)
		}
	}
	return places
}

// parseValidity reads for how long a link is to be valid.
func parseValidity(text string) (time.Duration, error) {
	d, err := config.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf(`--expires: %q is no duration: write it like "30m", "2h" or "7d"`, text)
	case d < time.Second || d > s3.MaxPresigned:
		return 0, fmt.Errorf("--expires: %s cannot be: write a second at least, and 7d at most", text)
	}
	return d, nil
}

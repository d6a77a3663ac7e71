package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"recording-agent/agent/config"
	"recording-agent/capture/spool"
)

func segmentsCommand(file *string) *cobra.Command {
	c := &cobra.Command{
		Use:   "segments",
		Short: "List segments, show one, or try again what failed",
		Long: `List segments, show one, or try again what failed.

"list" and "show" read the ledger in agent.data_dir, whether the agent runs or not,
and change nothing there. "retry" asks the agent that runs. None of them needs the
secrets that the configuration refers to.`,
		RunE: func(*cobra.Command, []string) error {
			return &unusableError{errors.New(`say what to do: "segments list", "segments show ID", "segments retry ID"`)}
		},
	}
	c.AddCommand(segmentListCommand(file), segmentShowCommand(file), segmentRetryCommand(file))
	return c
}

// lookOptions are what the configuration says of the ledger.
func lookOptions(cfg *config.Config) spool.LookOptions {
	o := spool.LookOptions{Dir: cfg.Agent.DataDir, Central: cfg.Central.URL != ""}
	if d := cfg.Destinations(); len(d) > 0 {
		o.Primary = d[0].Name
	}
	return o
}

// sighting is a segment with what is seen of its file.
type sighting struct {
	spool.Entry
	file    string      // its path
	info    os.FileInfo // nil when it is not there, or cannot be looked at
	fileErr error
}

func sight(v *spool.View, e spool.Entry) sighting {
	s := sighting{Entry: e}
	if s.file, s.fileErr = v.File(e.Segment); s.fileErr == nil {
		s.info, s.fileErr = os.Stat(s.file)
	}
	return s
}

// size is that of the file so far while it is recorded, in bytes; -1 when it is
// not known.
func (s sighting) size() int64 {
	switch {
	case s.Segment.Size > 0:
		return s.Segment.Size
	case s.Segment.State == spool.Recording && s.info != nil:
		return s.info.Size()
	}
	return -1
}

// length is that of the footage so far while it is recorded: until something was
// last appended to the file. It is -1 when it is not known.
func (s sighting) length() time.Duration {
	switch {
	case s.Segment.Duration > 0:
		return s.Segment.Duration
	case s.Segment.State == spool.Recording && s.info != nil:
		return max(0, s.info.ModTime().Sub(s.Segment.Start))
	}
	return -1
}

// bytesSent is how much of an open upload the store has.
func bytesSent(u *spool.Upload) (n int64) {
	for _, p := range u.Parts {
		n += p.Size
	}
	return n
}

// percentSent is how much of what there is the store has; below 100 as long as it
// has not confirmed the object.
func (s sighting) percentSent(u *spool.Upload) int64 {
	size := s.size()
	if size <= 0 {
		return 0
	}
	return min(99, bytesSent(u)*100/size)
}

// undelivered: a delivery has yet to be made, and can be.
func (s sighting) undelivered(d spool.Delivery) bool {
	here := s.Segment.State == spool.Recording || s.Segment.State == spool.Finished
	return here && (d.State == spool.Pending || d.State == spool.Stored)
}

// findSegment finds the one segment whose id begins with a text.
func findSegment(ctx context.Context, v *spool.View, prefix string) (spool.Entry, error) {
	const several = 5
	found, err := v.Find(ctx, prefix, several+1)
	if errors.Is(err, spool.ErrUnknown) {
		found, err = nil, nil
	}
	if err != nil {
		return spool.Entry{}, err
	}
	var ids []string
	for _, e := range found {
		if e.Segment.ID == prefix {
			return e, nil
		}
		ids = append(ids, e.Segment.ID)
	}
	switch {
	case len(found) == 0:
		return spool.Entry{}, fmt.Errorf(`there is no segment whose id begins with %q, or not any more; "recording-agent segments list" shows the newest with their ids`, prefix)
	case len(found) > several:
		return spool.Entry{}, fmt.Errorf("more than %d segments have an id that begins with %q; write more of it", several, prefix)
	case len(found) > 1:
		return spool.Entry{}, fmt.Errorf("%d segments have an id that begins with %q; write more of it:\n  %s", len(found), prefix, strings.Join(ids, "\n  "))
	}
	return found[0], nil
}

// cameraNames are those that need no id beside them: of one camera only.
type cameraNames map[string][]string // ids, by name

func namesOf(cfg *config.Config, segments []sighting) cameraNames {
	names := cameraNames{}
	add := func(name, id string) {
		if !slices.Contains(names[name], id) {
			names[name] = append(names[name], id)
		}
	}
	for _, c := range cfg.Cameras {
		add(c.Name, c.ID)
	}
	for _, s := range segments {
		add(s.Segment.CameraName, s.Segment.CameraID)
	}
	return names
}

func (n cameraNames) of(seg spool.Segment) string {
	switch {
	case seg.CameraName == "" || seg.CameraName == seg.CameraID:
		return seg.CameraID
	case len(n[seg.CameraName]) > 1:
		return seg.CameraName + " (" + seg.CameraID + ")"
	}
	return seg.CameraName
}

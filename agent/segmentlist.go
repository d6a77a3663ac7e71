package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"recording-agent/agent/config"
	"recording-agent/capture/spool"
)

func segmentListCommand(file *string) *cobra.Command {
	var l listing
	c := &cobra.Command{
		Use:   "list",
		Short: "List segments, the newest last",
		Long: `List segments, the newest last.

States on this host (--state):
  recording   its file is being appended to
  finished    the file is complete
  deleted     it was safe elsewhere, and the file is gone
  missing     the file is gone or damaged, or had to make room before it was uploaded
  empty       cut off before anything in it could be played
and, whatever its state:
  waiting     being recorded, not yet verified at every destination, or central has
              yet to be told
  failed      waits because an attempt to upload or report it failed, or central
              refuses it: what "segments retry --failed" tries again

Times (--since, --until) are RFC 3339, "2026-01-02 15:04" or "2026-01-02" (its
beginning) in this host's time zone, or how long ago: 24h, 7d. A segment is
listed when any of it lies between them.

With --json: one array of objects, oldest first, times in UTC; what is not known
is null.`,
		Example: `  recording-agent segments list
  recording-agent segments list --state failed --limit 0
  recording-agent segments list --camera "Front gate" --since "2026-01-02 15:00" --until "2026-01-02 16:00"
  recording-agent segments list --since 24h --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadToLook(*file)
			if err != nil {
				return err
			}
			l.cfg, l.out, l.aside, l.now = cfg, c.OutOrStdout(), c.ErrOrStderr(), time.Now()
			return l.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringArrayVar(&l.cameras, "camera", nil, "only of this camera, by id or name; may be given several times")
	f.StringVar(&l.state, "state", "", "only in this state: "+strings.Join(listStates, ", "))
	f.StringVar(&l.since, "since", "", "only what goes on at this time or later")
	f.StringVar(&l.until, "until", "", "only what has begun before this time")
	f.IntVar(&l.limit, "limit", 50, "so many of the newest; 0: all")
	f.BoolVar(&l.json, "json", false, "for programs")
	return c
}

var listStates = []string{
	string(spool.Recording), string(spool.Finished), string(spool.Deleted), string(spool.Missing), string(spool.Empty), string(spool.Waiting), string(spool.Failed),
}

// listing is one run of the command.
type listing struct {
	cameras             []string
	state, since, until string
	limit               int
	json                bool

	cfg        *config.Config
	out, aside io.Writer
	now        time.Time
}

func (l *listing) run(ctx context.Context) error {
	q, err := l.query()
	if err != nil {
		return &unusableError{err}
	}
	var segments []sighting
	var more bool
	err = spool.Look(ctx, lookOptions(l.cfg), func(v *spool.View) error {
		if err := l.checkCameras(ctx, v); err != nil {
			return err
		}
		entries, left, err := v.Segments(ctx, q)
		segments, more = segments[:0], left
		for _, e := range entries {
			segments = append(segments, sight(v, e))
		}
		return err
	})
	if err != nil {
		return err
	}
	if l.json {
		all := []segmentJSON{}
		for _, s := range segments {
			all = append(all, jsonOf(s))
		}
		if more {
			fmt.Fprintf(l.aside, "older segments are left out; --limit 0 lists all\n")
		}
		return writeJSON(l.out, all)
	}
	return l.print(segments, more)
}

// query is what the flags ask for.
func (l *listing) query() (spool.Query, error) {
	q := spool.Query{Cameras: l.cameras, State: spool.State(l.state), Limit: l.limit}
	var errs []error
	moment := func(flag, text string) (t time.Time) {
		if text == "" {
			return t
		}
		t, err := parseMoment(text, l.now)
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", flag, err))
		}
		return t
	}
	q.Since, q.Until = moment("since", l.since), moment("until", l.until)
	if !q.Until.IsZero() && !q.Since.Before(q.Until) {
		errs = append(errs, fmt.Errorf("--since %q is not before --until %q", l.since, l.until))
	}
	if l.state != "" && !slices.Contains(listStates, l.state) {
		errs = append(errs, fmt.Errorf("--state: %q is no state; write one of: %s", l.state, strings.Join(listStates, ", ")))
	}
	if l.limit < 0 {
		errs = append(errs, fmt.Errorf("--limit: %d is below 0; 0 lists all", l.limit))
	}
	return q, errors.Join(errs...)
}

// checkCameras wants each camera to be in the configuration or in the ledger.
func (l *listing) checkCameras(ctx context.Context, v *spool.View) error {
	for _, camera := range l.cameras {
		if slices.ContainsFunc(l.cfg.Cameras, func(c config.Camera) bool { return c.ID == camera || strings.EqualFold(c.Name, camera) }) {
			continue
		}
		known, err := v.Knows(ctx, camera)
		if err != nil {
			return err
		}
		if !known {
			var names []string
			for _, c := range l.cfg.Cameras {
				names = append(names, fmt.Sprintf("%q (%s)", c.Name, c.ID))
			}
			return &unusableError{fmt.Errorf("--camera: neither the configuration nor the ledger knows %q; configured are: %s", camera, strings.Join(names, ", "))}
		}
	}
	return nil
}

func (l *listing) print(segments []sighting, more bool) error {
	if len(segments) == 0 {
		_, err := fmt.Fprintln(l.out, "no segments")
		return err
	}
	if more {
		fmt.Fprintf(l.out, "older segments are left out; --limit 0 lists all\n\n")
	}
	names, destinations, central := namesOf(l.cfg, segments), l.destinations(segments), l.central(segments)
	t := table{}
	head := []string{"START", "CAMERA", "LENGTH", "SIZE", "HERE"}
	for _, d := range destinations {
		head = append(head, strings.ToUpper(d))
	}
	if central {
		head = append(head, "CENTRAL")
	}
	t.row(append(head, "ID")...)
	for _, s := range segments {
		cells := []string{localTime(s.Segment.Start), names.of(s.Segment), lengthText(s.length()), sizeText(s.size()), string(s.Segment.State)}
		for _, d := range destinations {
			cells = append(cells, s.stateAt(d))
		}
		if central {
			cells = append(cells, string(s.Segment.Central.State))
		}
		t.row(append(cells, s.Segment.ID)...)
		for _, note := range s.troubles(l.now) {
			t.note(note)
		}
	}
	return t.print(l.out)
}

// destinations are the configured ones, and then those that segments still have.
func (l *listing) destinations(segments []sighting) (names []string) {
	for _, d := range l.cfg.Destinations() {
		names = append(names, d.Name)
	}
	for _, s := range segments {
		for _, d := range s.Deliveries {
			if !slices.Contains(names, d.Destination) {
				names = append(names, d.Destination)
			}
		}
	}
	return names
}

// central says whether there is anything to say of a central server.
func (l *listing) central(segments []sighting) bool {
	return l.cfg.Central.URL != "" || slices.ContainsFunc(segments, func(s sighting) bool { return s.Segment.Central.State != spool.CentralNone })
}

// stateAt is how far a segment has come at a destination.
func (s sighting) stateAt(destination string) string {
	i := slices.IndexFunc(s.Deliveries, func(d spool.Delivery) bool { return d.Destination == destination })
	if i < 0 {
		return "-"
	}
	d := s.Deliveries[i]
	text := string(d.State)
	if d.State == spool.Pending && d.Upload != nil {
		text += fmt.Sprintf(" %d%%", s.percentSent(d.Upload))
	}
	return text
}

// troubles says in a few words what keeps a segment.
func (s sighting) troubles(now time.Time) (notes []string) {
	for _, d := range s.Deliveries {
		if d.LastError != "" && s.undelivered(d) {
			notes = append(notes, fmt.Sprintf("%s: %s; %s, %s", d.Destination, few(d.LastError), nextTry(d.NextTry, now), count(d.Attempts, "attempt so far", "attempts so far")))
		}
	}
	switch c := s.Segment.Central; {
	case c.LastError == "" || c.State == spool.CentralCompleted || c.State == spool.CentralFailed:
	case c.State == spool.CentralRefused:
		notes = append(notes, "central: "+few(c.LastError)+"; not asked again")
	default:
		notes = append(notes, "central: "+few(c.LastError)+"; "+nextTry(c.NextTry, now))
	}
	return notes
}

func nextTry(t, now time.Time) string {
	switch {
	case !t.After(now):
		return "due now"
	case t.Sub(now) > 12*time.Hour:
		return "again at " + localTime(t)
	}
	return "again at " + t.Local().Format(time.TimeOnly)
}

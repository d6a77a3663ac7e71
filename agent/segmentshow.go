package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"recording-agent/capture/spool"
)

func segmentShowCommand(file *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of a segment",
		Long: `Show all that is known of a segment: its file, its footage, how far it has come at
each destination and at central, and what keeps it. The beginning of an id is
enough if no other begins with it.

With --json: one object, as in the array of "segments list --json".`,
		Example: `  recording-agent segments show 0190aaaa-7f3e-7d7c-8f7b-0a2b3c4d5e6f
  recording-agent segments show 0190aaaa-7f --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := loadToLook(*file)
			if err != nil {
				return err
			}
			var s sighting
			err = spool.Look(c.Context(), lookOptions(cfg), func(v *spool.View) error {
				e, err := findSegment(c.Context(), v, args[0])
				s = sight(v, e)
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), jsonOf(s))
			}
			return s.describe(c.OutOrStdout(), cfg.Central.URL != "", time.Now())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

// facts are lines of a name and what it is; those without are left out.
type facts struct{ strings.Builder }

func (f *facts) heading(text string) {
	if f.Len() > 0 {
		f.WriteByte('\n')
	}
	f.WriteString(plain(text) + "\n")
}

func (f *facts) add(name, what string) {
	if what != "" {
		fmt.Fprintf(f, "  %-16s%s\n", name, plain(what))
	}
}

// describe writes for people what is known.
func (s sighting) describe(w io.Writer, central bool, now time.Time) error {
	var f facts
	s.describeFootage(&f)
	for _, d := range s.Deliveries {
		s.describeDelivery(&f, d, now)
	}
	if c := s.Segment.Central; central || c.State != spool.CentralNone {
		describeCentral(&f, c, now)
	}
	_, err := io.WriteString(w, f.String())
	return err
}

func (s sighting) describeFootage(f *facts) {
	seg := s.Segment
	f.heading("Segment " + seg.ID)
	f.add("camera", cameraNames{seg.CameraName: {seg.CameraID, ""}}.of(seg)) // with its id
	f.add("client", seg.ClientName)
	f.add("schedule", seg.ScheduleID)
	f.add("state", string(seg.State))
	f.add("given up", seg.GivenUp)
	f.add("start", localTime(seg.Start))
	if !seg.End.IsZero() {
		f.add("end", localTime(seg.End))
	}
	switch seg.Dated {
	case spool.DatedLater:
		f.add("dated", "not yet: the host's clock is not set, its times are wrong")
	case spool.Undated:
		f.add("dated", "never: the host's clock was not set; the times only say in which order it was recorded")
	}
	if d := s.length(); d >= 0 {
		f.add("length", lengthText(d))
	}
	f.add("file", s.file)
	f.add("", s.fileText())
	if seg.VideoCodec != "" {
		f.add("video", fmt.Sprintf("%s, %dx%d, %.2f pictures per second, %d pictures", seg.VideoCodec, seg.Width, seg.Height, seg.FrameRate, seg.Frames))
	}
	f.add("sound", seg.AudioCodec)
	f.add("camera's clock", clockText(seg.ClockOffset))
	if seg.Size > 0 {
		f.add("size", fmt.Sprintf("%d bytes (%s)", seg.Size, sizeText(seg.Size)))
	}
	if seg.Checksum != "" {
		f.add("checksum", "crc64nvme "+seg.Checksum)
	}
}

// clockText is how far a camera's clock is from the host's; nothing when not known.
func clockText(offset *time.Duration) string {
	if offset == nil {
		return ""
	}
	by, where := offset.Abs().Round(time.Millisecond).String(), "ahead of"
	if *offset < 0 {
		where = "behind"
	}
	if days := offset.Abs() / (24 * time.Hour); days > 1 {
		by = fmt.Sprintf("%d days", days)
	}
	return by + " " + where + " this host's"
}

func (s sighting) fileText() string {
	switch {
	case errors.Is(s.fileErr, fs.ErrNotExist):
		return "is not there"
	case s.fileErr != nil:
		return "cannot be looked at: " + s.fileErr.Error()
	}
	return "is there, " + sizeText(s.info.Size())
}

func (s sighting) describeDelivery(f *facts, d spool.Delivery, now time.Time) {
	f.heading("Destination " + d.Destination + ": " + s.stateAt(d.Destination))
	f.add("bucket", d.Bucket)
	f.add("key", d.Key)
	if d.VerifiedBy != "" {
		f.add("verified", fmt.Sprintf("%s, by %s", localTime(d.VerifiedAt), d.VerifiedBy))
	}
	if u := d.Upload; u != nil {
		f.add("upload", u.ID)
		f.add("sent", fmt.Sprintf("%s, %s of %s", count(len(u.Parts), "part", "parts"), sizeText(bytesSent(u)), sizeText(s.size())))
	}
	if !s.undelivered(d) {
		return
	}
	f.add("attempts", fmt.Sprint(d.Attempts))
	f.add("last error", d.LastError)
	switch {
	case s.Segment.State == spool.Recording:
		f.add("next", "its parts, as they are recorded")
	case d.NextTry.After(now):
		f.add("next", localTime(d.NextTry))
	default:
		f.add("next", "due; within a minute while the destination fails, at its start if the agent does not run")
	}
}

func describeCentral(f *facts, c spool.Central, now time.Time) {
	f.heading("Central: " + string(c.State))
	f.add("recording", c.RecordingID)
	f.add("register calls", fmt.Sprint(c.Attempts))
	f.add("last error", c.LastError)
	if !c.RefusedAt.IsZero() {
		f.add("refused since", localTime(c.RefusedAt))
	}
	switch {
	case c.State == spool.CentralRefused:
		f.add("next", `not asked again, unless by "segments retry"`)
	case c.NextTry.After(now):
		f.add("next", localTime(c.NextTry))
	}
}

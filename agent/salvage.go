package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"recording-agent/agent/config"
	"recording-agent/capture/mp4"
	"recording-agent/uploader/s3"
)

// salvage makes objects of what lost hosts have uploaded of their open segments.
type salvage struct {
	store     *s3.Store
	out       io.Writer
	prefix    string
	olderThan time.Duration
	now       func() time.Time
}

func salvageCommand(file *string) *cobra.Command {
	var o s3.Options
	var destination, prefix, checksum string
	var olderThan time.Duration
	var yes bool
	c := &cobra.Command{
		Use:   "salvage",
		Short: "Make playable objects of what a lost host has uploaded",
		Long: `Make playable objects of what a lost host has uploaded.

A segment is uploaded while it is recorded. When the host burns, is stolen or never
comes back, the store holds incomplete uploads: invisible, but with the footage up
to the last part. This command lists them, and with --yes completes those that can
be played, fetches each to check it, and says what it shows. It needs credentials,
not the host: run it anywhere. It never overwrites and never deletes anything.

The credentials need s3:ListBucket, s3:ListBucketMultipartUploads,
s3:ListMultipartUploadParts, s3:PutObject and s3:GetObject; where objects are
encrypted with a key of KMS, kms:GenerateDataKey and kms:Decrypt as well.`,
		Example: `  recording-agent salvage --config agent.toml
  recording-agent salvage --bucket cctv-footage-bucket --region ap-south-1
  recording-agent salvage --bucket footage --endpoint https://s3.example.internal:9000 --path-style \
      --prefix recordings/8f14e45f-ceea-467f-9d4c-0a2b3c4d5e6f/ --yes`,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Bucket == "" {
				d, err := configured(*file, destination)
				if err != nil {
					return err
				}
				o = storeOptions(d)
				if !c.Flags().Changed("prefix") {
					prefix = config.KeyPrefix(d.Key)
				}
			} else {
				o.Checksum = s3.Checksum(checksum)
			}
			s := &salvage{store: s3.New(o), out: c.OutOrStdout(), prefix: prefix, olderThan: olderThan, now: time.Now}
			return s.run(c.Context(), yes)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Bucket, "bucket", "", "bucket, with credentials from the environment, shared files or a role (default: what the configuration says)")
	f.StringVar(&o.Region, "region", "", "region of --bucket")
	f.StringVar(&o.Endpoint, "endpoint", "", "S3-compatible store of --bucket: http(s)://host:port")
	f.BoolVar(&o.PathStyle, "path-style", false, "bucket in the path, as most compatible stores want it")
	f.StringVar(&o.CAFile, "ca-file", "", "PEM file of a certificate authority to trust besides the system's")
	f.StringVar(&checksum, "checksum", "auto", "as in the configuration: auto, crc64nvme, crc32c, md5")
	f.StringVar(&destination, "destination", config.Primary, "with a configuration: which of its destinations, by name")
	f.StringVar(&prefix, "prefix", "recordings/", "what the keys begin with")
	f.DurationVar(&olderThan, "older-than", time.Hour, "leave uploads alone that had a part since: an agent may be at work")
	f.BoolVar(&yes, "yes", false, "do it; without this nothing is changed")
	return c
}

// configured finds a destination in the configuration.
func configured(file, name string) (config.Destination, error) {
	cfg, err := load(file)
	if err != nil {
		return config.Destination{}, fmt.Errorf("%w\nor name the store: --bucket, --region, --endpoint", err)
	}
	var names []string
	for _, d := range cfg.Destinations() {
		if d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	return config.Destination{}, &unusableError{fmt.Errorf("%s has no destination %q; it has: %s", cfg.Path, name, strings.Join(names, ", "))}
}

// run lists what is incomplete, and completes it if it may.
func (s *salvage) run(ctx context.Context, yes bool) error {
	leftovers, err := s.store.Leftovers(ctx, s.prefix, nil)
	if err != nil {
		return explained(err)
	}
	fmt.Fprintf(s.out, "%d incomplete uploads in %s, keys %s…\n", len(leftovers), s.store, plain(s.prefix))
	var playable []s3.Leftover
	troubled := 0
	for _, l := range leftovers {
		verdict, ok := s.judge(l)
		fmt.Fprintf(s.out, "\n%s\n  %d parts, %.1f MB, begun %s: %s\n", shownKey(l.Key), l.Parts, float64(l.Size)/1e6, l.Opened.UTC().Format("2006-01-02 15:04:05 UTC"), plain(verdict))
		if ok {
			playable = append(playable, l)
		}
		if l.Trouble != nil {
			troubled++
		}
	}
	switch {
	case len(playable) == 0 && troubled == 0:
		fmt.Fprintln(s.out, "\nThere is nothing to complete.")
	case len(playable) > 0 && !yes:
		fmt.Fprintf(s.out, "\nNothing has been changed. With --yes %d of them become objects.\n", len(playable))
	case len(playable) > 0:
		err = s.completeAll(ctx, playable)
	}
	if troubled > 0 {
		err = errors.Join(err, fmt.Errorf("of %d uploads it is not known what they hold", troubled))
	}
	return err
}

// judge says what is to become of an upload.
func (s *salvage) judge(l s3.Leftover) (verdict string, complete bool) {
	idle := l.Idle(s.now()).Round(time.Second)
	switch {
	case l.Trouble != nil:
		return "its parts cannot be listed: " + explained(l.Trouble).Error(), false
	case !strings.HasSuffix(l.Key, ".mp4"):
		return "left alone, it is no video of an agent", false
	case idle < s.olderThan:
		return fmt.Sprintf("left alone, an agent may be at work: the last part came %v ago (--older-than)", idle), false
	case l.Parts == 0:
		return "empty", false
	case !l.Playable():
		return fmt.Sprintf("cannot be played, part %d is missing", l.Missing), false
	}
	return fmt.Sprintf("can be completed, the last part came %v ago", idle), true
}

func (s *salvage) completeAll(ctx context.Context, playable []s3.Leftover) error {
	failed := 0
	for _, l := range playable {
		fmt.Fprintf(s.out, "\n%s\n", shownKey(l.Key))
		shown, err := s.complete(ctx, l)
		if err != nil {
			failed++
			fmt.Fprintf(s.out, "  FAILED: %s\n", plain(explained(err).Error()))
			continue
		}
		fmt.Fprintf(s.out, "  %s\n", plain(shown))
	}
	fmt.Fprintf(s.out, "\nSalvaged: %d of %d.\n", len(playable)-failed, len(playable))
	if failed > 0 {
		return fmt.Errorf("%d uploads could not be salvaged", failed)
	}
	return nil
}

// complete makes an object, and looks at what it has become.
func (s *salvage) complete(ctx context.Context, l s3.Leftover) (shown string, err error) {
	if err := s.store.CompleteLeftover(ctx, l); err != nil {
		return "", err
	}
	f, err := os.CreateTemp("", "salvage-*.mp4")
	if err != nil {
		return "", fmt.Errorf("it is an object now, but could not be checked: %w", err)
	}
	defer func() {
		f.Close()
		os.Remove(f.Name())
	}()
	size, err := s.store.Fetch(ctx, l.Key, f)
	if err != nil {
		return "", fmt.Errorf("it is an object now, but could not be checked: %w", err)
	}
	r, err := mp4.Inspect(f, size)
	if err != nil {
		return "", fmt.Errorf("it is an object now, but what it holds is no segment of an agent: %w", err)
	}
	shown = fmt.Sprintf("camera %q (%s) of %s, from %s, %.1f seconds, %d pictures", r.CameraName, r.CameraID, r.ClientName,
		r.Start.UTC().Format("2006-01-02 15:04:05 UTC"), r.Duration.Seconds(), r.Frames)
	if !r.Plays {
		return "", fmt.Errorf("it is an object now, but players will not find the index that was at its end: %s", shown)
	}
	return shown, nil
}

// explained puts an error of a store into words.
func explained(err error) error {
	var taken *s3.TakenError
	if errors.As(err, &taken) {
		return fmt.Errorf("there is an object under this key already; it was not overwritten")
	}
	var api interface{ ErrorCode() string }
	fault := s3.Classify(err)
	if !errors.As(err, &api) && fault.Scope == s3.ScopeSegment {
		return err
	}
	if fault.Remedy == "" {
		return errors.New(fault.Cause)
	}
	return fmt.Errorf("%s: %s", fault.Cause, fault.Remedy)
}

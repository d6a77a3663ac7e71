package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"recording-agent/agent/check"
	"recording-agent/agent/config"
	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

func checkCommand(file *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Try everything that recording needs, and say what is wrong",
		Long: `Try everything that recording needs, in the order in which a technician would:
the configuration, the disk, the clock, each camera, each bucket, the central server.
It may be run while the agent records. The exit code is 1 if anything has failed.`,
		RunE: checking(file, &asJSON, func(ctx context.Context, c *check.Checks, _ []string) error {
			c.All(ctx)
			return nil
		}),
	}
	c.PersistentFlags().BoolVar(&asJSON, "json", false, "print one JSON document")
	c.AddCommand(checkConfigCommand(file, &asJSON),
		&cobra.Command{
			Use: "disk", Short: "Try the disk of data_dir: writable, room, speed",
			RunE: checking(file, &asJSON, func(ctx context.Context, c *check.Checks, _ []string) error {
				c.DataDir(ctx)
				return nil
			}),
		},
		&cobra.Command{
			Use: "clock", Short: "Compare this host's clock with those of S3 and central",
			RunE: checking(file, &asJSON, func(ctx context.Context, c *check.Checks, _ []string) error {
				c.Clock(ctx)
				return nil
			}),
		},
		&cobra.Command{
			Use: "camera [NAME|ID]...", Short: "Try cameras: all of them, or those that are named", Args: cobra.ArbitraryArgs,
			RunE: checking(file, &asJSON, func(ctx context.Context, c *check.Checks, args []string) error { return c.Cameras(ctx, args) }),
		},
		checkStoreCommand(file, &asJSON),
		&cobra.Command{
			Use: "central", Short: "Try the central server: token, cameras, schedules", Args: cobra.NoArgs,
			RunE: checking(file, &asJSON, func(ctx context.Context, c *check.Checks, _ []string) error {
				c.Central(ctx)
				return nil
			}),
		},
	)
	return c
}

func checkStoreCommand(file *string, asJSON *bool) *cobra.Command {
	var policy bool
	try := checking(file, asJSON, func(ctx context.Context, c *check.Checks, args []string) error { return c.Buckets(ctx, args) })
	c := &cobra.Command{
		Use: "s3 [NAME]...", Short: "Try buckets: all of them, or those that are named", Args: cobra.ArbitraryArgs,
		Long: `Try buckets: all of them, or those that are named ("primary", or the mirror's name).
An object of 64 KiB is uploaded under recording-agent-check/ within the prefix of the
footage's keys, looked at, fetched, and deleted if the credentials allow that.`,
		RunE: func(c *cobra.Command, args []string) error {
			if !policy {
				return try(c, args)
			}
			cfg, err := loadToLook(*file)
			if err != nil {
				return err
			}
			if err := check.WritePolicies(c.OutOrStdout(), cfg.Destinations(), args); err != nil {
				return &unusableError{err}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&policy, "policy", false, "print the least that the agent has to be allowed, for each bucket, as an IAM policy of AWS or a role of Google Cloud, and try nothing")
	return c
}

func checkConfigCommand(file *string, asJSON *bool) *cobra.Command {
	asDocument := checking(file, asJSON, func(_ context.Context, c *check.Checks, _ []string) error {
		c.Configuration()
		return nil
	})
	var withoutSecrets, asService bool
	config := &cobra.Command{
		Use:   "config",
		Short: "Validate the configuration",
		RunE: func(c *cobra.Command, args []string) error {
			if *asJSON {
				return asDocument(c, args)
			}
			if asService {
				return checkAsService(c, *file)
			}
			find := load
			if withoutSecrets {
				find = loadToLook
			}
			cfg, err := find(*file)
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				fmt.Fprintln(c.OutOrStdout(), "warning:", w)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is valid; cameras: %d\n", cfg.Path, len(cfg.Cameras))
			return nil
		},
	}
	config.Flags().BoolVar(&withoutSecrets, "without-secrets", false, "do not miss secrets that only the service has")
	config.Flags().BoolVar(&asService, "as-service", false, "read it as the service that runs would, with its user, environment and credentials (Linux, as root)")
	config.MarkFlagsMutuallyExclusive("without-secrets", "as-service")
	return config
}

// checking is a command that does checks and reports them.
func checking(file *string, asJSON *bool, do func(ctx context.Context, c *check.Checks, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		report := &check.Report{Out: c.OutOrStdout(), JSON: *asJSON}
		cfg, err := load(*file)
		if err != nil {
			if *asJSON {
				tellUnusable(report, err)
			}
			return err
		}
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		// After the first signal the default is restored: a second one ends at once, even
		// what still takes away its traces.
		context.AfterFunc(ctx, stop)
		take, done := withSpinner(terminalOf(c), report.Take)
		defer done()
		if err := do(ctx, newChecks(ctx, cfg, take), args); err != nil {
			return &unusableError{err}
		}
		done()
		return report.End(ctx.Err() != nil)
	}
}

// withSpinner shows between steps that the next one is being tried: some take seconds.
func withSpinner(t terminal, take func(check.Step)) (spun func(check.Step), done func()) {
	_, stop := t.spin("trying")
	return func(s check.Step) {
		stop()
		take(s)
		_, stop = t.spin("trying")
	}, func() { stop() }
}

// tellUnusable gives programs a document too when the configuration cannot be used.
func tellUnusable(report *check.Report, err error) {
	fail := func(found, remedy string) {
		report.Take(check.Step{Check: "config", Step: "file", Result: check.Failed, Found: found, Remedy: remedy})
	}
	var problems config.Errors
	if errors.As(err, &problems) {
		for _, p := range problems {
			instead := p.Instead
			p.Instead = ""
			fail(p.String(), instead)
		}
	} else {
		fail(err.Error(), "correct the configuration")
	}
	_ = report.End(false) // that something has failed is said by err
}

func newChecks(ctx context.Context, cfg *config.Config, take func(check.Step)) *check.Checks {
	return &check.Checks{
		Config: cfg, Session: sessionOptions, Synced: keptByTimeServer, Now: time.Now, Kept: filepath.Join(cfg.Agent.DataDir, assignedFile),
		Registered: registered(cfg),
		Tell: func(s check.Step) {
			if ctx.Err() == nil { // what an interrupt has ended has not failed
				take(s)
			}
		},
		Store: func(d config.Destination) *s3.Store {
			o := storeOptions(d)
			o.Stall = check.StoreStall
			return s3.New(o)
		},
	}
}

// lastFew are the newest segments of a camera that are looked at: the very last ones may
// have yet to be registered.
const lastFew = 50

// registered looks into the ledger, if there is one that can be read: check works
// without it.
func registered(cfg *config.Config) func(ctx context.Context, cameraID string) check.Registered {
	return func(ctx context.Context, cameraID string) (last check.Registered) {
		_ = spool.Look(ctx, lookOptions(cfg), func(v *spool.View) error {
			last = check.Registered{}
			entries, _, err := v.Segments(ctx, spool.Query{Cameras: []string{cameraID}, Limit: lastFew})
			for _, e := range slices.Backward(entries) {
				switch c := e.Segment.Central; {
				case !c.RefusedAt.IsZero():
					last = check.Registered{At: e.Segment.Start, Refused: c.LastError}
					return nil
				case c.RecordingID != "":
					last.At = e.Segment.Start
					return nil
				}
			}
			return err
		})
		return last
	}
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"recording-agent/agent/check"
	"recording-agent/agent/config"
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

func checkConfigCommand(file *string, asJSON *bool) *cobra.Command {
	asDocument := checking(file, asJSON, func(_ context.Context, c *check.Checks, _ []string) error {
		c.Configuration()
		return nil
	})
	return &cobra.Command{
		Use:   "config",
		Short: "Validate the configuration",
		RunE: func(c *cobra.Command, args []string) error {
			if *asJSON {
				return asDocument(c, args)
			}
			cfg, err := load(*file)
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
}

// checking is a command that does checks and reports them.
func checking(file *string, asJSON *bool, do func(ctx context.Context, c *check.Checks, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		cfg, err := load(*file)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		// After the first signal the default is restored: a second one ends at once, even
		// what still takes away its traces.
		context.AfterFunc(ctx, stop)
		report := &check.Report{Out: c.OutOrStdout(), JSON: *asJSON}
		if err := do(ctx, newChecks(ctx, cfg, report), args); err != nil {
			return &unusableError{err}
		}
		return report.End(ctx.Err() != nil)
	}
}

func newChecks(ctx context.Context, cfg *config.Config, report *check.Report) *check.Checks {
	return &check.Checks{
		Config: cfg, Session: sessionOptions, Synced: keptByTimeServer, Now: time.Now, Kept: filepath.Join(cfg.Agent.DataDir, assignedFile),
		Tell: func(s check.Step) {
			if ctx.Err() == nil { // what an interrupt has ended has not failed
				report.Take(s)
			}
		},
		Store: func(d config.Destination) *s3.Store {
			o := storeOptions(d)
			o.Stall = check.StoreStall
			return s3.New(o)
		},
	}
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"recording-agent/agent/torture/flat"
)

const (
	roleSoak  = "soak"
	soakEvery = 5 * time.Second // the agent is looked at
	// soakWarm is left out: caches fill, and each camera has had its first faults.
	soakWarm = time.Minute
	soakRest = 0.4 // between faults
	// soakFaults are all that leave the agent running, and its disk and clock alone.
	soakFaults = "s3-line,s3-restart,central-line,central-restart,central-answer,camera"
)

// soak runs the agent with cameras that reconnect and uploads that fail, and looks
// whether what it takes of the host stays flat: a leak of one goroutine, file or buffer
// for each reconnect or failure shows.
func soak(args []string) int {
	o := options{only: soakFaults, kills: time.Second, rest: soakRest}
	flags := flag.NewFlagSet(roleSoak, flag.ExitOnError)
	flags.DurationVar(&o.length, "for", 30*time.Minute, "how long, with a minute at first that is left out")
	flags.IntVar(&o.cameras, "cameras", 4, "how many")
	flags.Uint64Var(&o.seed, "seed", 1, "what the faults, and their times, are derived from")
	flags.StringVar(&o.dir, "dir", "", "where to work; it is kept (default: a temporary directory, kept on failure)")
	_ = flags.Parse(args) // it exits
	if flags.NArg() > 0 || o.cameras < 1 || o.length < 3*soakWarm {
		fmt.Fprintf(os.Stderr, "soak takes no arguments, a camera at least and %s at least\n", 3*soakWarm)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := inside(o.dir, "", func(dir string) error { return runSoak(ctx, o, dir) }); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		return 1
	}
	return 0
}

func runSoak(ctx context.Context, o options, dir string) error {
	w, err := newWorld(ctx, dir, o.cameras)
	if err != nil {
		return err
	}
	defer w.stop()
	w.quiet = true
	plan, err := schedule(o, len(w.cameras), w.leftOut)
	if err != nil {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	record := flat.Record{Cameras: w.cameras}
	work, ctx := errgroup.WithContext(ctx)
	over, stop := context.WithCancel(ctx)
	work.Go(func() error {
		defer stop()
		return w.torment(ctx, plan, o.length)
	})
	work.Go(func() error { return w.look(over, &record) })
	if err := work.Wait(); err != nil {
		return err
	}
	if err := w.agent.stop(); err != nil {
		return err
	}
	return w.soaked(&record, o.length)
}

// look takes what the agent says of itself, again and again.
func (w *world) look(ctx context.Context, record *flat.Record) error {
	began, said := time.Now(), time.Now()
	var last error
	for sleepUntil(ctx, time.Now().Add(soakEvery)) {
		if time.Since(began) < soakWarm {
			continue
		}
		s, err := flat.Take(ctx, "http://"+w.statusAt+"/metrics")
		if err != nil { // its answer may be late while the machine is busy
			last = err
			continue
		}
		record.Add(s)
		if time.Since(said) >= time.Minute {
			said = time.Now()
			fmt.Printf("%4.0f s: %s\n", time.Since(began).Seconds(), s)
		}
	}
	if len(record.Samples) == 0 && last != nil {
		return fmt.Errorf("the agent was never seen: %w", last)
	}
	return nil
}

// soaked says how it went. What has grown, or was not tried, is the error.
func (w *world) soaked(record *flat.Record, length time.Duration) error {
	fmt.Printf("\n%d cameras for %s; %d samples, the first minute is left out\n", len(w.cameras), length, len(record.Samples))
	troubles := record.Report(os.Stdout)
	if faults := w.log.faults(); len(faults) > 0 {
		troubles = append(troubles, faults...)
	}
	if len(troubles) > 0 {
		return errors.New(strings.Join(troubles, "; "))
	}
	fmt.Println("PASS: flat")
	return nil
}

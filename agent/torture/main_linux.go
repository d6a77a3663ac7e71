// Command torture is the proof that nothing is lost. It runs the real agent between
// cameras, an S3 server and a central server, each a process of its own, and for some
// minutes kills it, cuts and slows its lines, restarts and breaks its peers, fills its
// disk and sets its clock, all by a seed. Then everything is healed and drained, and
// package check, which shares no code with the agent, compares what the cameras have
// sent with what is in the bucket and at central.
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
)

type options struct {
	length  time.Duration
	cameras int
	seed    uint64
	kills   time.Duration // mean time between two
	rest    float64       // how much rest there is between faults; 0: 1, as much as there usually is
	only    string        // kinds of faults, separated by commas; empty: all
	without string        // kinds of faults that are left out
	dir     string
	recheck string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == roleSoak {
		os.Exit(soak(os.Args[2:]))
	}
	if len(os.Args) > 2 { // as what the driver starts
		var err error
		switch os.Args[1] {
		case roleCameras:
			err = playCameras(os.Args[2])
		case roleCentral:
			err = serveCentral(os.Args[2])
		default:
			os.Exit(drive())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, os.Args[1]+":", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(drive())
}

var errFailed = errors.New("the verdict is FAIL")

func drive() int {
	var o options
	flag.DurationVar(&o.length, "for", 5*time.Minute, "how long the faults go on")
	flag.IntVar(&o.cameras, "cameras", 4, "how many")
	flag.Uint64Var(&o.seed, "seed", 1, "what the faults, and their times, are derived from")
	flag.DurationVar(&o.kills, "kills", 8*time.Second, "mean time between two kills of the agent")
	flag.StringVar(&o.only, "only", "", "kinds of faults, separated by commas (default all: "+strings.Join(allKinds(), ",")+")")
	flag.StringVar(&o.without, "without", "", "kinds of faults to leave out")
	flag.StringVar(&o.dir, "dir", "", "where to work; it is kept (default: a temporary directory, kept on failure)")
	flag.StringVar(&o.recheck, "check", "", "judge once more what an earlier run has left in this directory")
	flag.Parse()
	if flag.NArg() > 0 || o.cameras < 1 || o.length < 0 || o.kills <= 0 {
		flag.Usage()
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := torture(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	return 0
}

// torture runs it all, or judges an earlier run.
func torture(ctx context.Context, o options) error {
	if o.recheck != "" {
		return judgeAgain(ctx, o.recheck)
	}
	return inside(o.dir, "; --check with that directory judges it once more", func(dir string) error { return run(ctx, o, dir) })
}

// inside does something in a directory: a temporary one is kept on failure, and what can
// be done with it is said.
func inside(dir, use string, do func(dir string) error) error {
	kept := dir != ""
	if !kept {
		var err error
		if dir, err = os.MkdirTemp("", "recording-agent-torture-"); err != nil {
			return err
		}
	}
	err := do(dir)
	switch {
	case err != nil:
		fmt.Printf("What there is to look at is in %s%s.\n", dir, use)
	case !kept:
		_ = os.RemoveAll(dir)
	}
	return err
}

func run(ctx context.Context, o options, dir string) error {
	w, err := newWorld(ctx, dir, o.cameras)
	if err != nil {
		return err
	}
	defer w.stop()
	plan, err := schedule(o, len(w.cameras), w.leftOut)
	if err != nil {
		return err
	}
	if err := writePlan(dir, o, plan); err != nil {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.torment(ctx, plan, o.length); err != nil {
		return err
	}
	if err := w.drain(ctx); err != nil {
		return err
	}
	return w.judge(ctx)
}

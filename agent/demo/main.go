// Command demo shows the agent at work without an account, a camera or anything
// to install: two cameras that play clips in a loop, an S3 server, a central
// server, and the real agent, built and configured as anyone would.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"
)

// segmentSeconds is how long a segment of the demo is.
const segmentSeconds = 15

func main() { os.Exit(run()) }

func run() int {
	length := flag.Duration("for", 0, "end after this time; the exit code then says whether the whole job was seen to work")
	data := flag.String("data", "", "directory for what the demo makes, which is kept (default: a temporary one)")
	flag.Parse()
	if flag.NArg() > 0 || *length < 0 {
		flag.Usage()
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends at once
	if err := demo(ctx, *length, *data); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}

func demo(ctx context.Context, length time.Duration, data string) error {
	dir, remove, err := workplace(data)
	if err != nil {
		return err
	}
	defer remove()
	servers, err := startServers(ctx, dir, os.Stdout)
	if err != nil {
		return err
	}
	defer servers.stop()
	agent, err := prepareAgent(ctx, dir, servers)
	if err != nil {
		return err
	}
	introduce(os.Stdout, servers, agent, dir, data != "")

	var work errgroup.Group
	running, stop := context.WithCancel(ctx)
	defer stop()
	if length > 0 {
		running, stop = context.WithTimeout(running, length)
		defer stop()
	}
	work.Go(func() error {
		defer stop() // without the agent there is nothing to show
		return agent.run(running)
	})
	watch := newWatcher(servers, agent)
	work.Go(func() error {
		show(running, watch, os.Stdout, term.IsTerminal(int(os.Stdout.Fd())))
		return nil
	})
	if err := work.Wait(); err != nil {
		return err
	}
	if length > 0 && ctx.Err() == nil {
		return verdict(context.WithoutCancel(ctx), watch, os.Stdout)
	}
	fmt.Println("\nThe agent has stopped cleanly.")
	return nil
}

// workplace makes the directory of the demo.
func workplace(data string) (dir string, remove func(), err error) {
	if data == "" {
		if dir, err = os.MkdirTemp("", "recording-agent-demo-"); err != nil {
			return "", nil, err
		}
		return dir, func() { _ = os.RemoveAll(dir) }, nil
	}
	if dir, err = filepath.Abs(data); err != nil {
		return "", nil, err
	}
	if err = os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	return dir, func() {}, nil
}

func introduce(w io.Writer, s *servers, a *agent, dir string, kept bool) {
	fmt.Fprintf(w, "\nThe agent's configuration, %s:\n\n%s\n", a.config, a.text)
	fmt.Fprintf(w, "Where to look:\n"+
		"  the agent's page                 http://%s/\n"+
		"  recordings at central, to play   %s/\n"+
		"  segments on disk                 %s\n"+
		"  objects in the bucket            %s\n"+
		"  the agent's log                  %s\n", a.status, s.centralURL, filepath.Join(a.dataDir, "segments"), s.bucketDir(), a.logFile)
	for _, c := range s.cameras {
		fmt.Fprintf(w, "  camera %-25s %s\n", c.name, c.url)
	}
	if !kept {
		fmt.Fprintf(w, "%s is removed at the end; --data DIR keeps it.\n", dir)
	}
	fmt.Fprint(w, "Ctrl-C ends the demo.\n\n")
}

var errUnproven = errors.New("the main job was not seen to work for every camera; see above, and the agent's log with --data DIR")

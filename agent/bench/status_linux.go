package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Marks of a data directory of 100,000 rows and 10,000 files.
const (
	markAnswer = 50 * time.Millisecond
	markReady  = 2 * time.Second
)

type statusOptions struct {
	history
	pruned bool
	asks   int
	dir    string
	binary string
}

// askStatus measures how long the agent takes to start, and to tell its state, with a
// ledger of months and files that wait for an uplink. Cameras, store and central are
// all away, so that it is not idle either.
func askStatus(ctx context.Context, args []string) error {
	var o statusOptions
	flags := flag.NewFlagSet("status", flag.ExitOnError)
	flags.IntVar(&o.rows, "rows", 100_000, "segments that the ledger has")
	flags.IntVar(&o.files, "files", 10_000, "of these the newest, which wait on the disk")
	flags.IntVar(&o.cameras, "cameras", 10, "number of cameras")
	flags.BoolVar(&o.pruned, "pruned", false, "begin with what an agent leaves of these rows that has run for five days")
	flags.IntVar(&o.asks, "asks", 100, "times that each path is asked for")
	flags.StringVar(&o.dir, "dir", "", "where to put the data directory; empty: where temporary files go")
	flags.StringVar(&o.binary, "binary", "", "agent to measure; empty: it is built")
	_ = flags.Parse(args) // it exits
	dir, err := os.MkdirTemp(o.dir, "recording-agent-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	if o.binary == "" {
		if o.binary, err = buildAgent(ctx, dir); err != nil {
			return err
		}
	}
	if err := o.history.write(ctx, filepath.Join(dir, "data")); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if o.pruned {
		began := time.Now()
		p, err := o.history.prune(ctx, filepath.Join(dir, "data"))
		if err != nil {
			return fmt.Errorf("prune the ledger: %w", err)
		}
		fmt.Printf("%d rows of segments and %d of gaps pruned in %v\n", p.Segments, p.Gaps, time.Since(began).Round(time.Millisecond))
	}
	return o.run(ctx)
}

func (o *statusOptions) run(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	file := filepath.Join(o.dir, "agent.toml")
	if err := os.WriteFile(file, []byte(o.config(address)), 0o600); err != nil {
		return err
	}
	agent := &recorder{name: "agent"}
	began := time.Now()
	if err := agent.start(o.binary, "run", "--config", file); err != nil {
		return err
	}
	defer agent.stop()
	if err := answers(ctx, agent, "http://"+address+"/readyz"); err != nil {
		return err
	}
	ready := time.Since(began)
	fmt.Printf("%d rows, %d files, %d cameras\n%-24s%8.1f ms (mark %v)\n", o.rows, o.files, o.cameras, "ready after", ms(ready), markReady)
	missed := ready > markReady
	for _, path := range []string{"/status", "/metrics", "/health"} {
		took, err := ask(ctx, "http://"+address+path, o.asks)
		if err != nil {
			return err
		}
		slices.Sort(took)
		middle := took[len(took)/2]
		fmt.Printf("%-24s%8.1f ms median, %.1f ms of 95 %%, %.1f ms at most\n", path, ms(middle), ms(took[len(took)*95/100]), ms(took[len(took)-1]))
		missed = missed || path == "/status" && middle > markAnswer
	}
	fmt.Printf("mark: /status within %v, ready within %v\n", markAnswer, markReady)
	if missed {
		return errors.New("the mark is missed")
	}
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// config has nobody at the other end: port 9 discards, where it is served at all.
func (o *statusOptions) config(address string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "[agent]\nclient_name = \"bench\"\ndata_dir = %q\n[status]\nlisten = %q\n[s3]\nendpoint = \"http://127.0.0.1:9\"\nbucket = \"footage\"\n"+
		"region = \"us-east-1\"\naccess_key_id = \"test\"\nsecret_access_key = \"test\"\n[central]\nurl = \"http://127.0.0.1:9\"\nclient_id = %q\ntoken = \"test\"\n",
		filepath.Join(o.dir, "data"), address, historicID(o.cameras))
	for i := range o.cameras {
		fmt.Fprintf(&text, "[[camera]]\nid = %q\nname = \"Camera %d\"\nurl = \"rtsp://127.0.0.1:9/x\"\n", historicID(i), i)
	}
	return text.String()
}

// freeAddress is one that nobody listens at, at present.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// answers waits until the agent says at url that it is ready.
func answers(ctx context.Context, agent *recorder, url string) error {
	for {
		if took, err := ask(ctx, url, 1); err == nil && len(took) == 1 {
			return nil
		}
		if _, err := agent.cpuTicks(); err != nil {
			return fmt.Errorf("the agent has ended: %w\n%s", err, &agent.said)
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// between asks the agent has its work to do.
const between = 50 * time.Millisecond

// ask gets a page some times over one connection and says how long each took, to its
// last byte.
func ask(ctx context.Context, url string, times int) (took []time.Duration, err error) {
	for range times {
		if len(took) > 0 {
			if err := sleep(ctx, between); err != nil {
				return nil, err
			}
		}
		began := time.Now()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err == nil && answer.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", url, answer.Status)
		}
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

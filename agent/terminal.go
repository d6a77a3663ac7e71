package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// terminal is what a command reads from and writes to, and which of it a person
// sits at.
type terminal struct {
	in                io.Reader
	out, aside        io.Writer // what was asked for; all else
	asks, shows, bars bool      // in, out and aside are a terminal
}

// terminalOf is that of a command. What is meant for programs goes without bars.
func terminalOf(c *cobra.Command) terminal {
	asJSON, _ := c.Flags().GetBool("json") // false where there is no such flag
	return terminal{
		in: c.InOrStdin(), out: c.OutOrStdout(), aside: c.ErrOrStderr(),
		asks: isTerminal(c.InOrStdin()), shows: isTerminal(c.OutOrStdout()), bars: isTerminal(c.ErrOrStderr()) && !asJSON,
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// bar shows how far something of so many bytes has come, to a person only. done
// takes it away.
func (t terminal) bar(what string, size, from int64) (progress func(n int), done func()) {
	if !t.bars || size <= 0 {
		return func(int) {}, func() {}
	}
	b := progressbar.NewOptions64(size, progressbar.OptionSetWriter(t.aside), progressbar.OptionSetDescription(few(plain(what))),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	_ = b.Set64(from) // it cannot be shown: nothing is lost by that
	return func(n int) { _ = b.Add(n) }, func() { _ = b.Clear() }
}

// spinEvery is how often a spinner moves.
const spinEvery = 150 * time.Millisecond

// spin shows that something goes on whose end is not known, and how many have come of
// it, to a person only. done takes it away; it may be called more than once.
func (t terminal) spin(what string, options ...progressbar.Option) (progress func(n int), done func()) {
	if !t.bars {
		return func(int) {}, func() {}
	}
	b := progressbar.NewOptions64(-1, append([]progressbar.Option{
		progressbar.OptionSetWriter(t.aside), progressbar.OptionSetDescription(few(plain(what))), progressbar.OptionSpinnerType(14), progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetSpinnerChangeInterval(0), progressbar.OptionThrottle(100 * time.Millisecond), // it is moved here, so that nothing is shown after its end
	}, options...)...)
	ended := make(chan struct{})
	var turning sync.WaitGroup
	turning.Go(func() {
		tick := time.NewTicker(spinEvery)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				_ = b.RenderBlank() // it cannot be shown: nothing is lost by that
			}
		}
	})
	return func(n int) { _ = b.Add(n) }, sync.OnceFunc(func() {
		close(ended)
		turning.Wait()
		_ = b.Clear()
	})
}

package main

import (
	"io"
	"os"
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

func terminalOf(c *cobra.Command) terminal {
	return terminal{
		in: c.InOrStdin(), out: c.OutOrStdout(), aside: c.ErrOrStderr(),
		asks: isTerminal(c.InOrStdin()), shows: isTerminal(c.OutOrStdout()), bars: isTerminal(c.ErrOrStderr()),
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

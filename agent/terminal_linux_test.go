package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

// Bars are for a person: on a terminal, and not when a program reads.
func TestBarsOnATerminalOnly(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal("no terminal can be had: ", err)
		}
		t.Skip("no terminal can be had: ", err)
	}
	defer pty.Close()
	parent, c := &cobra.Command{}, &cobra.Command{Use: "ls"}
	parent.AddCommand(c)
	parent.PersistentFlags().Bool("json", false, "")
	c.SetErr(pty)
	if err := c.ParseFlags(nil); err != nil || !terminalOf(c).bars {
		t.Errorf("no bar on a terminal (%v)", err)
	}
	if err := c.ParseFlags([]string{"--json"}); err != nil || terminalOf(c).bars {
		t.Errorf("a bar beside JSON (%v)", err)
	}
	c = &cobra.Command{}
	c.SetErr(&bytes.Buffer{})
	if terminalOf(c).bars {
		t.Error("a bar where there is no terminal")
	}
}

func TestSpinnerLeavesNothing(t *testing.T) {
	var shown bytes.Buffer
	progress, done := terminal{aside: &shown, bars: true}.spin("objects \x1b[2Jlisted", progressbar.OptionShowCount())
	progress(3)
	time.Sleep(3 * spinEvery)
	done()
	done()
	text := shown.String()
	if !strings.Contains(text, "objects ?[2Jlisted (3/-)") || strings.TrimSpace(text[strings.LastIndex(strings.TrimRight(text, "\r"), "\r")+1:]) != "" {
		t.Errorf("shown: %q", text)
	}
	progress, done = terminal{aside: &shown}.spin("nothing")
	shown.Reset()
	progress(1)
	done()
	if shown.Len() > 0 {
		t.Errorf("without a terminal: %q", shown.String())
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"recording-agent/agent/config"
	"recording-agent/agent/setup"
)

// finish writes the draft, tries what it says, and tells what comes next.
func (f *first) finish(c *cobra.Command, d *setup.Draft) error {
	path, err := filepath.Abs(*f.file)
	if err != nil {
		return fmt.Errorf("find %s: %w", *f.file, err)
	}
	if !privileged() { // the system's place cannot be made
		d.Default("agent", "data_dir", filepath.Join(filepath.Dir(path), "data"))
	}
	w, err := setup.Write(d, path, serviceGroup())
	if err != nil {
		var invalid config.Errors
		if errors.As(err, &invalid) {
			return &unusableError{err}
		}
		return err
	}
	out := c.OutOrStdout()
	for _, file := range w.Files {
		fmt.Fprintln(out, "written:", file)
	}
	*f.file = path
	if f.noCheck { // which says them as well
		for _, warning := range w.Config.Warnings {
			fmt.Fprintln(out, "warning:", warning)
		}
	}
	tried := f.check(c)
	fmt.Fprintf(out, "\nNext:\n%s", nextSteps(path, w.Config.Status.Listen))
	if tried != nil {
		return fmt.Errorf("the configuration is written, but not all that was tried works: %w; mend that, then \"recording-agent check\" tries again", tried)
	}
	return nil
}

// check does what "recording-agent check" does.
func (f *first) check(c *cobra.Command) error {
	if f.noCheck {
		return nil
	}
	check, _, err := c.Root().Find([]string{"check"})
	if err != nil {
		return fmt.Errorf("find what tries a configuration: %w", err)
	}
	fmt.Fprintln(c.OutOrStdout())
	check.SetContext(c.Context())
	return check.RunE(check, nil)
}

// nextSteps says what to do with the configuration.
func nextSteps(path, listen string) string {
	flag := ""
	if path != config.SystemPath() {
		flag = " --config " + shellWord(path)
	}
	var out strings.Builder
	lines := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	for _, step := range [][2]string{
		{"recording-agent run" + flag, "try it here; Ctrl-C ends it"},
		{"recording-agent install" + flag, "as administrator: make it a service of this host"},
		{"recording-agent start", "and start that"},
		{"http://" + listen + "/", "in a browser on this host: what it does"},
	} {
		fmt.Fprintf(lines, "  %s\t# %s\n", step[0], step[1])
	}
	_ = lines.Flush() // to a string
	return out.String()
}

// shellWord is a path as it can be typed.
func shellWord(path string) string {
	if strings.ContainsRune(path, ' ') {
		return `"` + path + `"`
	}
	return path
}

// askOnTerminal asks there without showing what is typed; nil where there is none.
func askOnTerminal(to io.Writer) func(string) (string, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return nil
	}
	return func(question string) (string, error) {
		fmt.Fprint(to, question)
		answer, err := term.ReadPassword(in)
		fmt.Fprintln(to)
		return string(answer), err
	}
}

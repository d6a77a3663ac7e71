package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Report takes steps as they are finished, shows them, and says at the end how all
// has ended.
type Report struct {
	Out  io.Writer
	JSON bool // one document at the end, in place of lines

	steps []Step
	err   error // of writing
}

// document is what programs are given.
type document struct {
	Result Result `json:"result"` // the worst of the steps'; Interrupted
	Steps  []Step `json:"steps"`
}

// Interrupted is the result of checks that did not come to their end.
const Interrupted Result = "interrupted"

// Take shows a step: under a heading when it is of another subject than the last.
func (r *Report) Take(s Step) {
	var last Step
	if len(r.steps) > 0 {
		last = r.steps[len(r.steps)-1]
	}
	r.steps = append(r.steps, s)
	if r.JSON {
		return
	}
	if s.Check != last.Check || s.Subject != last.Subject {
		r.printf("%s\n", heading(s))
	}
	r.printf("  %-8s %s: %s\n", s.Result, s.Step, s.Found)
	if s.Remedy != "" {
		r.printf("           → %s\n", s.Remedy)
	}
}

func heading(s Step) string {
	title := s.Check
	if s.Subject != "" {
		title += " " + s.Subject
	}
	if s.Name != "" && s.Name != s.Subject {
		title += " (" + s.Name + ")"
	}
	return title
}

func (r *Report) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(r.Out, format, args...); err != nil && r.err == nil {
		r.err = err
	}
}

// End closes the report. Its error says that something has failed, that the checks
// were interrupted, or that they could not be shown.
func (r *Report) End(interrupted bool) error {
	count := map[Result]int{}
	for _, s := range r.steps {
		count[s.Result]++
	}
	result := OK
	switch {
	case interrupted:
		result = Interrupted
	case count[Failed] > 0:
		result = Failed
	case count[Warning] > 0:
		result = Warning
	}
	if r.JSON {
		e := json.NewEncoder(r.Out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		r.err = e.Encode(document{Result: result, Steps: append([]Step{}, r.steps...)})
	} else if !interrupted {
		r.printf("%d ok, %d warning, %d failed\n", count[OK], count[Warning], count[Failed])
	}
	switch {
	case r.err != nil:
		return fmt.Errorf("show what was found: %w", r.err)
	case interrupted:
		return errors.New("check: interrupted; what is not listed was not finished")
	case count[Failed] > 0:
		return fmt.Errorf("check: %d of %d steps failed", count[Failed], len(r.steps))
	}
	return nil
}

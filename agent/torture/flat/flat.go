package flat

import (
	"fmt"
	"io"
	"slices"
)

// Record is what was seen of a program, in order.
type Record struct {
	Cameras []string
	Samples []Sample
}

// Add adds a sample.
func (r *Record) Add(s Sample) { r.Samples = append(r.Samples, s) }

// bound is how much more the last third may have than the first: what comes and goes
// with the faults moves the medians by less, what is leaked with each by more.
type bound struct {
	share    float64 // of the first third's median
	absolute float64
}

func (b bound) of(first float64) float64 { return first*(1+b.share) + b.absolute }

// line is one line of the table.
type line struct {
	name  string
	unit  float64
	bound bound
	of    func(Sample) float64
}

func (r *Record) lines() []line {
	const mb = 1e6
	lines := []line{
		{"goroutines", 1, bound{0.10, 5}, func(s Sample) float64 { return s.Goroutines }},
		{"open files", 1, bound{0.10, 3}, func(s Sample) float64 { return s.OpenFiles }},
		{"heap in use, MB", mb, bound{0.15, 3 * mb}, func(s Sample) float64 { return s.Heap }},
		{"heap goal, MB", mb, bound{0.15, 3 * mb}, func(s Sample) float64 { return s.Goal }},
		{"resident, MB", mb, bound{0.10, 6 * mb}, func(s Sample) float64 { return s.Resident }},
	}
	for i, id := range r.Cameras {
		lines = append(lines, line{fmt.Sprintf("held for camera %d, MB", i+1), mb, bound{0.25, mb / 2}, func(s Sample) float64 { return s.Held[id] }})
	}
	return lines
}

// leastSamples are of all thirds together.
const leastSamples = 9

// Report writes the table, and returns what is wrong: what has grown, a process that was
// another one later, and faults that did not happen.
func (r *Record) Report(out io.Writer) (troubles []string) {
	if len(r.Samples) < leastSamples {
		return []string{fmt.Sprintf("%d samples are too few", len(r.Samples))}
	}
	third := len(r.Samples) / 3
	first, last := r.Samples[:third], r.Samples[len(r.Samples)-third:]
	fmt.Fprintf(out, "%-24s %21s %21s %9s\n", "", "first third", "last third", "last may")
	fmt.Fprintf(out, "%-24s %10s %10s %10s %10s %9s\n", "", "median", "most", "median", "most", "be")
	for _, l := range r.lines() {
		was, is := median(first, l.of), median(last, l.of)
		limit, verdict := l.bound.of(was), ""
		if is > limit {
			verdict = "  GROWS"
			troubles = append(troubles, fmt.Sprintf("%s grows from %.2f to %.2f", l.name, was/l.unit, is/l.unit))
		}
		fmt.Fprintf(out, "%-24s %10.2f %10.2f %10.2f %10.2f %9.2f%s\n", l.name, was/l.unit, most(first, l.of)/l.unit, is/l.unit, most(last, l.of)/l.unit, limit/l.unit, verdict)
	}
	return append(troubles, r.tried(out)...)
}

// tried says what of the faults took effect: where nothing happens all is flat.
func (r *Record) tried(out io.Writer) (troubles []string) {
	begin, end := r.Samples[0], r.Samples[len(r.Samples)-1]
	if begin.Started != end.Started {
		troubles = append(troubles, "the agent's process is another one")
	}
	for i, id := range r.Cameras {
		n := end.Reconnects[id]
		fmt.Fprintf(out, "camera %d: %.0f sessions ended by faults\n", i+1, n)
		if n == 0 {
			troubles = append(troubles, fmt.Sprintf("camera %d was never connected to anew", i+1))
		}
	}
	fmt.Fprintf(out, "uploads: %.0f segments, %.0f attempts failed; %.0f panics\n", end.Uploaded, end.Failures, end.Panics)
	if end.Failures == 0 {
		troubles = append(troubles, "no upload failed")
	}
	if end.Uploaded == 0 {
		troubles = append(troubles, "no segment was uploaded")
	}
	if end.Panics > 0 {
		troubles = append(troubles, fmt.Sprintf("%.0f panics; see the agent's log", end.Panics))
	}
	return troubles
}

func median(samples []Sample, of func(Sample) float64) float64 {
	values := valuesOf(samples, of)
	slices.Sort(values)
	return values[len(values)/2]
}

func most(samples []Sample, of func(Sample) float64) float64 {
	return slices.Max(valuesOf(samples, of))
}

func valuesOf(samples []Sample, of func(Sample) float64) (out []float64) {
	for _, s := range samples {
		out = append(out, of(s))
	}
	return out
}

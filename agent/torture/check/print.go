package check

import (
	"fmt"
	"io"
)

// shownFindings is how many findings are told; the rest is counted.
const shownFindings = 60

// Print tells the verdict.
func (v *Verdict) Print(w io.Writer) {
	line := func(what string, n int, note string) { fmt.Fprintf(w, "  %-34s%10d  %s\n", what, n, note) }
	line("frames sent", v.Sent, "")
	line("frames in the bucket", v.Stored, "")
	line("  and in a gap as well", v.Denied, "for information: a clock that is set back passes through old gaps again")
	line("frames missing", v.Missing, "")
	line("  explained", v.Explained, "in an outage that the driver caused, and in a gap that the agent admits")
	for _, kind := range []Kind{AgentDown, CameraDown, DiskFull} {
		line("    "+string(kind), v.By[kind], "")
	}
	line("  unexplained", v.Lost, "")
	line("frames there twice", v.Repeated, "or with a number that was never sent")
	line("objects", v.Objects, "")
	line("  damaged", v.Damaged, "")
	line("  named after another time", v.Misdated, "than that of their first frame, by the agent's clock")
	line("  unknown to central", v.Unknown, "")
	line("segments registered", v.Segments, "")
	line("  registered twice", v.Again, fmt.Sprintf("%d answers to a registration were lost", v.AnswersLost))
	line("  never completed", v.Incomplete, "")
	line("  given up", v.Abandoned, "on a full disk, and reported as failed")
	line("uploads left open", v.Uploads, "")
	line("remains of what was given up", v.Remains, "on a full disk: uploads, and objects of which central was told that they failed")
	line("  of them torn", v.Torn, "they end within a picture, where the last part did that was sent")
	line("local files left", v.Local, "")
	for i, f := range v.Findings {
		if i == shownFindings {
			fmt.Fprintf(w, "  … and %d more\n", len(v.Findings)-i)
			break
		}
		fmt.Fprintf(w, "! %s\n", f)
	}
	if v.Failed() {
		fmt.Fprintln(w, "FAIL")
		return
	}
	fmt.Fprintln(w, "PASS")
}

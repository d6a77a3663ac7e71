package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

const lookEvery = 500 * time.Millisecond

// show tells what happens until ctx ends: a summary that is drawn anew on a
// terminal, a line for each event elsewhere.
func show(ctx context.Context, w *watcher, out io.Writer, terminal bool) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	lines := 0
	said := map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.look(ctx)
		states := w.states(ctx)
		if ctx.Err() != nil {
			return
		}
		if !terminal {
			events(w, said, out)
			continue
		}
		text := summary(w, states)
		if lines > 0 {
			fmt.Fprintf(out, "\x1b[%dA\x1b[J", lines)
		}
		fmt.Fprint(out, text)
		lines = strings.Count(text, "\n")
	}
}

// condition is how far a segment has come, in words.
func (s segment) condition() string {
	switch {
	case s.stored && s.localBytes == 0:
		return fmt.Sprintf("%.1f s, uploaded %s, verified, completed at central, deleted here", s.seconds, s.upload())
	case s.stored:
		return fmt.Sprintf("%.1f s, uploaded %s, verified, completed at central", s.seconds, s.upload())
	case s.completed:
		return "completed at central, but not in the bucket!"
	case s.recording:
		return "recording"
	default:
		return "finished, on its way"
	}
}

// events prints what has changed since the last look.
func events(w *watcher, said map[string]string, out io.Writer) {
	for _, c := range w.servers.cameras {
		for _, s := range w.of(c.id) {
			if now := s.condition(); said[s.id] != now {
				said[s.id] = now
				fmt.Fprintf(out, "%s  %-10s  segment %s: %s\n", time.Now().Format(time.TimeOnly), c.name, s.id, now)
			}
		}
	}
}

// shown is how many segments of a camera the summary lists.
const shown = 4

func summary(w *watcher, states map[string]cameraState) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", time.Now().Format(time.TimeOnly))
	for _, c := range w.servers.cameras {
		segments := w.of(c.id)
		done, local := 0, int64(0)
		for _, s := range segments {
			local += s.localBytes
			if s.stored && s.localBytes == 0 {
				done++
			}
		}
		fmt.Fprintf(&b, "\n%s: %s\n", c.name, states[c.id])
		fmt.Fprintf(&b, "  %d segments, %d of them uploaded, verified, completed and deleted here; %s on disk\n",
			len(segments), done, humanize.IBytes(uint64(local)))
		for _, s := range segments[max(0, len(segments)-shown):] {
			detail := s.condition()
			if s.localBytes > 0 {
				detail += ", " + humanize.IBytes(uint64(s.localBytes))
			}
			fmt.Fprintf(&b, "  %s  %s\n", s.id, detail)
		}
	}
	return b.String()
}

// String describes the camera in one line.
func (c cameraState) String() string {
	if c.ID == "" {
		return "the agent is starting"
	}
	if c.LastError != "" && c.State != "recording" {
		return c.State + ": " + c.LastError
	}
	codec := c.Codec
	if c.Audio != "" {
		codec += " + " + c.Audio
	}
	return fmt.Sprintf("%s, %s, %d×%d, %.1f Mbit/s, %.0f fps", c.State, codec, c.Width, c.Height, c.BitRate/1e6, c.FrameRate)
}

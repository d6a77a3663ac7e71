package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"recording-agent/agent/demo/clips"
)

// wanted is how many whole segments of each camera have to have gone all the way.
const wanted = 2

// verdict says whether every camera had enough segments that were recorded,
// uploaded in several parts, verified, completed at central and deleted locally.
func verdict(ctx context.Context, w *watcher, out io.Writer) error {
	w.look(ctx)
	fmt.Fprintln(out)
	proven := true
	for _, c := range w.servers.cameras {
		all, whole := w.of(c.id), 0
		for _, s := range all {
			if s.wentAllTheWay() {
				whole++
			}
		}
		fmt.Fprintf(out, "%s: %d segments, %d of them of %d s, uploaded in several parts, verified, completed and deleted locally (at least %d wanted)\n",
			c.name, len(all), whole, segmentSeconds, wanted)
		proven = proven && whole >= wanted
	}
	if !proven {
		return errUnproven
	}
	return nil
}

func (s segment) wentAllTheWay() bool {
	parts, err := strconv.Atoi(s.parts())
	// A segment ends at the first key frame after its time: it is as long as
	// asked for, give or take the distance of key frames.
	long := s.seconds > segmentSeconds-clips.Length.Seconds()
	return err == nil && parts >= 2 && long && s.stored && s.completed && s.localBytes == 0
}

package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"recording-agent/agent/config"
)

// Registered is what central has said when a recording of a camera was registered
// there, the last time that one was. It is how its recording mode becomes known: there
// is no question that asks for it and makes no row.
type Registered struct {
	At      time.Time // of the recording; zero: none ever was, or nobody knows
	Refused string    // why central does not take it; empty: it does
}

// tellMode tells what register has answered, and foretells what it will refuse.
func (c *Checks) tellMode(ctx context.Context, g group, assigned []config.Camera) {
	strange := slices.DeleteFunc(slices.Clone(c.Config.Cameras), func(cam config.Camera) bool {
		return slices.ContainsFunc(assigned, func(a config.Camera) bool { return strings.EqualFold(a.ID, cam.ID) })
	})
	if len(strange) > 0 {
		g.fail("recording mode", "central does not assign cameras of the configuration to this client, and refuses their recordings (403): "+names(strange),
			assignRemedy+"; what is recorded meanwhile is kept and told to central then")
		return
	}
	cameras := slices.Clone(c.Config.Cameras)
	if c.Config.Central.Cameras {
		for _, a := range assigned {
			if !slices.ContainsFunc(cameras, func(o config.Camera) bool { return strings.EqualFold(o.ID, a.ID) }) {
				cameras = append(cameras, a)
			}
		}
	}
	var refused, unknown []config.Camera
	var why string
	var taken time.Time
	for _, cam := range cameras {
		switch last := c.registered(ctx, cam.ID); {
		case last.Refused != "":
			refused, why = append(refused, cam), last.Refused
		case last.At.IsZero():
			unknown = append(unknown, cam)
		case last.At.After(taken):
			taken = last.At
		}
	}
	switch {
	case len(refused) > 0:
		g.fail("recording mode", fmt.Sprintf("central has refused the last recordings of %s: %s", names(refused), why), assignRemedy+"; the agent asks again by itself, and \"segments retry --failed\" has it do so at once")
	case len(unknown) > 0 || len(cameras) == 0:
		g.ok("recording mode", "not known%s: central tells it only when a recording is registered, which makes a row there; if it refuses then, /health and the page say so", ofWhom(unknown, len(cameras)))
	default:
		g.ok("recording mode", "central has taken recordings of each camera, the last from %s", taken.Local().Format("2006-01-02 15:04:05 -07:00"))
	}
}

// ofWhom names cameras where it is not all of them.
func ofWhom(some []config.Camera, all int) string {
	if len(some) == all {
		return ""
	}
	return " of " + names(some)
}

func (c *Checks) registered(ctx context.Context, cameraID string) Registered {
	if c.Registered == nil {
		return Registered{}
	}
	return c.Registered(ctx, cameraID)
}

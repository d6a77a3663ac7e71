package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"recording-agent/agent/central"
	"recording-agent/agent/config"
	"recording-agent/capture/schedule"
)

const centralWithin = 20 * time.Second

const assignRemedy = "assign it to this client at central, with recording mode local_client"

// Central tries the central server. It only reads: a call to register would make a
// row, so that what only that call refuses is foretold from the lists.
func (c *Checks) Central(ctx context.Context) {
	g := c.group("central", "", "")
	if c.Config.Central.URL == "" {
		g.ok("server", "there is none in the configuration")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, centralWithin)
	defer cancel()
	client := c.client()
	if err := client.Health(ctx); err != nil {
		failCentral(g, "health", err)
		return
	}
	g.ok("health", "%s answers", c.Config.Central.URL)
	answer, err := client.Assigned(ctx)
	if err != nil {
		failCentral(g, "token", err)
		return
	}
	g.ok("token", "it is accepted")
	cameras, complaints, err := central.CamerasOf(answer, c.Config.Agent.Zone, c.Now())
	if err != nil {
		failCentral(g, "cameras", err)
		return
	}
	c.tellAssigned(g, cameras)
	for _, complaint := range complaints {
		g.warn("rows", complaint, "correct it at central")
	}
	c.tellSchedules(g, len(answer.Schedules), cameras)
	c.tellMode(ctx, g, cameras)
}

func failCentral(g group, step string, err error) {
	cause, remedy := explainCentral(err)
	g.fail(step, cause, remedy)
}

func (c *Checks) tellAssigned(g group, cameras []config.Camera) {
	count := english.Plural(len(cameras), "camera is", "cameras are") + " assigned to this client"
	switch {
	case c.Config.Central.Cameras && len(cameras) == 0:
		g.warn("cameras", count+": those of the configuration alone are recorded", "assign cameras to this client at central")
	case c.Config.Central.Cameras:
		g.ok("cameras", "%s: %s", count, names(cameras))
	default:
		g.ok("cameras", "%s; the configuration says which are recorded ([central] cameras = false)", count)
	}
}

// tellSchedules tells of those that this host follows.
func (c *Checks) tellSchedules(g group, count int, cameras []config.Camera) {
	text := english.Plural(count, "schedule", "")
	if !c.Config.Central.Cameras {
		g.ok("schedules", "%s; the configuration says when cameras are recorded ([central] cameras = false)", text)
		return
	}
	idle := slices.DeleteFunc(slices.Clone(cameras), func(cam config.Camera) bool {
		own := slices.ContainsFunc(c.Config.Cameras, func(o config.Camera) bool { return strings.EqualFold(o.ID, cam.ID) })
		return own || records(cam)
	})
	if len(idle) > 0 {
		g.warn("schedules", fmt.Sprintf("%s; without one that can ever record: %s", text, names(idle)), "give each camera an active schedule at central; one of kind continuous records always")
		return
	}
	g.ok("schedules", "%s", text)
}

// names lists cameras for people.
func names(cameras []config.Camera) string {
	const most = 10
	var out []string
	for i, cam := range cameras {
		if i == most {
			return strings.Join(out, ", ") + fmt.Sprintf(" and %d more", len(cameras)-most)
		}
		name := cam.ID
		if cam.Name != "" && cam.Name != cam.ID {
			name = cam.Name + " (" + cam.ID + ")"
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// records says whether a camera of central's is ever recorded: by schedules only.
func records(cam config.Camera) bool {
	return slices.ContainsFunc(cam.Schedules, func(s schedule.Schedule) bool { return s.Active && s.Never() == "" })
}

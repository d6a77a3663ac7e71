package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"recording-agent/agent/central"
	"recording-agent/agent/config"
	"recording-agent/capture/rtsp"
)

const (
	camerasAtOnce = 8
	cameraSteps   = 16 // no camera has more
	cameraWithin  = time.Minute

	keyFrameWithin = 10 * time.Second
	longGOP        = 10 * time.Second
	wrongClock     = 10 * time.Second // of a camera's; the recorder says so too
)

// Cameras tries cameras side by side, and tells of them in order: those that are
// named by id or name, all for none. The error says that there is no such camera.
func (c *Checks) Cameras(ctx context.Context, names []string) error {
	cameras := c.known(ctx)
	if len(names) > 0 {
		var err error
		if cameras, err = named(cameras, names); err != nil {
			return err
		}
	}
	if len(cameras) == 0 {
		c.group("camera", "", "").warn("cameras", "there is no camera to try", "write [[camera]], or assign cameras at central and set [central] cameras = true")
	}
	told := make([]chan Step, len(cameras))
	for i := range told {
		told[i] = make(chan Step, cameraSteps)
	}
	var trying errgroup.Group
	trying.SetLimit(camerasAtOnce)
	var begun sync.WaitGroup
	begun.Go(func() {
		for i, cam := range cameras {
			trying.Go(func() error {
				defer close(told[i])
				c.camera(ctx, cam, group{"camera", cam.ID, cam.Name, func(s Step) { told[i] <- s }})
				return nil
			})
		}
	})
	for _, steps := range told {
		for s := range steps {
			c.Tell(s)
		}
	}
	begun.Wait()
	return trying.Wait()
}

// known are the configured cameras, and those that central assigns: if it does not
// answer, those that it had assigned last.
func (c *Checks) known(ctx context.Context) []config.Camera {
	cameras := slices.Clone(c.Config.Cameras)
	if !c.Config.Central.Cameras {
		return cameras
	}
	ctx, cancel := context.WithTimeout(ctx, centralWithin)
	defer cancel()
	var assigned []config.Camera
	answer, err := c.client().Assigned(ctx)
	if err == nil {
		assigned, _, err = central.CamerasOf(answer, c.Config.Agent.Zone, c.Now())
	}
	if err != nil {
		assigned = central.KeptCameras(c.Kept, c.Config.Agent.Zone, c.Now())
		g := c.group("camera", "", "")
		cause, remedy := explainCentral(err)
		g.warn("cameras", fmt.Sprintf("central does not say which cameras it assigns; those that are known of it from before: %d (%s)", len(assigned), cause), remedy)
	}
	for _, a := range assigned {
		if !slices.ContainsFunc(cameras, func(o config.Camera) bool { return strings.EqualFold(o.ID, a.ID) }) {
			cameras = append(cameras, a)
		}
	}
	return cameras
}

// named are the cameras with these ids or names.
func named(cameras []config.Camera, names []string) (out []config.Camera, err error) {
	for _, name := range names {
		found := false
		for _, cam := range cameras {
			if !strings.EqualFold(cam.ID, name) && !strings.EqualFold(cam.Name, name) {
				continue
			}
			found = true
			if !slices.ContainsFunc(out, func(o config.Camera) bool { return o.ID == cam.ID }) {
				out = append(out, cam)
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no camera with the name or id %q", name)
		}
	}
	return out, nil
}

// The steps of a camera, in order.
var cameraOrder = []string{"reach", "rtsp", "login", "stream", "codec", "key frame", "bitrate"}

// stepOf is at which step a session fails from a cause.
func stepOf(cause rtsp.Cause) string {
	switch cause {
	case rtsp.HostNotFound, rtsp.Unreachable, rtsp.Refused:
		return "reach"
	case rtsp.TimedOut, rtsp.NotRTSP, rtsp.NotTLS, rtsp.NoCipher, rtsp.Untrusted, rtsp.Closed:
		return "rtsp"
	case rtsp.LoginRefused:
		return "login"
	case rtsp.Stalled, rtsp.NoKeyFrame:
		return "key frame"
	}
	return "stream"
}

// camera tries one camera.
func (c *Checks) camera(ctx context.Context, cam config.Camera, g group) {
	o := c.Session(cam)
	o.Log, o.Now = zerolog.Nop(), c.Now
	o.KeyframeTimeout = keyFrameWithin
	session, err := rtsp.NewSession(o)
	if err != nil {
		g.fail("reach", err.Error(), "correct camera.url")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, cameraWithin)
	defer cancel()
	if err := session.Reach(ctx); err != nil {
		c.failed(g, "reach", err)
		return
	}
	g.ok("reach", "%s answers", session.Endpoint())
	w := newWitness()
	err = w.watch(ctx, session)
	seen := w.seen()
	if !seen.started {
		c.neverBegan(g, err)
		return
	}
	g.ok("rtsp", "it speaks RTSP")
	g.ok("login", "%s", loginText(o.URL))
	seen.tell(g)
	var f *rtsp.Failure
	if err != nil && !(errors.As(err, &f) && f.Cause == rtsp.NoKeyFrame) { // no other key frame: the step "gop" has said so
		c.failed(g, "pictures", err)
	}
}

func loginText(url string) string {
	if strings.Contains(url, "@") {
		return "it takes user and password"
	}
	return "it asks for none"
}

// neverBegan tells of a session that has brought no picture: all up to the step that
// has failed was well.
func (c *Checks) neverBegan(g group, err error) {
	if err == nil { // the time was up
		g.fail("key frame", fmt.Sprintf("no picture in %s", spoken(cameraWithin)), "look at the camera's load and network; restart it")
		return
	}
	at := "stream"
	var f *rtsp.Failure
	if errors.As(err, &f) {
		at = stepOf(f.Cause)
	}
	well := map[string]string{"rtsp": "it speaks RTSP", "login": "it lets us in", "stream": "it plays a stream that can be recorded"}
	for _, step := range cameraOrder {
		if step == at {
			break
		}
		if text := well[step]; text != "" {
			g.ok(step, "%s", text)
		}
	}
	c.failed(g, at, err)
}

func (c *Checks) failed(g group, step string, err error) {
	cause, remedy := err.Error(), ""
	var f *rtsp.Failure
	if errors.As(err, &f) {
		cause, remedy = f.Explain()
		if remedy == "" {
			remedy = "look at the camera's log; restart it if it goes on"
		}
	}
	g.fail(step, cause, remedy)
}

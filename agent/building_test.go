package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/agent/config"
	"recording-agent/capture"
	"recording-agent/capture/spool"
)

// A camera over whose building the code panics is built again in a while; the others
// are recorded meanwhile, and it can be given up or changed at once.
func TestPanicWhileACameraIsBuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t)
		defer y.spool.Close()
		build, left := y.fleet.build, 2
		y.fleet.build = func(s settings, plan *capture.Plan, away spool.Cause) (*capture.Camera, error) {
			if s.camera.ID == "gate" && left > 0 {
				left--
				panic("in the making")
			}
			return build(s, plan, away)
		}
		y.configure(config.Camera{ID: "gate", Name: "Gate"}, config.Camera{ID: "yard", Name: "Yard"})
		y.run(func() {
			time.Sleep(10 * time.Second)
			if s := y.fleet.statuses()[0]; !strings.Contains(s.Trouble.Cause, "in the making") {
				t.Errorf("it is not said: %+v", s)
			}
			time.Sleep(80 * time.Second)
			y.configure(config.Camera{ID: "yard", Name: "Yard"})
			time.Sleep(time.Second)
			left = 1
			y.configure(config.Camera{ID: "gate", Name: "Gate"}, config.Camera{ID: "yard", Name: "Yard"})
			time.Sleep(time.Second)
			y.configure(config.Camera{ID: "gate", Name: "Other"}, config.Camera{ID: "yard", Name: "Yard"}) // does not wait
			time.Sleep(10 * time.Second)
		})
		if n := y.recorded("gate"); n < 38*25 || n > 42*25 {
			t.Errorf("the camera has %d pictures", n)
		}
		if n := y.recorded("yard"); n < 101*25 {
			t.Errorf("the other one has %d pictures", n)
		}
		if n := y.fleet.panics.Of("gate").Status().Count; n != 3 {
			t.Errorf("%d panics", n)
		}
		if n := strings.Count(y.log.String(), `"stack"`); n != 1 {
			t.Errorf("the stack is said %d times", n)
		}
	})
}

// That the end of a camera cannot be noted does not keep the next one of its id away.
func TestPanicAtTheEndOfACamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t)
		defer y.spool.Close()
		y.fleet.ended = func(string) { panic("at the end") }
		gate := config.Camera{ID: "gate", Name: "Gate"}
		y.configure(gate)
		y.run(func() {
			time.Sleep(5 * time.Second)
			y.configure()
			time.Sleep(5 * time.Second)
			y.configure(gate)
			time.Sleep(5 * time.Second)
		})
		if n := y.recorded("gate"); n < 9*25 || y.sessions["gate"] != 2 {
			t.Errorf("%d pictures in %d sessions", n, y.sessions["gate"])
		}
	})
}

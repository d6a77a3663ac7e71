package main

import (
	"context"
	"testing"

	"recording-agent/agent/config"
)

// Whose keys are the agent's: those of cameras of the configuration, of central's, and
// of cameras that are gone.
func TestOwnKeys(t *testing.T) {
	d := newDesk(t)
	d.finished(1, "yard", "Of before")
	d.finished(2, "yard", "Yard")
	d.finished(3, "gate", "Gate")
	a := &agent{cfg: &config.Config{}, spool: d.spool}
	a.cfg.Agent.ClientName = "host"
	y := newYard(t)
	a.fleet = y.fleet
	y.configure(config.Camera{ID: "shed", Name: "Shed"})
	y.fleet.assign([]config.Camera{{ID: "barn", Name: "Barn"}})
	owns, err := a.ownKeys("r/{camera}_{camera_id}_{client}_{segment}.mp4")(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for camera, want := range map[string]bool{"Shed_shed": true, "Barn_barn": true, "Yard_yard": true, "Gate_gate": true, "Other_other": false, "Of_before_yard": false} {
		if got := owns("r/" + camera + "_host_" + segment(1) + ".mp4"); got != want {
			t.Errorf("%s: %v, want %v", camera, got, want)
		}
	}
}

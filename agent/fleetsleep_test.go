package main

import (
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/spool"
)

// Before the host sleeps all segments are finished; what it sleeps through is one gap for
// each camera, and then they are recorded again.
func TestFleetRests(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		y.lasting = 200 * time.Millisecond
		y.configure(camera("gate", "Gate"), camera("lane", "Lane"))
		y.run(func() {
			time.Sleep(15 * time.Second)
			slept := time.Now()
			<-y.fleet.rest()
			if took := time.Since(slept); took > sleepHeld/2 {
				t.Errorf("segments are finished after %v", took)
			}
			open, err := y.spool.Segments(t.Context(), spool.Recording)
			if err != nil || len(open) > 0 {
				t.Errorf("segments that are open while the host sleeps: %v, %v", open, err)
			}
			y.configure(camera("gate", "Gate"), camera("lane", "Lane"), camera("barn", "Barn"))
			time.Sleep(time.Hour)
			synctest.Wait()
			if y.sessions["gate"] != 1 || y.sessions["barn"] != 0 {
				t.Errorf("cameras are connected to while the host sleeps: %v", y.sessions)
			}
			<-y.fleet.rest() // it is told twice
			y.fleet.wake()
			time.Sleep(15 * time.Second)
		})
		for id, sessions := range map[string]int{"gate": 2, "lane": 2, "barn": 1} {
			if y.sessions[id] != sessions || y.recorded(id) != y.sent[id] {
				t.Errorf("camera %s: %d sessions, want %d; %d pictures recorded, %d sent", id, y.sessions[id], sessions, y.recorded(id), y.sent[id])
			}
		}
		var asleep []spool.Gap
		for _, g := range y.gaps("lane") {
			if g.Cause == spool.HostAsleep {
				asleep = append(asleep, g)
			}
		}
		if len(asleep) != 1 || (asleep[0].End.Sub(asleep[0].Start)-time.Hour).Abs() > time.Second {
			t.Errorf("gaps while the host slept: %v", y.gaps("lane"))
		}
	})
}

//go:build !linux

package main

import (
	"time"

	"github.com/google/uuid"
)

// sinceBoot takes the agent's start for the host's boot: what was recorded before the
// agent was started again is put in order, not dated.
func sinceBoot() (boot string, uptime func() time.Duration) {
	start := time.Now()
	return uuid.NewString(), func() time.Duration { return time.Since(start) }
}

// keptByTimeServer is not known.
func keptByTimeServer() (yes, known bool) { return false, false }

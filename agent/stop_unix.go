//go:build unix

package main

import (
	"context"
	"os/signal"
	"syscall"
)

// notifyRestart ends when systemd stops the agent to start it at once (the unit's
// RestartKillSignal).
func notifyRestart(parent context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(parent, syscall.SIGUSR1)
}

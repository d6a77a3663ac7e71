package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// errRestarting is why the agent stops when another is started at once, as at an
// upgrade: nothing is recorded until then, so that nothing is waited for that the next
// one can do as well.
var errRestarting = errors.New("the service restarts")

// errHostGoesDown is why the agent stops when the host does, which waits for seconds only.
var errHostGoesDown = errors.New("the host is shut down")

// uploadGrace is what uploads in flight get when the agent stops. What is cut short is
// sent again from the last whole part.
func uploadGrace(cause error) time.Duration {
	if errors.Is(cause, errRestarting) || errors.Is(cause, errHostGoesDown) {
		return time.Second
	}
	return 10 * time.Second
}

// untilStopped ends with the first signal that stops the agent, with errRestarting as
// its cause if that says so. After it the default is restored: a second one ends the
// process at once.
func untilStopped(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	stopped, forgetStop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	restarting, forgetRestart := notifyRestart(ctx)
	context.AfterFunc(restarting, func() { cancel(errRestarting) })
	context.AfterFunc(stopped, func() {
		cancel(nil)
		forgetStop()
		forgetRestart()
	})
	return ctx, func() { cancel(nil) }
}

package main

import "context"

// notifyRestart never ends before its parent: Windows' service manager does not say why
// it stops a service.
func notifyRestart(parent context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(parent)
}

//go:build unix

package main

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// What runs below the agent's context learns why it ends.
func TestSignalsThatStop(t *testing.T) {
	for _, tc := range []struct {
		signal syscall.Signal
		grace  time.Duration
	}{
		{syscall.SIGTERM, 10 * time.Second},
		{syscall.SIGINT, 10 * time.Second},
		{syscall.SIGUSR1, time.Second},
	} {
		ctx, stop := untilStopped(t.Context())
		_, below := errgroup.WithContext(ctx)
		if err := syscall.Kill(syscall.Getpid(), tc.signal); err != nil {
			t.Fatal(err)
		}
		select {
		case <-below.Done():
		case <-time.After(10 * time.Second):
			t.Fatalf("%v stops nothing", tc.signal)
		}
		if got := uploadGrace(context.Cause(below)); got != tc.grace {
			t.Errorf("after %v uploads get %v, want %v", tc.signal, got, tc.grace)
		}
		stop()
	}
	ctx, stop := untilStopped(t.Context())
	stop()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped without a signal: %v", err)
	}
}

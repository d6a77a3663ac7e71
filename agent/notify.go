package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

// tell speaks to systemd where it is the one that started us (sd_notify(3)), and
// to nobody elsewhere.
func tellSystemd(log zerolog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn().Err(err).Str("state", state).Msg("systemd was not told")
	}
}

func (a *agent) tell(state string) { tellSystemd(a.log, state) }

func (a *agent) ready() {
	a.tell(daemon.SdNotifyReady + fmt.Sprintf("\nSTATUS=recording %d cameras", len(a.fleet.known())))
}

func (a *agent) stopping() { a.tell(daemon.SdNotifyStopping + "\nSTATUS=finishing open segments") }

// watchdog tells systemd that the agent is alive for as long as its state can be asked
// for: that takes the ledger and a lock of every part. When it stays silent systemd
// restarts the agent. A ledger that answers with an error is no reason for that: the
// cameras would only lose their connections.
func (a *agent) watchdog(ctx context.Context) error {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil || limit == 0 {
		return nil // not under systemd, or without WatchdogSec
	}
	tick := time.NewTicker(limit / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := a.snapshot(ctx); err != nil {
			a.log.Debug().Err(err).Msg("state cannot be collected")
		}
		a.tell(daemon.SdNotifyWatchdog)
	}
}

// tellStarting tells systemd that the agent is alive while it is begun anew: for systemd it
// has started long ago, and would be ended in the middle of a long look at the ledger, or
// with the page that says why it cannot start. stop ends that, when the watchdog goes on.
func tellStarting(ctx context.Context, log zerolog.Logger) (stop func()) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil || limit == 0 {
		return func() {} // not under systemd, or without WatchdogSec
	}
	ctx, cancel := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() {
		tellSystemd(log, daemon.SdNotifyWatchdog)
		for pause(ctx, limit/4) {
			tellSystemd(log, daemon.SdNotifyWatchdog)
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		telling.Wait()
	})
}

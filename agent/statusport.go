package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"recording-agent/agent/status"
)

// serveStatus begins to serve the state. It comes before everything else, so that
// probes are answered while the last run's segments are settled, and stop ends it
// when nothing is asked of it any more.
func (a *agent) serveStatus(ctx context.Context) (stop func()) {
	c := a.cfg.Status
	a.counts = &counts{missing: map[gapKey]time.Duration{}}
	a.status = status.New(status.Options{
		Listen: c.Listen, AllowedHosts: c.AllowedHosts, Token: c.Token.Reveal(), CertFile: c.CertFile, KeyFile: c.KeyFile,
		Snapshot: a.snapshot, Problems: a.problems, Unready: a.unready, Retry: a.retry, Manual: manual{a}, Footage: footage{a}, Totals: a.totals, Latencies: a.latencies, Journal: a.journal.Entries,
		Page:    http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.page.ServeHTTP(w, r) }), // made before anything but probes is answered
		Waiting: a.waiting(), Log: a.log, Now: a.now,
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var serving sync.WaitGroup
	serving.Go(func() { _ = a.status.Run(ctx) }) // it reports its trouble itself and tries again
	return sync.OnceFunc(func() {
		cancel()
		serving.Wait()
	})
}

// at notes how far start or stop have come; nothing while the agent does its work.
func (a *agent) at(stage string) {
	if stage == "" {
		a.stage.Store(nil)
		return
	}
	a.stage.Store(&stage)
}

// unready is why the agent cannot record, for a probe.
func (a *agent) unready() string {
	if stage := a.stage.Load(); stage != nil {
		return *stage
	}
	if !a.disk.Trouble().Since.IsZero() {
		return "the data directory cannot be used; /health says more" // to those who show the token
	}
	return ""
}

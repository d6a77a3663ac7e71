package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/config"
	"recording-agent/agent/page"
	"recording-agent/agent/status"
)

// failedStart is a start that is tried again: what goes wrong, and since when.
type failedStart struct {
	since time.Time
	next  time.Time
	cause error
}

// again is the failure with one more attempt that has failed.
func (f failedStart) again(cause error, now time.Time) failedStart {
	if f.since.IsZero() {
		f.since = now
	}
	f.cause, f.next = cause, now.Add(renewAgain)
	return f
}

func (f failedStart) problem() status.Problem {
	return status.Problem{
		What: "the agent cannot start: nothing is recorded", Cause: f.cause.Error(), Since: f.since,
		Remedy: "look at the disk that agent.data_dir is on: is it mounted, may it be written to, is there room? it is tried again at " + f.next.Format("15:04:05 MST"),
	}
}

// serveFailure says on the status port what is wrong, until the next attempt is due.
// It returns false when ctx has ended before.
func (f failedStart) serveFailure(ctx context.Context, cfg *config.Config, log zerolog.Logger) bool {
	problem, c := f.problem(), cfg.Status
	port := status.New(status.Options{
		Listen: c.Listen, AllowedHosts: c.AllowedHosts, Token: c.Token.Reveal(), CertFile: c.CertFile, KeyFile: c.KeyFile,
		Failed: &problem, Unready: func() string { return problem.What }, Log: log, Now: time.Now,
		Waiting: page.NewWaiting(func() page.Waiting {
			return page.Waiting{Client: cfg.Agent.ClientName, What: problem.What, Cause: problem.Cause, Remedy: problem.Remedy}
		}),
	})
	serve, stop := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() { _ = port.Run(serve) }) // it reports its trouble itself
	defer serving.Wait()
	defer stop()
	return pause(ctx, time.Until(f.next))
}

// waiting is the page while the agent starts.
func (a *agent) waiting() http.Handler {
	return page.NewWaiting(func() page.Waiting {
		return page.Waiting{Client: a.cfg.Agent.ClientName, What: "The agent starts", Cause: a.unready()}
	})
}

package main

import (
	"context"
	"fmt"
	"time"
)

// hosted is the agent as Windows' service manager runs it: what that asks of it, and
// what it is told. The types are not Windows' own, so that it is tested anywhere.
type hosted struct {
	run    func(ctx context.Context) error
	asks   <-chan serviceAsk
	report func(serviceReport)
	events *eventLog

	stopsWithin time.Duration // after it was told to: then the process ends without the rest
	every       time.Duration // how often it says that it is still about to stop
}

// serviceAsk is what the service manager asks.
type serviceAsk int

const (
	askState    serviceAsk = iota // to hear the last report again
	askStop                       // somebody stops the service
	askShutdown                   // the host goes down
)

// serviceReport is what the service manager is told.
type serviceReport struct {
	stopping bool          // else it runs
	step     uint32        // grows with each report of one that stops: it does not hang
	within   time.Duration // when the next report comes at the latest; 0: there is none to wait for
}

// The agent takes ten seconds for what is under way, seldom more.
const (
	stopsWithin     = time.Minute
	stopReportEvery = time.Second
)

// serve runs the agent until it ends or is told to. failed says that the service manager is to
// start it again.
func (h *hosted) serve(ctx context.Context) (failed bool) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx) }() // waited for, unless the process ends
	running := serviceReport{}
	h.report(running)
	h.events.say("The agent has started, version " + version() + ".")
	for {
		select {
		case <-ended: // it has logged why
			h.events.fail("The agent has ended by itself and is started again. The event before this one, or the log file, says why.")
			return true
		case ask := <-h.asks:
			switch ask {
			case askState:
				h.report(running)
			case askStop:
				stop(nil)
				h.end(ended, "The agent has stopped.")
				return false
			case askShutdown:
				stop(errHostGoesDown)
				h.end(ended, "The agent has stopped, because the host goes down.")
				return false
			}
		}
	}
}

// end waits until the agent has ended, and keeps the service manager from taking it for one that
// hangs. What it was told to do has been done then, also if that took an error: started
// again it is not to be.
func (h *hosted) end(ended <-chan error, said string) {
	r := serviceReport{stopping: true, within: 10 * h.every}
	h.report(r)
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	late := time.NewTimer(h.stopsWithin)
	defer late.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				h.events.warn(fmt.Sprintf("%s Not all was in order: %v", said, err))
				return
			}
			h.events.say(said)
			return
		case <-late.C:
			h.events.warn(fmt.Sprintf("The agent did not stop within %s and was ended; the next start settles its segments.", h.stopsWithin))
			return
		case <-h.asks: // whatever else it is asked, it is about to
			h.report(r)
		case <-tick.C:
			r.step++
			h.report(r)
		}
	}
}

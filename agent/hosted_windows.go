package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// underServiceManager tells whether the agent is to speak with Windows' service
// manager.
func underServiceManager() bool { return !service.Interactive() }

// hostHint says what is to be done about an error of Windows' service manager.
func hostHint(err error) string {
	switch {
	case errors.Is(err, windows.ERROR_SERVICE_LOGON_FAILED), errors.Is(err, windows.ERROR_INVALID_SERVICE_ACCOUNT):
		return `; give its account the right "Log on as a service" (secpol.msc, Local Policies, User Rights Assignment), and "recording-agent install --user NAME" its present password`
	case errors.Is(err, windows.ERROR_SERVICE_MARKED_FOR_DELETE):
		return "; close the windows that show services, then try again"
	}
	return ""
}

// runService runs the agent until Windows' service manager stops it. It does not use kardianos/service,
// which knows neither that the host is about to shut down nor how to say that stopping goes on.
func runService(file string) error {
	events := newEventLog(noEvents{}, time.Now)
	if log, err := eventlog.Open(serviceName); err == nil { // else it records all the same
		defer log.Close()
		events = newEventLog(log, time.Now)
	}
	if err := svc.Run(serviceName, &serviceHandler{file: file, events: events}); err != nil {
		events.fail(fmt.Sprintf("The service manager does not run the agent: %v", err))
		return fmt.Errorf("run under the service manager: %w", err)
	}
	return nil
}

// noEvents is where events go that there is no event log for.
type noEvents struct{}

func (noEvents) Info(uint32, string) error    { return nil }
func (noEvents) Warning(uint32, string) error { return nil }
func (noEvents) Error(uint32, string) error   { return nil }

// serviceHandler speaks with Windows' service manager.
type serviceHandler struct {
	file   string
	events *eventLog
}

// accepted are the controls that end the service. Before a shutdown it is asked first, and
// waited for as long as its settings say; at the shutdown itself for a few seconds.
const accepted = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown

// Execute implements svc.Handler.
func (s *serviceHandler) Execute(_ []string, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) (specific bool, code uint32) {
	changes <- svc.Status{State: svc.StartPending, WaitHint: 30_000}
	cfg, err := load(s.file)
	if err != nil {
		s.events.fail("The agent cannot start: " + err.Error())
		return true, exitUnusable
	}
	asks, over := make(chan serviceAsk), make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() { passOn(requests, asks, over) })
	defer passing.Wait()
	defer close(over)
	h := hosted{
		run:  func(ctx context.Context) error { return runAgent(ctx, cfg, s.events) },
		asks: asks, report: func(r serviceReport) { changes <- statusOf(r) },
		events: s.events, stopsWithin: stopsWithin, every: stopReportEvery,
	}
	if h.serve(context.Background()) {
		return true, exitFailed // the recovery actions count that as a failure
	}
	return false, 0
}

// passOn hands on what the service manager asks, until the service is over.
func passOn(requests <-chan svc.ChangeRequest, asks chan<- serviceAsk, over <-chan struct{}) {
	for {
		var ask serviceAsk
		select {
		case <-over:
			return
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				ask = askState
			case svc.Stop:
				ask = askStop
			case svc.PreShutdown, svc.Shutdown:
				ask = askShutdown
			default:
				continue
			}
		}
		select {
		case <-over:
			return
		case asks <- ask:
		}
	}
}

func statusOf(r serviceReport) svc.Status {
	if r.stopping {
		return svc.Status{State: svc.StopPending, CheckPoint: r.step, WaitHint: uint32(r.within.Milliseconds())}
	}
	return svc.Status{State: svc.Running, Accepts: accepted}
}

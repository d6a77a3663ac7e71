package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// recordedEvents is an event log that remembers.
type recordedEvents struct{ events []string }

func (r *recordedEvents) Info(id uint32, text string) error    { return r.add("info", id, text) }
func (r *recordedEvents) Warning(id uint32, text string) error { return r.add("warning", id, text) }
func (r *recordedEvents) Error(id uint32, text string) error   { return r.add("error", id, text) }
func (r *recordedEvents) add(kind string, id uint32, text string) error {
	r.events = append(r.events, fmt.Sprintf("%s %d %s", kind, id, text))
	return nil
}

// manager is a service manager that remembers what it is told.
type manager struct {
	asks    chan serviceAsk
	reports []serviceReport
	events  recordedEvents
	failed  bool
	over    chan struct{}
}

// serveHosted runs something as a service.
func serveHosted(run func(context.Context) error) *manager {
	m := &manager{asks: make(chan serviceAsk), over: make(chan struct{})}
	h := hosted{
		run: run, asks: m.asks, report: func(r serviceReport) { m.reports = append(m.reports, r) },
		events: newEventLog(&m.events, time.Now), stopsWithin: stopsWithin, every: stopReportEvery,
	}
	go func() {
		m.failed = h.serve(context.Background())
		close(m.over)
	}()
	synctest.Wait()
	return m
}

// stoppedAfter runs until ctx ends and then takes its time.
func stoppedAfter(d time.Duration, grace *time.Duration, err error) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		*grace = uploadGrace(context.Cause(ctx))
		time.Sleep(d)
		return err
	}
}

func TestServiceStops(t *testing.T) {
	for name, tc := range map[string]struct {
		ask   serviceAsk
		err   error
		grace time.Duration
		says  string
	}{
		"told to":              {askStop, nil, 10 * time.Second, "info 1 The agent has stopped."},
		"the host goes down":   {askShutdown, nil, time.Second, "info 1 The agent has stopped, because the host goes down."},
		"with an error at end": {askStop, errors.New("the disk is gone"), 10 * time.Second, "warning 2 The agent has stopped. Not all was in order: the disk is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var grace time.Duration
				m := serveHosted(stoppedAfter(5500*time.Millisecond, &grace, tc.err))
				m.asks <- askState
				m.asks <- tc.ask
				time.Sleep(2500 * time.Millisecond)
				m.asks <- askState // while it stops
				m.asks <- askStop  // once more
				<-m.over
				if m.failed || grace != tc.grace {
					t.Errorf("failed: %v; uploads got %v, want %v", m.failed, grace, tc.grace)
				}
				var stops []uint32
				for i, r := range m.reports {
					switch {
					case !r.stopping && i > 1:
						t.Error("it runs again after it was told to stop")
					case r.stopping && r.within <= stopReportEvery:
						t.Errorf("the service manager is to wait for %v, and hears each %v", r.within, stopReportEvery)
					case r.stopping:
						stops = append(stops, r.step)
					}
				}
				if want := []uint32{0, 1, 2, 2, 2, 3, 4, 5}; !slices.Equal(stops, want) {
					t.Errorf("steps of its end %v, want %v", stops, want)
				}
				if last := m.events.events[len(m.events.events)-1]; last != tc.says || !strings.HasPrefix(m.events.events[0], "info 1 The agent has started, version ") {
					t.Errorf("events: %q", m.events.events)
				}
			})
		})
	}
}

func TestServiceThatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var grace time.Duration
		began := time.Now()
		m := serveHosted(stoppedAfter(time.Hour, &grace, nil))
		m.asks <- askStop
		<-m.over
		if took := time.Since(began); m.failed || took != stopsWithin {
			t.Errorf("it was waited for %v; failed: %v", took, m.failed)
		}
		if last := m.events.events[len(m.events.events)-1]; !strings.Contains(last, "warning 2 The agent did not stop within 1m0s") {
			t.Errorf("events: %q", m.events.events)
		}
		time.Sleep(time.Hour) // in the test nothing ends the process
	})
}

func TestServiceEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := serveHosted(func(context.Context) error { return errors.New("no data directory") })
		<-m.over
		if !m.failed {
			t.Error("the service manager is not told of a failure, and would not start it again")
		}
		if last := m.events.events[len(m.events.events)-1]; !strings.HasPrefix(last, "error 3 The agent has ended by itself") {
			t.Errorf("events: %q", m.events.events)
		}
	})
}

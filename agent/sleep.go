package main

import (
	"context"
	"time"
)

// sleeper is what is told that the host is about to sleep, and that it is awake.
type sleeper interface {
	// sleep ends all recording, and returns when segments are finished, or ctx ends.
	sleep(ctx context.Context)
	// wake lets recording go on.
	wake()
}

// powerEvent is what Windows says of the host's power. The numbers are those of
// PBT_APM… (winuser.h).
type powerEvent uint32

const (
	powerSuspends        powerEvent = 4
	powerResumesCritical powerEvent = 6 // it had no time to say that it would sleep
	powerResumesForUser  powerEvent = 7
	powerResumes         powerEvent = 18
)

// Of a suspended process nothing is lost but what was not on the disk yet, and connections. Without
// being told it would wait for cameras that gave them up long ago, and a segment would have a
// hole.
const (
	// sleepHeld is how long the host is kept from sleeping; Windows waits for two seconds.
	sleepHeld = 1500 * time.Millisecond
	// sleepMost is how long the agent runs on without being told that the host is awake:
	// recording must not depend on that. Time that the host sleeps may count.
	sleepMost = 30 * time.Second
)

// sleepWatch turns the host's power events into sleep and wake.
type sleepWatch struct {
	sleeper sleeper
	held    time.Duration
	most    time.Duration
	events  chan told
}

// told is one event, and how it is said that it was dealt with.
type told struct {
	powerEvent
	done chan struct{}
}

func newSleepWatch(s sleeper) *sleepWatch {
	return &sleepWatch{sleeper: s, held: sleepHeld, most: sleepMost, events: make(chan told)}
}

// tell is for the host: it returns when what it says has been dealt with, after held
// at the latest.
func (w *sleepWatch) tell(e powerEvent) {
	switch e {
	case powerSuspends, powerResumes, powerResumesForUser, powerResumesCritical:
	default:
		return
	}
	limit := time.NewTimer(w.held)
	defer limit.Stop()
	t := told{e, make(chan struct{})}
	select {
	case w.events <- t:
	case <-limit.C:
		return
	}
	select {
	case <-t.done:
	case <-limit.C:
	}
}

// run deals with what it is told until ctx ends.
func (w *sleepWatch) run(ctx context.Context) {
	defer func() {
		if ctx.Err() == nil { // it has panicked: whoever runs it next does not know that all rests
			w.sleeper.wake()
		}
	}()
	var overdue <-chan time.Time // to be told that the host is awake; nil: it is
	for {
		select {
		case <-ctx.Done():
			return
		case <-overdue:
			overdue = nil
			w.sleeper.wake()
		case t := <-w.events:
			switch {
			case t.powerEvent == powerSuspends:
				overdue = time.After(w.most)
				finishing, enough := context.WithTimeout(ctx, w.held)
				w.sleeper.sleep(finishing)
				enough()
			case overdue != nil: // one resume is told more than once
				overdue = nil
				w.sleeper.wake()
			}
			close(t.done)
		}
	}
}

// followSleep has the cameras let go before the host sleeps, and connected to when it
// is awake again.
func (a *agent) followSleep(ctx context.Context) error {
	w := newSleepWatch(sleepingFleet{a})
	stop, err := watchPower(w.tell)
	if err != nil {
		a.log.Warn().Err(err).Msg("the host does not say when it will sleep: a segment that is open then has a hole")
		return nil
	}
	defer stop()
	w.run(ctx)
	return nil
}

// sleepingFleet is the fleet, with what is said of its sleep.
type sleepingFleet struct{ *agent }

func (s sleepingFleet) sleep(ctx context.Context) {
	s.log.Info().Msg("the host is about to sleep: open segments are finished")
	select {
	case <-s.fleet.rest():
	case <-ctx.Done():
		s.log.Warn().Msg("the host sleeps before all segments are finished; that goes on when it is awake")
	}
}

func (s sleepingFleet) wake() {
	s.log.Info().Msg("the host is awake: cameras are connected to")
	s.fleet.wake()
}

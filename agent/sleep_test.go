package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// dozer is a sleeper that takes its time.
type dozer struct {
	takes time.Duration
	did   []string
}

func (d *dozer) sleep(ctx context.Context) {
	select {
	case <-time.After(d.takes):
		d.did = append(d.did, "sleep")
	case <-ctx.Done():
		d.did = append(d.did, "sleep, unfinished")
	}
}

func (d *dozer) wake() { d.did = append(d.did, "wake") }

func TestPowerEvents(t *testing.T) {
	const batteryLow powerEvent = 10
	for name, tc := range map[string]struct {
		takes  time.Duration
		events []powerEvent
		held   time.Duration // the host, by the first event
		after  time.Duration // that something is looked at
		want   []string
	}{
		"sleep and wake":         {200 * time.Millisecond, []powerEvent{powerSuspends, powerResumes, powerResumesForUser}, 200 * time.Millisecond, 0, []string{"sleep", "wake"}},
		"twice":                  {0, []powerEvent{powerSuspends, powerResumes, powerSuspends, powerResumes}, 0, 0, []string{"sleep", "wake", "sleep", "wake"}},
		"finishing takes long":   {time.Minute, []powerEvent{powerSuspends, powerResumes}, sleepHeld, 0, []string{"sleep, unfinished", "wake"}},
		"nothing says it wakes":  {0, []powerEvent{powerSuspends}, 0, sleepMost + time.Second, []string{"sleep", "wake"}},
		"awake before it slept":  {0, []powerEvent{powerResumes}, 0, time.Hour, nil},
		"another power event":    {0, []powerEvent{batteryLow}, 0, time.Hour, nil},
		"no time to say it":      {0, []powerEvent{powerResumesCritical}, 0, time.Hour, nil},
		"sleeps on, still awake": {0, []powerEvent{powerSuspends, powerSuspends}, 0, sleepMost - time.Second, []string{"sleep", "sleep"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dozer{takes: tc.takes}
				w := newSleepWatch(d)
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { w.run(ctx) })
				began := time.Now()
				for i, e := range tc.events {
					w.tell(e)
					if held := time.Since(began); i == 0 && held != tc.held {
						t.Errorf("the host is held for %v, want %v", held, tc.held)
					}
					synctest.Wait()
				}
				time.Sleep(tc.after)
				synctest.Wait()
				stop()
				running.Wait()
				if !slices.Equal(d.did, tc.want) {
					t.Errorf("%v became %v, want %v", tc.events, d.did, tc.want)
				}
				began = time.Now()
				w.tell(powerSuspends) // nobody listens any more
				if held := time.Since(began); held != sleepHeld {
					t.Errorf("the host is held for %v by an agent that has ended", held)
				}
			})
		})
	}
}

// faulty is a sleeper whose code panics.
type faulty struct{ dozer }

func (f *faulty) sleep(context.Context) {
	f.did = append(f.did, "sleep")
	panic("a fault")
}

// Whatever the code panics over, the cameras do not rest for ever: who begins anew does not
// know that they do.
func TestFaultLetsNobodySleep(t *testing.T) {
	f := &faulty{}
	w := newSleepWatch(f)
	var telling sync.WaitGroup
	telling.Go(func() { w.tell(powerSuspends) })
	defer telling.Wait()
	func() {
		defer func() { _ = recover() }()
		w.run(t.Context())
	}()
	if want := []string{"sleep", "wake"}; !slices.Equal(f.did, want) {
		t.Errorf("it did %v, want %v", f.did, want)
	}
}

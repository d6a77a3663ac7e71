package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"recording-agent/agent/torture/check"
	"recording-agent/uploader/wiretest"
)

// torment does to the agent and its peers what the plan says. What goes wrong with
// the torture itself ends it.
func (w *world) torment(ctx context.Context, plan []event, length time.Duration) error {
	began := time.Now()
	log, err := os.Create(filepath.Join(w.dir, "driver.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	running, stop := context.WithDeadline(ctx, began.Add(length))
	defer stop()
	byTrack := map[string][]event{}
	for _, e := range plan {
		byTrack[e.track] = append(byTrack[e.track], e)
	}
	var tracks errgroup.Group
	for _, events := range byTrack {
		tracks.Go(func() error {
			for _, e := range events {
				if !sleepUntil(running, began.Add(e.at)) {
					return nil
				}
				fmt.Fprintf(log, "%s  %s\n", time.Now().UTC().Format("15:04:05.000"), e)
				if err := w.do(running, e); err != nil {
					return fmt.Errorf("%s: %w", e, err)
				}
			}
			return nil
		})
	}
	if !w.quiet {
		tracks.Go(func() error {
			w.tellProgress(running, began)
			return nil
		})
	}
	<-running.Done()
	return errors.Join(tracks.Wait(), ctx.Err())
}

func (w *world) tellProgress(ctx context.Context, began time.Time) {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fmt.Printf("%4.0f s: %d kills\n", time.Since(began).Seconds(), w.log.kills())
		}
	}
}

// do causes one fault, and ends it when its time is over or the torture is.
func (w *world) do(ctx context.Context, e event) error {
	switch name, _, _ := strings.Cut(e.track, " "); name {
	case killTrack:
		if e.kind == "stopping" {
			w.agent.terminate()
			sleep(ctx, time.Duration(e.amount)*time.Millisecond)
		}
		w.agent.kill()
		w.log.killed()
		sleep(ctx, e.length)
		return w.agent.start()
	case "s3-line":
		w.storeLine.Set(fault(e))
		sleep(ctx, e.length)
		w.storeLine.Set(wiretest.Fault{})
	case "central-line":
		w.centralLine.Set(fault(e))
		sleep(ctx, e.length)
		w.centralLine.Set(wiretest.Fault{})
	case "s3-restart":
		w.store.Stop()
		sleep(ctx, e.length)
		return w.startStore(context.WithoutCancel(ctx))
	case "central-restart":
		w.killCentral()
		sleep(ctx, e.length)
		return w.startCentral()
	case "central-answer":
		w.tellCentral(e.kind)
		sleep(ctx, e.length)
		w.tellCentral("")
	case "camera":
		id := w.cameras[e.camera]
		w.log.begin(check.CameraDown, id)
		w.cameraLines[e.camera].Set(fault(e))
		sleep(ctx, e.length)
		w.cameraLines[e.camera].Set(wiretest.Fault{})
		w.log.end(check.CameraDown, id)
	case "disk":
		w.log.begin(check.DiskFull, "")
		if err := w.disk.fill(); err != nil {
			return err
		}
		sleep(ctx, e.length)
		err := w.disk.free()
		w.log.end(check.DiskFull, "")
		return err
	case "clock":
		w.log.stepped(w.clock.ahead + time.Duration(e.amount)*time.Millisecond)
		return w.clock.step(time.Duration(e.amount) * time.Millisecond)
	default:
		return errors.New("nobody knows how to do it")
	}
	return nil
}

func fault(e event) wiretest.Fault {
	switch e.kind {
	case "cut":
		return wiretest.Fault{Cut: true}
	case "stalled":
		return wiretest.Fault{Stalled: true}
	case "slow":
		return wiretest.Fault{Bandwidth: int(e.amount)}
	case "late":
		d := time.Duration(e.amount) * time.Millisecond
		return wiretest.Fault{Latency: d, Jitter: d}
	case "reset":
		return wiretest.Fault{Reset: float64(e.amount) / 100}
	default: // truncate
		return wiretest.Fault{Truncate: e.amount}
	}
}

func sleep(ctx context.Context, d time.Duration) { sleepUntil(ctx, time.Now().Add(d)) }

func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"recording-agent/agent/torture/check"
)

const (
	peace       = 10 * time.Second // of recording after the last fault
	drainWithin = 5 * time.Minute

	day           = 25 * time.Hour
	settledWithin = 30 * time.Second
)

// drain heals everything, lets the agent record in peace, and then only deliver.
func (w *world) drain(ctx context.Context) error {
	fmt.Println("healing, and draining")
	if err := w.heal(); err != nil {
		return err
	}
	if !sleepUntil(ctx, time.Now().Add(peace)) {
		return ctx.Err()
	}
	w.log.to()
	if err := w.agent.stop(); err != nil {
		w.log.fault(err.Error())
	}
	if err := w.player.finish(); err != nil {
		return fmt.Errorf("the cameras: %w", err)
	}
	if err := w.agent.start(); err != nil {
		return err
	}
	began := time.Now()
	for {
		left, err := w.undelivered()
		if err != nil {
			return err
		}
		if left == 0 {
			fmt.Printf("all is delivered %.0f s after that\n", time.Since(began).Seconds())
			break
		}
		if time.Since(began) > drainWithin {
			w.log.fault(fmt.Sprintf("after %s of peace %d segments are not delivered", drainWithin, left))
			break
		}
		if !sleepUntil(ctx, time.Now().Add(time.Second)) {
			return ctx.Err()
		}
	}
	if err := w.agent.stop(); err != nil {
		w.log.fault(err.Error())
	}
	if err := w.aDayLater(ctx); err != nil {
		return err
	}
	return w.log.save(filepath.Join(w.dir, "diary.json"))
}

// aDayLater lets the agent settle the uploads that it has opened and then, killed,
// forgotten: those it takes for forgotten when they have been idle for a day.
func (w *world) aDayLater(ctx context.Context) error {
	b := check.Bucket{Name: bucket, Client: client("http://" + w.storeAt)}
	open, err := b.Uploads(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	fmt.Printf("%d uploads were opened and forgotten; letting a day pass\n", len(open))
	by := day + max(0, -w.clock.ahead) // the store has the host's time, and says when an upload was opened
	w.log.stepped(w.clock.ahead + by)
	if err := w.clock.step(by); err != nil {
		return err
	}
	if err := w.agent.start(); err != nil {
		return err
	}
	for began := time.Now(); len(open) > 0 && time.Since(began) < settledWithin; {
		if !sleepUntil(ctx, time.Now().Add(time.Second)) {
			return ctx.Err()
		}
		if open, err = b.Uploads(ctx); err != nil {
			return err
		}
	}
	if err := w.agent.stop(); err != nil {
		w.log.fault(err.Error())
	}
	return nil
}

// undelivered is how many files are left here, or segments unfinished at central.
func (w *world) undelivered() (int, error) {
	files, err := check.Local(segmentsOf(w.agent.data))
	if err != nil {
		return 0, err
	}
	rows, err := check.Rows(w.journal())
	if err != nil {
		return 0, err
	}
	settled := map[string]bool{}
	for _, r := range rows {
		if r.Settled() {
			settled[r.Segment] = true
		}
	}
	left := map[string]bool{}
	for _, r := range rows {
		if !settled[r.Segment] {
			left[r.Segment] = true
		}
	}
	return max(len(files), len(left)), nil
}

func segmentsOf(data string) string { return filepath.Join(data, "segments") }

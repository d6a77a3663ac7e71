package rtsp

import (
	"context"
	"fmt"
	"time"
)

// watch waits for the session's end.
func (a *attempt) watch(ctx context.Context, transport Transport) error {
	gone := make(chan error, 1)
	go func() { gone <- a.client.Wait() }()
	defer func() { // the client is closed first: Wait returns then
		a.client.Close()
		<-gone
	}()
	tick := time.NewTicker(a.session.watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-a.ended:
			return err
		case err := <-gone:
			gone <- nil
			return err
		case <-tick.C:
			if err := a.overdue(transport); err != nil {
				return err
			}
		}
	}
}

// overdue is the watchdog of the video track. Sound does not feed it: it would
// hide dead video.
func (a *attempt) overdue(transport Transport) error {
	o := &a.session.opts
	up := time.Since(a.began)
	if transport == UDP && a.packets.Load() == 0 && up-a.played > o.UDPTimeout {
		return &Failure{Cause: NothingUDP}
	}
	if silent := up - max(a.played, time.Duration(a.lastPicture.Load())); silent > o.PictureTimeout {
		return &Failure{Cause: Stalled, Err: fmt.Errorf("none for %v", silent.Round(time.Second))}
	}
	return nil
}

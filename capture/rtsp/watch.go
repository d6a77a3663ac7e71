package rtsp

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// watch waits for the session's end.
func (a *attempt) watch(ctx context.Context, transport Transport) error {
	gone := make(chan error, 1)
	go func() {
		var err error
		defer func() { gone <- err }()
		a.quietly("waiting for the connection's end", func() { err = a.client.Wait() })
	}()
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
			a.release(heldFor)
			if err := a.overdue(transport); err != nil {
				return err
			}
		}
	}
}

// overdue is the watchdog of the tracks. Sound does not feed that of the pictures:
// it would hide dead video.
func (a *attempt) overdue(transport Transport) error {
	s := a.session
	up := time.Since(a.began)
	if up-a.looked > s.watchEvery+s.opts.StallTimeout/2 {
		a.awake = up // the process stood still: what came meanwhile waits in the sockets
	}
	a.looked = up
	since := func(last *atomic.Int64) time.Duration { return up - max(a.awake, time.Duration(last.Load())) }
	if transport == UDP && a.packets.Load() == 0 && up-a.awake > s.opts.UDPTimeout {
		return &Failure{Cause: NothingUDP}
	}
	if silent := since(&a.lastVideo); silent > s.opts.StallTimeout {
		return &Failure{Cause: Stalled, Err: fmt.Errorf("none for %v", silent.Round(time.Second))}
	}
	if waited := since(&a.lastSync); s.key.ended(waited) {
		return &Failure{Cause: NoKeyFrame, Err: a.noKeyFrame(waited)}
	}
	// What is dropped is lost anyway; most cameras begin a session with a key frame.
	if at := time.Duration(a.tornAt.Load()); at > 0 && up-max(a.awake, at) > s.opts.KeyframeTimeout {
		return &Failure{Cause: NoKeyFrame, Err: a.noKeyFrame(up - at)}
	}
	// Sound that was never heard does not keep the pictures from being recorded.
	if silent := since(&a.lastSound); a.lastSound.Load() > 0 && s.sound.ended(silent) {
		return &Failure{Cause: SoundStalled, Err: fmt.Errorf("none for %v", silent.Round(time.Second))}
	}
	return nil
}

func (a *attempt) noKeyFrame(waited time.Duration) error {
	err := fmt.Errorf("none for %v", waited.Round(time.Second))
	if cause := a.trouble.Load(); cause != nil {
		err = fmt.Errorf("%w; %s", err, short(*cause))
	}
	return err
}

// maxPatience is how long a camera may have to be waited for.
const maxPatience = 10 * time.Minute

// patience is how long to wait for what a new session may bring. Each time that
// it ends it doubles, for as long as the agent runs: a camera whose key frames are
// minutes apart, or whose sound pauses, must not be connected to for ever.
type patience struct{ limit time.Duration }

func (p *patience) ended(waited time.Duration) bool {
	if waited <= p.limit {
		return false
	}
	p.limit = max(p.limit, min(2*p.limit, maxPatience))
	return true
}

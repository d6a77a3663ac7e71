package rtsp

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// The picture that is kept back while the host's clock is set is dated by the clock as
// it is when the picture is delivered: by then its receiver lives by the new time.
func TestHeldPictureWhenTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		units, pack := clip(t, media.H264), newPacketizer(t, media.H264)
		var set atomic.Int64
		now := func() time.Time { return clockSet(time.Now(), time.Duration(set.Load())) }
		url := camera(t, media.H264, func(p *rtsptest.Player) {
			for n := 0; p.Context.Err() == nil; n++ {
				for _, pkt := range pack.packets(units[0].nalus, uint32(n)*3600) {
					if p.Send(0, pkt) != nil {
						return
					}
				}
				time.Sleep(20 * time.Millisecond)
				if n == 20 {
					time.Sleep(80 * time.Millisecond) // it is read
					set.Store(int64(by))
				}
			}
		})
		o := options(t, url)
		o.Now = now
		c := &dated{collector: &collector{enough: 50}, now: now}
		if err := runSession(t, o, c); !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		if c.off > 5*time.Second {
			t.Errorf("clock set by %v: a picture is dated %v from the host's time at which it is delivered", by, c.off)
		}
	}
}

// clockSet is what a clock that was set shows: the monotonic one goes on as it did.
func clockSet(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(by/time.Second) << 30
	return t
}

// dated notes how far from the host's time pictures are dated at most.
type dated struct {
	*collector
	now func() time.Time
	off time.Duration
}

func (d *dated) Write(s *media.Sample) error {
	d.off = max(d.off, d.now().Round(0).Sub(s.Wall).Abs())
	if s.Track == 0 && s.DatedAt.IsZero() {
		return errors.New("a picture does not say by which reading of the clock it is dated")
	}
	return d.collector.Write(s)
}

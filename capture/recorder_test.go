package capture

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/spool"
)

// Segments begin at the first key frame at or after a boundary of UTC and join
// without a hole.
func TestCutAtUTCBoundaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		sleep(t.Context(), 3700*time.Millisecond) // not on a boundary
		p := &script{}
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) })))
		sleep(t.Context(), 33*time.Second)
		b.end()
		segs := b.segments(spool.Finished)
		if len(segs) != 4 || frames(segs) != p.count {
			t.Fatalf("%d segments with %d pictures, %d were sent", len(segs), frames(segs), p.count)
		}
		for i, s := range segs {
			if i == 0 {
				continue
			}
			boundary := s.Start.Truncate(10 * time.Second)
			if late := s.Start.Sub(boundary); late < 0 || late >= keyEvery*frameTime {
				t.Errorf("segment %d starts %v after the boundary %v", i, late, boundary)
			}
			if hole := s.Start.Sub(segs[i-1].End); hole < -time.Millisecond || hole > time.Millisecond {
				t.Errorf("%v between segments %d and %d", hole, i-1, i)
			}
		}
	})
}

// A camera that stalls does not keep footage in memory.
func TestStalledCameraLeavesNothingInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error {
			if err := p.play(ctx, r, 10, nil); err != nil {
				return err
			}
			<-ctx.Done() // connected, and silent
			return nil
		})))
		sleep(t.Context(), 500*time.Millisecond)
		if n := b.bytesOnDisk(); n != 0 {
			t.Fatalf("%d bytes were written before the part's time was up", n)
		}
		sleep(t.Context(), 2*time.Second)
		if n := b.bytesOnDisk(); n < 10*1000 {
			t.Errorf("%d bytes on the disk, 10 pictures of 1000 bytes were sent 2 s ago", n)
		}
		if segs := b.segments(spool.Recording); len(segs) != 1 {
			t.Errorf("%d segments are being recorded", len(segs))
		}
	})
}

// The last picture before a stall is on the disk, not only in the system's
// memory, after the sync interval.
func TestStalledCameraIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		c := New(b.options(func(ctx context.Context, r *Recorder) error {
			if err := p.play(ctx, r, 60, nil); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}))
		b.run(c)
		sleep(t.Context(), 8*time.Second)
		synctest.Wait()
		w := c.recorder.disk.written.open.writer
		if w.Watermark() != w.Size() || w.Size() == 0 {
			t.Errorf("%d of %d bytes are synced, 5 s after the last picture", w.Watermark(), w.Size())
		}
	})
}

func TestChangeOfParameterSetsCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		changed := media.ParameterSets{SPS: testParams.SPS, PPS: append([]byte{}, 0x68, 0xcb, 0x8c, 0xb3)}
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error {
			return p.play(ctx, r, 1<<30, func(i int, s *media.Sample) {
				if i == 3*keyEvery {
					s.Params = &changed
				}
			})
		})))
		sleep(t.Context(), 6*time.Second)
		b.end()
		segs := b.segments(spool.Finished)
		if len(segs) != 2 || segs[0].Frames != 3*keyEvery || frames(segs) != p.count {
			t.Errorf("segments %+v, %d pictures were sent", segs, p.count)
		}
	})
}

// Before the first key frame nothing can be decoded, and nothing is written.
func TestStartsAtAKeyFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error {
			return p.play(ctx, r, 1<<30, func(i int, s *media.Sample) { s.Sync = i >= 30 && i%keyEvery == 5 })
		})))
		sleep(t.Context(), 5*time.Second)
		b.end()
		segs := b.segments(spool.Finished)
		if len(segs) != 1 || segs[0].Frames != p.count-30 || !segs[0].Start.Equal(p.sent[30].UTC().Truncate(time.Microsecond)) {
			t.Errorf("segments %+v, the key frame was the 31st of %d pictures", segs, p.count)
		}
	})
}

// brokenDisk is a spool whose disk takes nothing for a while.
type brokenDisk struct {
	*spool.Spool
	full  atomic.Bool
	files []*os.File
}

func (d *brokenDisk) Create(seg spool.Segment) (*os.File, error) {
	if d.full.Load() {
		return nil, errors.New("no space left on device")
	}
	f, err := d.Spool.Create(seg)
	d.files = append(d.files, f)
	return f, err
}

// A disk that fails ends neither the session nor the camera: what could not be
// written is a gap, and recording resumes by itself.
func TestDiskThatFailsAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		disk := &brokenDisk{Spool: b.spool}
		p := &script{}
		sessions := 0
		o := b.options(func(ctx context.Context, r *Recorder) error {
			sessions++
			return p.play(ctx, r, 1<<30, nil)
		})
		o.Spool = disk
		c := New(o)
		b.run(c)
		sleep(t.Context(), 4500*time.Millisecond)
		disk.full.Store(true)
		disk.files[0].Close() // the next write to it fails
		sleep(t.Context(), 6*time.Second)
		if s := c.Status(); !strings.Contains(s.LastError, "no space left") {
			t.Errorf("last error %q", s.LastError)
		}
		disk.full.Store(false)
		sleep(t.Context(), 4*time.Second)
		b.end()
		var gap *spool.Gap
		for _, g := range b.gaps() {
			if g.Cause == spool.DiskFailed {
				gap = &g
			}
		}
		segs := b.segments(spool.Finished)
		if sessions != 1 || len(segs) == 0 || gap == nil || gap.End.IsZero() {
			t.Fatalf("%d sessions, segments %+v, gaps %+v", sessions, segs, b.gaps())
		}
		if d := gap.End.Sub(gap.Start); d < 4*time.Second || d > 9*time.Second {
			t.Errorf("the gap lasts %v, the disk was full for 6 s", d)
		}
		if !segs[len(segs)-1].Start.Equal(gap.End) {
			t.Errorf("footage begins again at %v, the gap ends at %v", segs[len(segs)-1].Start, gap.End)
		}
		if n := strings.Count(b.log.String(), "cannot write footage"); n < 2 || n > 6 {
			t.Errorf("%d lines about the disk:\n%s", n, b.log.String())
		}
	})
}

// Recording leaves room for the ledger, without which nothing could be uploaded, and
// so deleted, any more. It goes on when there is room again.
func TestFullDiskKeepsRoomForTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		if err := b.spool.Close(); err != nil {
			t.Fatal(err)
		}
		var free atomic.Uint64
		free.Store(1 << 30)
		var err error
		b.spool, err = spool.Open(t.Context(), spool.Options{
			Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now, Disk: func(string) (uint64, uint64, error) { return free.Load(), 1 << 40, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		p := &script{}
		c := New(b.options(func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) }))
		b.run(c)
		sleep(t.Context(), 15*time.Second)
		free.Store(60 << 20)
		sleep(t.Context(), 20*time.Second)
		full := b.bytesOnDisk()
		sleep(t.Context(), 10*time.Second)
		if grown := b.bytesOnDisk() - full; grown > 0 {
			t.Errorf("%d bytes were written to a full disk", grown)
		}
		if s := c.Status(); !strings.Contains(s.LastError, "the disk is full: 62 MB are free") {
			t.Errorf("last error %q", s.LastError)
		}
		free.Store(1 << 30)
		sleep(t.Context(), 15*time.Second)
		b.end()
		var lost []spool.Gap
		for _, g := range b.gaps() {
			if g.Cause == spool.DiskFull {
				lost = append(lost, g)
			}
		}
		if len(lost) != 1 || lost[0].End.IsZero() || (lost[0].End.Sub(lost[0].Start)-30*time.Second).Abs() > 4*time.Second {
			t.Errorf("gaps %+v, want one of about 30 s", b.gaps())
		}
	})
}

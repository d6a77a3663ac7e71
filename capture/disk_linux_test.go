//go:build !arm && !386

package capture

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/spool"
	"recording-agent/capture/spool/disktest"
)

// elsewhere is a spool whose segments lie on another disk than its ledger.
type elsewhere struct {
	*spool.Spool
	dir string
}

func (d *elsewhere) Create(seg spool.Segment) (*os.File, error) {
	return os.OpenFile(filepath.Join(d.dir, seg.ID+".mp4"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
}

// After a sync that failed, the kernel may call the next one a success and have lost
// the data: a new segment begins, and no picture is missing.
func TestFailedSyncBeginsAnotherSegment(t *testing.T) {
	disk := disktest.Mount(t, t.TempDir(), nil)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		o := b.options(func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) })
		o.Spool = &elsewhere{b.spool, disk.Dir}
		o.Segmenting.Duration = time.Hour
		c := New(o)
		b.run(c)
		sleep(t.Context(), 4*time.Second)
		var failures atomic.Int32
		disk.Fail(func(op disktest.Kind, _ string) syscall.Errno {
			if op == disktest.Sync && failures.Add(1) == 1 {
				return syscall.EIO
			}
			return 0
		})
		sleep(t.Context(), 5*time.Second) // the next key frame, and its first part
		if trouble := c.Status().Disk; failures.Load() == 0 || !trouble.Since.IsZero() {
			t.Errorf("%d syncs, trouble %+v: it was one that failed", failures.Load(), trouble)
		}
		b.end()
		segs := b.segments(spool.Finished)
		if len(segs) != 2 || frames(segs) != p.count {
			t.Errorf("%d segments with %d pictures, %d were sent", len(segs), frames(segs), p.count)
		}
	})
}

// Where a quota is used up the disk is as full as any, and whoever makes room is told:
// by what is free it is not to be seen.
func TestQuotaIsAFullDisk(t *testing.T) {
	disk := disktest.Mount(t, t.TempDir(), nil)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		o := b.options(func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) })
		o.Spool = &elsewhere{b.spool, disk.Dir}
		c := New(o)
		b.run(c)
		sleep(t.Context(), 4*time.Second)
		if b.spool.WasRefused() != spool.NotRefused {
			t.Error("recording is said to be refused")
		}
		disk.Fail(func(op disktest.Kind, _ string) syscall.Errno {
			if op == disktest.Write || op == disktest.Create {
				return syscall.EDQUOT
			}
			return 0
		})
		sleep(t.Context(), 20*time.Second)
		disk.Fail(nil)
		sleep(t.Context(), 10*time.Second)
		b.end()
		if b.spool.WasRefused() != spool.QuotaUsedUp {
			t.Error("nobody is told to make room")
		}
		full := 0
		for _, g := range b.gaps() {
			switch g.Cause {
			case spool.DiskFull:
				full++
			case spool.DiskFailed:
				t.Errorf("the disk has not failed: %+v", g)
			}
		}
		if full != 1 {
			t.Errorf("gaps %+v, want one of a full disk", b.gaps())
		}
	})
}

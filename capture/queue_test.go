package capture

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/rtsp"
	"recording-agent/capture/spool"
)

// slowDisk is a spool whose disk stands still for a while: the row of a segment is
// not made before it goes on.
type slowDisk struct {
	*spool.Spool
	mu    sync.Mutex
	until time.Time
}

func (d *slowDisk) stall(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = time.Now().Add(t)
}

func (d *slowDisk) wait() {
	d.mu.Lock()
	left := time.Until(d.until)
	d.mu.Unlock()
	time.Sleep(max(0, left)) // the bubble's time
}

func (d *slowDisk) Create(seg spool.Segment) (*os.File, error) {
	d.wait()
	return d.Spool.Create(seg)
}

func (d *slowDisk) Finished(ctx context.Context, id string, start time.Time, r mp4.Result) error {
	d.wait()
	return d.Spool.Finished(ctx, id, start, r)
}

// fourMbit makes the script's pictures those of a camera of 4 Mbit/s.
func fourMbit(_ int, s *media.Sample) {
	s.Units = [][]byte{bytes.Repeat([]byte{0x41, s.Units[0][1]}, 10_000)}
}

// stalled records a camera of 4 Mbit/s over a disk that stands still for a while.
func stalled(t *testing.T, b *bench, p *script, stall time.Duration) (*Camera, []spool.Segment) {
	t.Helper()
	d := &slowDisk{Spool: b.spool}
	o := b.options(func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, fourMbit) })
	o.Spool = d
	c := New(o)
	b.run(c)
	sleep(t.Context(), 12*time.Second)
	d.stall(stall)
	waited := int64(0)
	for end := time.Now().Add(stall + 15*time.Second); time.Now().Before(end); sleep(t.Context(), time.Second) {
		waited = max(waited, c.Status().Queued)
	}
	if least := int64(4e6 / 8 * (min(stall, 40*time.Second) - 10*time.Second).Seconds()); waited < least {
		t.Errorf("at most %d bytes were waiting for a disk that stood still for %v, at least %d have to have", waited, stall, least)
	}
	b.end()
	if left := c.Status().Queued; left != 0 {
		t.Errorf("%d bytes wait after the end", left)
	}
	return c, b.segments(spool.Finished)
}

func TestDiskThatStallsLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		c, segs := stalled(t, b, p, 30*time.Second)
		if frames(segs) != p.count || c.Status().Dropped > 0 {
			t.Errorf("%d of %d pictures are on the disk, %d were dropped", frames(segs), p.count, c.Status().Dropped)
		}
		for _, g := range b.gaps() {
			if g.Cause != spool.Connecting {
				t.Errorf("gap %+v", g)
			}
		}
	})
}

// Past the bound whole groups of pictures go: what is kept can be decoded, and all
// of the time is accounted for.
func TestDiskThatIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		c, segs := stalled(t, b, p, 2*time.Minute)
		lost := p.count - frames(segs)
		if lost <= 0 || lost != c.Status().Dropped {
			t.Fatalf("%d of %d pictures are on the disk, %d were dropped", frames(segs), p.count, c.Status().Dropped)
		}
		var slow []spool.Gap
		for _, g := range b.gaps() {
			if g.Cause == spool.DiskSlow {
				slow = append(slow, g)
			}
		}
		if len(slow) != 1 || slow[0].End.IsZero() {
			t.Fatalf("gaps %+v", b.gaps())
		}
		if d, want := slow[0].End.Sub(slow[0].Start), time.Duration(lost)*frameTime; (d - want).Abs() > frameTime {
			t.Errorf("the gap lasts %v, %v were dropped", d, want)
		}
		for i, s := range segs[1:] {
			hole := s.Start.Sub(segs[i].End)
			if hole > time.Second && (!s.Start.Equal(slow[0].End) || (segs[i].End.Sub(slow[0].Start)).Abs() > frameTime) {
				t.Errorf("%v without footage before %v, the gap is %v to %v", hole, s.Start, slow[0].Start, slow[0].End)
			}
		}
		if mb := c.recorder.buffers.queued.Load(); mb != 0 {
			t.Errorf("%d bytes are counted as waiting in the end", mb)
		}
		if n := strings.Count(b.log.String(), "use a faster disk"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}

// What is missing between two pictures is in the ledger, and does not count as
// recorded.
func TestDamageLeavesAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		c := New(b.options(func(ctx context.Context, r *Recorder) error {
			if err := p.play(ctx, r, 60, nil); err != nil {
				return err
			}
			r.Damaged("packets are missing")
			sleep(ctx, 3*time.Second)
			for i := range 100 {
				sleep(ctx, frameTime)
				at := int64(60+75+i) * 3600
				if err := r.Write(&media.Sample{DTS: at, PTS: at, Wall: time.Now(), Sync: i == 0, Units: [][]byte{{0x41, 1, 2}}}); err != nil {
					return err
				}
			}
			<-ctx.Done()
			return nil
		}))
		b.run(c)
		sleep(t.Context(), 9500*time.Millisecond)
		b.end()
		var found []spool.Gap
		for _, g := range b.gaps() {
			if g.Cause == spool.BadFootage {
				found = append(found, g)
			}
		}
		if len(found) != 1 || found[0].Detail != "packets are missing" || (found[0].End.Sub(found[0].Start)-3*time.Second).Abs() > 2*frameTime {
			t.Errorf("gaps %+v, want one of 3 s", b.gaps())
		}
		segs := b.segments(spool.Finished)
		if len(segs) != 1 || (segs[0].Duration-9400*time.Millisecond).Abs() > 100*time.Millisecond || (segs[0].Recorded-6400*time.Millisecond).Abs() > 200*time.Millisecond {
			t.Errorf("segments %+v, want one of 9.4 s of which 6.4 s are recorded", segs)
		}
		if s := c.Status(); s.Damages != 1 {
			t.Errorf("%d stretches counted as damaged", s.Damages)
		}
	})
}

// Holes shorter than the distance of key frames are as missing as long ones, and no
// measure of how long a picture lasts.
func TestShortHolesAreNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		count := 0
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error {
			if err := r.Start(testTracks()); err != nil {
				return err
			}
			for i := range 4*keyEvery + 1 {
				sleep(ctx, frameTime)
				if i%keyEvery == 10 {
					r.Damaged("packets are missing")
				}
				if i%keyEvery >= 10 {
					continue
				}
				count++
				at := int64(i) * 3600
				if err := r.Write(&media.Sample{DTS: at, PTS: at, Wall: time.Now(), Sync: i%keyEvery == 0, Units: [][]byte{{0x41, 1, 2}}}); err != nil {
					return err
				}
			}
			<-ctx.Done()
			return nil
		})))
		sleep(t.Context(), 5*time.Second)
		b.end()
		segs := b.segments(spool.Finished)
		want, whole := time.Duration(count)*frameTime, (4*keyEvery+1)*frameTime
		if len(segs) != 1 || (segs[0].Recorded-want).Abs() > frameTime || (segs[0].Duration-whole).Abs() > frameTime {
			t.Errorf("segments %+v, want one of %v of which %v are recorded", segs, whole, want)
		}
	})
}

// Every end of a session leaves a gap of a kind that the ledger knows.
func TestGapsOfSessions(t *testing.T) {
	known := map[spool.Cause]bool{spool.Unreachable: true, spool.Refused: true, spool.Stalled: true, spool.BadFootage: true}
	for _, cause := range []rtsp.Cause{
		rtsp.HostNotFound, rtsp.Unreachable, rtsp.Refused, rtsp.TimedOut, rtsp.LoginRefused, rtsp.PathNotFound, rtsp.NotRTSP, rtsp.Untrusted,
		rtsp.NoVideo, rtsp.Stalled, rtsp.Closed, rtsp.BadStream, rtsp.RejectedRequest, rtsp.OtherTransport, rtsp.NothingUDP, rtsp.ReceiverRejected,
	} {
		if kind, detail := gapOf(&rtsp.Failure{Cause: cause}); !known[kind] || detail == "" {
			t.Errorf("%s leaves a gap %q, %q", cause, kind, detail)
		}
	}
	if kind, _ := gapOf(context.Canceled); kind != spool.Unreachable {
		t.Errorf("an unknown error leaves a gap %q", kind)
	}
}

package capture

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/panics"
	"recording-agent/capture/schedule"
	"recording-agent/capture/spool"
)

// mine is code that panics when it is reached: a function that asks for the time, or a
// verb of the spool.
type mine struct {
	function string
	after    time.Time
	left     atomic.Int64 // how many times
}

func (m *mine) due() bool { return time.Now().After(m.after) && m.left.Add(-1) >= 0 }

// now is the clock of the camera.
func (m *mine) now() time.Time {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if strings.HasSuffix(f.Function, "capture."+m.function) && m.due() {
			panic("mine in " + m.function)
		}
	}
	return time.Now()
}

// mined is a spool with one.
type mined struct {
	*spool.Spool
	*mine
}

func (m mined) pass(verb string) {
	if m.function == "spool."+verb && m.due() {
		panic("mine in " + verb)
	}
}

func (m mined) Room() error { m.pass("Room"); return m.Spool.Room() }
func (m mined) Alive()      { m.pass("Alive"); m.Spool.Alive() }
func (m mined) Create(seg spool.Segment) (*os.File, error) {
	m.pass("Create")
	return m.Spool.Create(seg)
}
func (m mined) Begun(ctx context.Context, seg spool.Segment) error {
	m.pass("Begun")
	return m.Spool.Begun(ctx, seg)
}
func (m mined) Grown(id string, watermark int64) { m.pass("Grown"); m.Spool.Grown(id, watermark) }
func (m mined) Finished(ctx context.Context, id string, start time.Time, r mp4.Result) error {
	m.pass("Finished")
	return m.Spool.Finished(ctx, id, start, r)
}
func (m mined) ClockOffset(ctx context.Context, id string, offset time.Duration) error {
	m.pass("ClockOffset")
	return m.Spool.ClockOffset(ctx, id, offset)
}
func (m mined) GapOpened(ctx context.Context, id string, start time.Time, cause spool.Cause, detail string) error {
	m.pass("GapOpened")
	return m.Spool.GapOpened(ctx, id, start, cause, detail)
}
func (m mined) GapBetween(ctx context.Context, id string, start, end time.Time, cause spool.Cause, detail string) error {
	m.pass("GapBetween")
	return m.Spool.GapBetween(ctx, id, start, end, cause, detail)
}
func (m mined) GapClosed(ctx context.Context, id string, end time.Time) error {
	m.pass("GapClosed")
	return m.Spool.GapClosed(ctx, id, end)
}
func (m mined) AccountedUntil(ctx context.Context, id string) (time.Time, error) {
	m.pass("AccountedUntil")
	return m.Spool.AccountedUntil(ctx, id)
}

// Wherever a camera's code panics, and the spool's for it: the camera goes on, each
// moment is footage or a gap, the stack is said once, nothing is left open or counted.
func TestPanicAnywhere(t *testing.T) {
	for _, place := range []string{
		"(*Recorder).Write", "(*Recorder).watch", "(*Recorder).flushDue", "(*Recorder).flush", "(*Recorder).finish", "(*Recorder).ended",
		"(*Recorder).stopped", "(*Recorder).opened", "(*Recorder).closed", "(*Recorder).resume", "(*Recorder).stopping", "(*Recorder).drops",
		"(*Camera).turn", "(*Camera).awaitWindow", "(*Camera).awaitEnd", "(*Camera).session", "(*Camera).complain", "(*edges).await", "(*edges).account",
		"(*disk).append", "(*disk).syncNow", "(*disk).finishLate", "(*disk).lost", "(*meter).sample",
		"spool.Room", "spool.Create", "spool.Begun", "spool.Grown", "spool.Finished", "spool.ClockOffset", "spool.GapOpened", "spool.GapBetween",
		"spool.GapClosed", "spool.AccountedUntil", "spool.Alive",
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { panicAt(t, place) })
		})
	}
}

func panicAt(t *testing.T, place string) {
	const times = 3
	b := newBench(t)
	defer b.close()
	var windows []schedule.Schedule
	for at := clockOf(time.Now()) - 2*time.Second; len(windows) < 5; at += 28 * time.Second {
		windows = append(windows, schedule.Schedule{Kind: schedule.Daily, Start: at.Abs(), End: at + 20*time.Second, Active: true})
	}
	windows[0].Start = 0
	m := &mine{function: place}
	if place != "(*Recorder).resume" && place != "spool.AccountedUntil" {
		m.after = time.Now().Add(30*time.Second + 17*frameTime)
	}
	m.left.Store(times)
	p := &script{}
	o := b.options(func(ctx context.Context, r *Recorder) error {
		if err := p.play(ctx, r, 260, func(_ int, s *media.Sample) { s.CameraTime = s.Wall }); err != nil {
			return err
		}
		return errors.New("the camera hung up")
	})
	o.Plan, o.Spool, o.Now = NewPlan(set(t, windows...)), mined{b.spool, m}, m.now
	o.Panics = panics.NewBook(b.logger, time.Now)
	c := New(o)
	b.run(c)
	sleep(t.Context(), 100*time.Second)
	synctest.Wait()
	live := c.Status().LastFrame
	b.end()
	reached := times - max(0, m.left.Load())
	if s := c.Status().Panics; s.Count != reached {
		t.Errorf("%d panics are counted, there were %d", s.Count, reached)
	}
	if reached == 0 && !slices.Contains([]string{"(*disk).lost", "spool.GapBetween"}, place) {
		t.Error("it was not reached")
	}
	if n := strings.Count(b.log.String(), `"stack"`); n != min(1, int(reached)) {
		t.Errorf("the stack is said %d times", n)
	}
	if time.Since(live) > lastRetry+15*time.Second { // a pause, and the time between two windows
		t.Errorf("the last picture came %v before the end", time.Since(live))
	}
	if n := c.recorder.buffers.queued.Load(); n != 0 {
		t.Errorf("%d bytes are still counted as waiting", n)
	}
	if left := b.segments(spool.Recording); len(left) > 0 {
		t.Errorf("%d segments are left open", len(left))
	}
	l := &life{t: t, plan: set(t, windows...), frame: frameTime, pictures: p.sent}
	l.check(b.spool, true)
	if t.Failed() {
		t.Log(b.log.String())
	}
}

// The part that was being filled when cutting segments panicked is given up, what was
// whole before it stays, and the gap begins where that ends.
func TestPanicGivesUpThePart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		m := &mine{function: "(*Recorder).Write"}
		p := &script{}
		o := b.options(func(ctx context.Context, r *Recorder) error {
			return p.play(ctx, r, 1<<30, func(i int, _ *media.Sample) {
				if i == 65 && p.count == 66 { // the parts begin with pictures 0, 25 and 50
					m.left.Store(1)
				}
			})
		})
		o.Now = m.now
		c := New(o)
		b.run(c)
		sleep(t.Context(), 8*time.Second)
		b.end()
		segs := b.segments(spool.Finished)
		if len(segs) != 2 || segs[0].Frames != 50 {
			t.Fatalf("segments %+v", segs)
		}
		part := p.sent[50].UTC().Truncate(time.Microsecond)
		if d := segs[0].End.Sub(part).Abs(); d > time.Millisecond {
			t.Errorf("the segment ends at %v, the part that is given up began at %v", segs[0].End, part)
		}
		for _, g := range b.gaps() {
			if g.Cause != spool.AgentFault {
				continue
			}
			if !g.Start.Equal(segs[0].End) || !g.End.Equal(segs[1].Start) || !strings.Contains(g.Detail, "mine in (*Recorder).Write") {
				t.Errorf("gap %+v between %v and %v", g, segs[0].End, segs[1].Start)
			}
			return
		}
		t.Errorf("no gap: %+v", b.gaps())
	})
}

// A segment over which finishing panics each time does not keep its file open for ever.
func TestPanicEachTimeASegmentIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		c := New(b.options(nil))
		d := c.recorder.disk
		file, err := os.Create(filepath.Join(t.TempDir(), "segment.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		seg := &segment{open: openFile{file: file}} // without its writer
		if err := d.do(t.Context(), job{segment: seg}); err != nil {
			t.Fatalf("finishing has its own way with panics: %v", err)
		}
		for range 5 {
			sleep(t.Context(), finishLateEvery)
			d.finishLate(t.Context())
		}
		if len(d.late) > 0 || c.Status().Panics.Count != maxFinishPanics {
			t.Errorf("%d late segments, %d panics", len(d.late), c.Status().Panics.Count)
		}
		if err := file.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the file is still open: %v", err)
		}
		if !strings.Contains(b.log.String(), "recovered at the next start") {
			t.Errorf("it is not said: %s", b.log.String())
		}
	})
}

// What a camera has left unfinished is left to the others, whatever panics meanwhile.
func TestPanicDoesNotKeepWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		c := New(b.options(nil))
		d := c.recorder.disk
		file, err := os.Create(filepath.Join(t.TempDir(), "segment.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		d.late = []*segment{{open: openFile{file: file}}}
		d.leave(t.Context())
		if left := d.buffers.left(); len(left) != 1 || len(d.late) != 0 {
			t.Errorf("%d are left to others, %d kept", len(left), len(d.late))
		}
	})
}

// Whoever asks how a camera is asks about all of them: an answer comes, or an error.
func TestPanicWhileACameraIsAskedAfter(t *testing.T) {
	for function, ask := range map[string]func(c *Camera, s *spool.Spool) error{
		"(*meter).snapshot": func(c *Camera, _ *spool.Spool) error { c.Status(); return nil },
		"(*Camera).Coverage": func(c *Camera, s *spool.Spool) error {
			_, err := c.Coverage(context.Background(), s, time.Now().Add(-time.Hour))
			return err
		},
	} {
		t.Run(function, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				defer b.close()
				p := &script{}
				o := b.options(func(ctx context.Context, r *Recorder) error { return p.play(ctx, r, 1<<30, nil) })
				m := &mine{function: function}
				o.Now = m.now
				c := New(o)
				b.run(c)
				sleep(t.Context(), 5*time.Second)
				m.left.Store(1)
				var e *panics.Error
				if err := ask(c, b.spool); err != nil && !errors.As(err, &e) {
					t.Error(err)
				}
				if s := c.Status(); s.State != Live || s.Panics.Count != 1 {
					t.Errorf("%+v", s)
				}
				if err := ask(c, b.spool); err != nil {
					t.Errorf("the next time: %v", err)
				}
				b.end()
				if n := frames(b.segments(spool.Finished)); n != p.count {
					t.Errorf("%d of %d pictures", n, p.count)
				}
			})
		})
	}
}

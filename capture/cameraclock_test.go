package capture

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/spool"
)

// What a camera's clock shows is kept with each segment, from its beginning or from
// when the camera first says it, and dates nothing.
func TestCameraClock(t *testing.T) {
	for _, tc := range []struct {
		name   string
		shown  func(i int, wall time.Time) time.Time
		offset []time.Duration // of the segments; nowhere: not known
		said   string
	}{
		{"never said", func(int, time.Time) time.Time { return time.Time{} }, []time.Duration{nowhere, nowhere, nowhere}, ""},
		{"right", func(_ int, wall time.Time) time.Time { return wall }, []time.Duration{0, 0, 0}, ""},
		{"an hour ahead", func(_ int, wall time.Time) time.Time { return wall.Add(time.Hour) }, []time.Duration{time.Hour, time.Hour, time.Hour}, "1h0m0s ahead of this host's"},
		{"said late", func(i int, wall time.Time) time.Time {
			if i < 100 {
				return time.Time{}
			}
			return wall.Add(-time.Minute)
		}, []time.Duration{-time.Minute, -time.Minute, -time.Minute}, "1m0s behind this host's"},
		{"put right", func(i int, wall time.Time) time.Time {
			if i < 300 {
				return wall.Add(time.Minute)
			}
			return wall
		}, []time.Duration{time.Minute, time.Minute, 0}, "right again"},
		{"absurd", func(_ int, wall time.Time) time.Time { return time.Unix(1<<60, 0) }, []time.Duration{1<<63 - 1, 1<<63 - 1, 1<<63 - 1}, "ahead of"},
		{"absurd the other way", func(_ int, wall time.Time) time.Time { return time.Unix(-1<<60, 0) }, []time.Duration{-1 << 63, -1 << 63, -1 << 63}, "behind"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				defer b.close()
				c := New(b.options(func(ctx context.Context, r *Recorder) error {
					return (&script{}).play(ctx, r, 1<<30, func(i int, s *media.Sample) { s.CameraTime = tc.shown(i, s.Wall) })
				}))
				b.run(c)
				began := time.Now()
				sleep(t.Context(), 25*time.Second)
				status := c.Status()
				b.end()
				segs := b.segments(spool.Finished)
				if len(segs) != len(tc.offset) {
					t.Fatalf("%d segments", len(segs))
				}
				for i, seg := range segs {
					if got := offsetOf(seg.ClockOffset); (got - tc.offset[i]).Abs() > time.Microsecond {
						t.Errorf("segment %d: offset %v, want %v", i, got, tc.offset[i])
					}
					if seg.Start.Sub(began) > 25*time.Second || seg.Start.Before(began) || seg.Duration > 11*time.Second {
						t.Errorf("segment %d is of %v and lasts %v", i, seg.Start, seg.Duration)
					}
				}
				if got, want := offsetOf(status.ClockOffset), tc.offset[len(segs)-1]; (got - want).Abs() > time.Microsecond {
					t.Errorf("the status has an offset of %v, want %v", got, want)
				}
				warned := strings.Count(b.log.String(), "set NTP in the camera")
				if tc.said == "" && warned != 0 || tc.said != "" && (warned != 1 || !strings.Contains(b.log.String(), tc.said)) {
					t.Errorf("said %d times, want %q: %s", warned, tc.said, b.log.String())
				}
			})
		})
	}
}

// nowhere stands for an offset that is not known.
const nowhere = 12345 * time.Hour

func offsetOf(d *time.Duration) time.Duration {
	if d == nil {
		return nowhere
	}
	return *d
}

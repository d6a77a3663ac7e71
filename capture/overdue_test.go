package capture

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
)

// A camera that sends no key frame but its first makes segments that end, ten minutes
// after they should have.
func TestSegmentWithoutKeyFrameEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		p := &script{}
		b.run(New(b.options(func(ctx context.Context, r *Recorder) error {
			return p.play(ctx, r, 1<<30, func(i int, s *media.Sample) { s.Sync = i == 0 })
		})))
		sleep(t.Context(), 21*time.Minute)
		b.end()
		segs := b.segments(spool.Finished)
		if len(segs) != 3 || frames(segs) != p.count {
			t.Fatalf("%d segments with %d pictures, %d were sent", len(segs), frames(segs), p.count)
		}
		for i, s := range segs[:2] {
			if s.Duration < 10*time.Minute || s.Duration > 10*time.Minute+11*time.Second {
				t.Errorf("segment %d lasts %v", i, s.Duration)
			}
			if hole := segs[i+1].Start.Sub(s.End); hole < -time.Millisecond || hole > time.Millisecond {
				t.Errorf("%v between segments %d and %d", hole, i, i+1)
			}
		}
		data, err := os.ReadFile(filepath.Join(b.spool.Dir(), filepath.FromSlash(segs[1].Path)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte{0, 0, 0, 5, 6, 6, 1, 0xa4, 0x80}) {
			t.Error("the second segment does not begin with a recovery point")
		}
		if found, err := mp4.Inspect(bytes.NewReader(data), int64(len(data))); err != nil || !found.Finished {
			t.Errorf("Inspect: %+v, %v", found, err)
		}
	})
}

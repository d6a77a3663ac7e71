package capture

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/spool"
)

const (
	testCamera = "front-gate"
	frameTime  = 40 * time.Millisecond
	keyEvery   = 25 // pictures
)

var testParams = media.ParameterSets{
	SPS: []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20},
	PPS: []byte{0x68, 0xcb, 0x8c, 0xb2},
}

// script plays pictures into a recorder, in real (or the bubble's) time. Its
// sessions share one count, so that none is mistaken for another.
type script struct {
	mu    sync.Mutex
	count int64 // pictures sent in all sessions
	sent  []time.Time
}

func testTracks() []media.Track {
	return []media.Track{{Codec: media.H264, ClockRate: 90000, Video: testParams}}
}

// play begins a session and sends n pictures; change, if any, may alter each.
func (p *script) play(ctx context.Context, r *Recorder, n int, change func(i int, s *media.Sample)) error {
	if err := r.Start(testTracks()); err != nil {
		return err
	}
	for i := range n {
		if !sleep(ctx, frameTime) {
			return ctx.Err()
		}
		p.mu.Lock()
		p.count++
		s := &media.Sample{
			DTS: int64(i) * 3600, PTS: int64(i) * 3600, Wall: time.Now(), Sync: i%keyEvery == 0,
			Units: [][]byte{bytes.Repeat([]byte{0x41, byte(p.count)}, 500)},
		}
		p.sent = append(p.sent, s.Wall)
		p.mu.Unlock()
		if change != nil {
			change(i, s)
		}
		if err := r.Write(s); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	wait(ctx, d)
	return ctx.Err() == nil
}

// bench is a camera on a real spool.
type bench struct {
	t      *testing.T
	spool  *spool.Spool
	log    bytes.Buffer
	logger zerolog.Logger
	stop   context.CancelFunc
	done   sync.WaitGroup
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t}
	b.logger = zerolog.New(zerolog.SyncWriter(&b.log))
	var err error
	b.spool, err = spool.Open(t.Context(), spool.Options{Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) options(stream Stream) Options {
	return Options{
		ID: testCamera, Name: "Front gate", ClientName: "host", Stream: stream, Plan: NewPlan(nil), Spool: b.spool, Buffers: NewBuffers(),
		Segmenting: Segmenting{Duration: 10 * time.Second, Part: time.Second, Sync: 2 * time.Second},
		Log:        b.logger, Now: time.Now,
	}
}

// run runs a camera until end is called.
func (b *bench) run(c *Camera) {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.done.Go(func() { c.Run(ctx) })
}

func (b *bench) end() {
	if b.stop != nil {
		b.stop()
		b.done.Wait()
		b.stop = nil
	}
}

func (b *bench) close() {
	b.end()
	if err := b.spool.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) segments(state spool.State) []spool.Segment {
	b.t.Helper()
	segs, err := b.spool.Segments(b.t.Context(), state)
	if err != nil {
		b.t.Fatal(err)
	}
	return segs
}

func (b *bench) gaps() []spool.Gap {
	b.t.Helper()
	gaps, err := b.spool.Gaps(b.t.Context(), testCamera)
	if err != nil {
		b.t.Fatal(err)
	}
	return gaps
}

func frames(segs []spool.Segment) (n int64) {
	for _, s := range segs {
		n += s.Frames
	}
	return n
}

// bytesOnDisk sums up the camera's files.
func (b *bench) bytesOnDisk() (n int64) {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.spool.Dir(), "segments", testCamera, "*.mp4"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			b.t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

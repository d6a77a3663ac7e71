package capture_test

import (
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture"
	"recording-agent/capture/rtsp"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
)

// A real camera is pulled out while it is recorded, and comes back with another
// stream: what it sent is in whole files, and the time between is a gap.
func TestRealCameraIsRestarted(t *testing.T) {
	gstreamer := func(launch, login string) func(*testing.T, string) (string, func()) {
		o := rtsptest.GStreamerOptions{Launch: launch}
		if login != "" {
			o.User, o.Password, _ = strings.Cut(login, ":")
			o.Method = "digest"
		}
		return func(t *testing.T, port string) (string, func()) {
			o.Port = port
			return rtsptest.StartGStreamer(t, o)
		}
	}
	vlc := func(t *testing.T, port string) (string, func()) {
		return rtsptest.VLC(t, rtsptest.VLCOptions{
			Video: []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p"}, Audio: []string{"-c:a", "aac"}, Port: port,
		})
	}
	for name, tc := range map[string]struct {
		transport rtsp.Transport
		login     string
		jumps     bool                                                             // its clock, once, a moment after it has begun
		start     func(t *testing.T, port string) (address string, pullOut func()) // port is empty: one that is free
	}{
		"H.264, TCP, digest": {rtsp.TCP, "viewer:test", false, gstreamer(rtsptest.H264BFrames+rtsptest.AACLive, "viewer:test")},
		"H.265, UDP":         {rtsp.UDP, "", false, gstreamer(rtsptest.H265Live+rtsptest.OpusLive, "")},
		"MJPEG, TCP":         {rtsp.TCP, "", false, gstreamer(rtsptest.MJPEGLive, "")},
		"VLC, H.264, UDP":    {rtsp.UDP, "", true, vlc},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, pullOut := tc.start(t, "")
			sp, camera, stop := recordReal(t, "rtsp://"+tc.login+"@"+address+"/cam", tc.transport)
			untilFrames(t, camera, 75)
			pullOut()
			time.Sleep(2 * time.Second)
			_, port, _ := net.SplitHostPort(address)
			_, pullOut = tc.start(t, port)
			defer pullOut()
			untilFrames(t, camera, camera.Status().Frames+75)
			stop()

			segments, err := sp.Segments(t.Context(), spool.Finished)
			if err != nil || len(segments) < 2 {
				t.Fatalf("%d segments, %v: %+v", len(segments), err, camera.Status())
			}
			var recorded time.Duration
			for i, seg := range segments {
				recorded += seg.Recorded
				file := filepath.Join(sp.Dir(), seg.Path)
				if said, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", file, "-f", "null", "-").CombinedOutput(); err != nil || len(said) > 0 && !(tc.jumps && shownEarly.Match(said)) {
					t.Errorf("segment %v: ffmpeg says %v: %s", seg.Start, err, said)
				}
				if n, _ := decodedWell(t, file); n != seg.Frames || n == 0 {
					t.Errorf("segment %v: %d of %d pictures can be decoded", seg.Start, n, seg.Frames)
				}
				if i > 0 && seg.Start.Before(segments[i-1].End) {
					t.Errorf("segment %v begins before the one before it ends", seg.Start)
				}
			}
			gaps, err := sp.Gaps(t.Context(), "yard")
			if err != nil {
				t.Fatal(err)
			}
			var missing time.Duration
			away := false
			last := segments[len(segments)-1].End
			for _, g := range gaps {
				if g.Start.Before(segments[0].Start) || !g.Start.Before(last) {
					continue // before the first picture, or behind the last
				}
				missing += g.End.Sub(g.Start)
				away = away || g.Cause == spool.Unreachable && g.End.Sub(g.Start) > 2*time.Second
			}
			ran := last.Sub(segments[0].Start)
			if off := (recorded + missing - ran).Abs(); !away || off > time.Second { // an encoder that begins sends its first pictures late
				t.Errorf("%v recorded and %v missing in %v: off by %v; gaps %+v", recorded, missing, ran, off, gaps)
			}
		})
	}
}

// shownEarly is all that ffmpeg may say of pictures on both sides of a jump.
var shownEarly = regexp.MustCompile(`^\[null @ \S+\] Application provided invalid, non monotonically increasing dts to muxer in stream 0: \d+ >= \d+\n$`)

func recordReal(t *testing.T, url string, transport rtsp.Transport) (*spool.Spool, *capture.Camera, func()) {
	t.Helper()
	sp, err := spool.Open(t.Context(), spool.Options{Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sp.Close() })
	session, err := rtsp.NewSession(rtsp.Options{
		URL: url, Transport: transport, Audio: true, Log: zerolog.Nop(), Now: time.Now, StallTimeout: 3 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	camera := capture.New(capture.Options{
		ID: "yard", Name: "Yard", ClientName: "host", Plan: capture.NewPlan(nil), Spool: sp, Buffers: capture.NewBuffers(),
		Stream:     func(ctx context.Context, r *capture.Recorder) error { return session.Run(ctx, r) },
		Segmenting: capture.Segmenting{Duration: time.Minute, Part: time.Second, Sync: 2 * time.Second},
		Log:        zerolog.Nop(), Now: time.Now,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { camera.Run(ctx) })
	stop := sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	t.Cleanup(stop)
	return sp, camera, stop
}

func untilFrames(t *testing.T, camera *capture.Camera, frames int64) {
	t.Helper()
	for begun := time.Now(); camera.Status().Frames < frames; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > 40*time.Second {
			t.Fatalf("%d pictures, %d are wanted: %+v", camera.Status().Frames, frames, camera.Status())
		}
	}
}

package capture_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture"
	"recording-agent/capture/rtsp"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
)

// Noise cannot be compressed: each picture takes several packets.
const (
	noise     = "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=180,framerate=25/1 ! "
	liveX264  = "x264enc key-int-max=25 bitrate=800 speed-preset=ultrafast "
	liveX265  = "x265enc key-int-max=25 bitrate=800 speed-preset=ultrafast "
	noisyH264 = noise + liveX264 + "tune=zerolatency ! h264parse ! rtph264pay pt=96 mtu=900"
	slicyH264 = noise + liveX264 + "tune=zerolatency sliced-threads=true threads=4 ! h264parse ! rtph264pay pt=96 mtu=900"
	easyH264  = noise + "x264enc key-int-max=25 bitrate=400 speed-preset=ultrafast tune=zerolatency ! h264parse ! rtph264pay pt=96"
	noisyH265 = noise + liveX265 + "tune=zerolatency ! h265parse ! rtph265pay pt=96 mtu=900"
	// Key frames after which come pictures that need those before them.
	openH265 = noise + liveX265 + "option-string=open-gop=1:bframes=3:b-adapt=0:rc-lookahead=5:scenecut=0:keyint=27 ! h265parse ! rtph265pay pt=96 mtu=900"
)

// badNetwork puts GStreamer's simulation of one behind a payloader.
func badNetwork(pipeline string, track int, properties string) string {
	return fmt.Sprintf("%s ! netsim name=pay%d %s", pipeline, track, properties)
}

// lossyFrame is how long a picture of these cameras lasts.
const lossyFrame = 40 * time.Millisecond

// lossyRun is what was recorded of a camera over a bad network.
type lossyRun struct {
	t        *testing.T
	spool    *spool.Spool
	segments []spool.Segment
	gaps     []spool.Gap // of damaged pictures
	status   capture.Status
}

// recordOverUDP records a GStreamer camera for a while: from its packets to the
// spool. GStreamer's server may die of the first packet that netsim delays; then
// another is started.
func recordOverUDP(t *testing.T, launch string, length time.Duration) *lossyRun {
	t.Helper()
	for try := 1; ; try++ {
		sp, camera, stop := startOverUDP(t, launch)
		for begun := time.Now(); camera.Status().Frames == 0 && camera.Status().Reconnects == 0 && time.Since(begun) < 20*time.Second; {
			time.Sleep(20 * time.Millisecond)
		}
		if camera.Status().Frames > 0 {
			time.Sleep(length)
			status := camera.Status()
			stop()
			return readRun(t, sp, status)
		}
		stop()
		if try == 3 {
			t.Fatalf("nothing was recorded: %+v", camera.Status())
		}
	}
}

func startOverUDP(t *testing.T, launch string) (*spool.Spool, *capture.Camera, func()) {
	t.Helper()
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: launch, Transport: "udp"})
	sp, err := spool.Open(t.Context(), spool.Options{Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sp.Close() })
	session, err := rtsp.NewSession(rtsp.Options{
		URL: "rtsp://" + address + "/cam", Transport: rtsp.UDP, Audio: true, Log: zerolog.Nop(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	camera := capture.New(capture.Options{
		ID: "yard", Name: "Yard", ClientName: "host", Plan: capture.NewPlan(nil), Spool: sp, Buffers: capture.NewBuffers(),
		Stream:     func(ctx context.Context, r *capture.Recorder) error { return session.Run(ctx, r) },
		Segmenting: capture.Segmenting{Duration: 3 * time.Second, Part: time.Second, Sync: 2 * time.Second},
		Log:        zerolog.Nop(), Now: time.Now,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		camera.Run(ctx)
	}()
	return sp, camera, func() {
		cancel()
		<-done
	}
}

// readRun reads what a run has left in the ledger.
func readRun(t *testing.T, sp *spool.Spool, status capture.Status) *lossyRun {
	t.Helper()
	run := &lossyRun{t: t, spool: sp, status: status}
	var err error
	if run.segments, err = sp.Segments(t.Context(), spool.Finished); err != nil || len(run.segments) == 0 {
		t.Fatalf("%d segments, %v: %+v", len(run.segments), err, run.status)
	}
	gaps, err := sp.Gaps(t.Context(), "yard")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps {
		switch g.Cause {
		case spool.BadFootage:
			run.gaps = append(run.gaps, g)
		case spool.Connecting:
		default:
			t.Errorf("a gap for another cause: %+v", g)
		}
	}
	if run.status.Reconnects > 0 {
		t.Errorf("the session ended: %s", run.status.LastError)
	}
	return run
}

// missing is how long there is no footage, as the ledger says.
func (r *lossyRun) missing() (sum time.Duration) {
	for _, g := range r.gaps {
		sum += g.End.Sub(g.Start)
	}
	return sum
}

// check wants each file to be decoded without one error, and the time of the run
// to be that of the pictures in the files and of the gaps, as it is that of the
// ledger's account. A player leaves out leading pictures behind the first of a file.
func (r *lossyRun) check(leading int64) {
	r.t.Helper()
	pictures, recorded := int64(0), time.Duration(0)
	var last time.Time // end of the last picture; sound may go on
	for _, seg := range r.segments {
		file := filepath.Join(r.spool.Dir(), seg.Path)
		if said, err := exec.CommandContext(r.t.Context(), "ffmpeg", "-v", "error", "-i", file, "-f", "null", "-").CombinedOutput(); err != nil || len(said) > 0 {
			r.t.Errorf("segment %v: ffmpeg says %v: %s", seg.Start, err, said)
		}
		n, length := decodedWell(r.t, file)
		last = seg.Start.Add(length)
		if n > seg.Frames || n < seg.Frames-leading {
			r.t.Errorf("segment %v: %d of %d pictures can be decoded", seg.Start, n, seg.Frames)
		}
		pictures += seg.Frames
		recorded += seg.Recorded
	}
	if n := len(r.gaps); n > 0 && r.gaps[n-1].End.After(last) { // to the end nothing could be decoded any more
		last = r.gaps[n-1].End
	}
	ran := last.Sub(r.segments[0].Start)
	r.t.Logf("%v in %d segments: %d pictures, %v recorded, %d damages, %d gaps of %v",
		ran, len(r.segments), pictures, recorded, r.status.Damages, len(r.gaps), r.missing())
	// The first pictures may come late.
	slack := 300*time.Millisecond + time.Duration(len(r.gaps)+len(r.segments))*lossyFrame
	if off := time.Duration(pictures)*lossyFrame + r.missing() - ran; off.Abs() > slack {
		r.t.Errorf("pictures and gaps do not make up the time: off by %v, more than %v", off, slack)
	}
	if off := recorded + r.missing() - ran; off.Abs() > slack {
		r.t.Errorf("what is recorded and gaps do not make up the time: off by %v, more than %v", off, slack)
	}
}

// decodedWell counts the pictures of a file that can be decoded, and says how long it has
// pictures.
func decodedWell(t *testing.T, file string) (int64, time.Duration) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-select_streams", "v", "-count_frames",
		"-show_entries", "stream=nb_read_frames,duration", "-of", "json", file).Output()
	var probed struct {
		Streams []struct {
			Frames   int64   `json:"nb_read_frames,string"`
			Duration float64 `json:"duration,string"`
		}
	}
	if err != nil || json.Unmarshal(out, &probed) != nil || len(probed.Streams) != 1 {
		t.Fatalf("ffprobe %s: %v: %s", file, err, out)
	}
	return probed.Streams[0].Frames, time.Duration(probed.Streams[0].Duration * float64(time.Second))
}

// What loses packets loses pictures up to the next key frame, no more and no less,
// and the ledger knows when.
func TestLossOverUDP(t *testing.T) {
	needs(t, "ffmpeg", "ffprobe")
	for _, tc := range []struct {
		name, pipeline, network string
		leading                 int64
	}{
		{"one percent", noisyH264, "drop-probability=0.01", 0},
		{"five percent", easyH264, "drop-probability=0.05", 0},
		{"one percent of slices", slicyH264, "drop-probability=0.01", 0},
		{"one percent of H.265", noisyH265, "drop-probability=0.01", 0},
		{"one percent of open groups", openH265, "drop-probability=0.01", 2},
		{"loss, doubles and disorder", noisyH264, "drop-probability=0.01 duplicate-probability=0.02 delay-probability=0.2 min-delay=1 max-delay=30", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			run := recordOverUDP(t, badNetwork(tc.pipeline, 0, tc.network), 6*time.Second)
			run.check(tc.leading)
			if n := int64(len(run.gaps)); run.status.Damages == 0 || n > run.status.Damages+1 || n == 0 && run.status.Damages > 1 {
				t.Errorf("%d damages and %d gaps over this network", run.status.Damages, len(run.gaps))
			}
		})
	}
}

// What comes late or twice is put in order: nothing is lost.
func TestDisorderOverUDP(t *testing.T) {
	needs(t, "ffmpeg", "ffprobe")
	for _, tc := range []struct{ name, pipeline, network string }{
		{"disorder", noisyH264, "delay-probability=0.3 min-delay=1 max-delay=60"},
		{"doubles", noisyH264, "duplicate-probability=0.5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			run := recordOverUDP(t, badNetwork(tc.pipeline, 0, tc.network), 6*time.Second)
			run.check(0)
			if run.status.Damages != 0 || len(run.gaps) != 0 {
				t.Errorf("%d damages, gaps %+v: all had come", run.status.Damages, run.gaps)
			}
		})
	}
}

// Sound that loses packets costs no picture, and what comes through stays where it
// belongs: the ticks are one second apart, over all segments.
func TestSoundLossOverUDP(t *testing.T) {
	needs(t, "ffmpeg", "ffprobe")
	for name, samples := range map[string]int{"short packets": 160, "long packets": 1024} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sound := fmt.Sprintf("audiotestsrc is-live=true wave=ticks samplesperbuffer=%d ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay pt=0", samples)
			run := recordOverUDP(t, noisyH264+" name=pay0  "+badNetwork(sound, 1, "drop-probability=0.05"), 6*time.Second)
			run.check(0)
			if run.status.Damages != 0 || len(run.gaps) != 0 {
				t.Errorf("%d damages, gaps %+v: the pictures had all come", run.status.Damages, run.gaps)
			}
			var ticks []time.Duration // on the time line of the pictures, none of which is missing
			from := time.Duration(0)
			for _, seg := range run.segments {
				ticks = append(ticks, ticksOf(t, filepath.Join(run.spool.Dir(), seg.Path), from)...)
				from += time.Duration(seg.Frames) * lossyFrame
			}
			if len(ticks) < 2 {
				t.Fatalf("%d ticks were heard: %v", len(ticks), ticks)
			}
			for _, at := range ticks {
				off := at - ticks[0]
				if off -= off.Round(time.Second); off.Abs() > 30*time.Millisecond {
					t.Errorf("a tick at %v, %v beside the others: %v", at, off, ticks)
				}
			}
		})
	}
}

// ticksOf finds when the sound of a file that begins at from begins after silence.
func ticksOf(t *testing.T, file string, from time.Duration) (ticks []time.Duration) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostats", "-i", file, "-map", "0:a?", "-map", "0:v", "-c:v", "copy",
		"-af", "silencedetect=noise=-30dB:duration=0.3", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tick := time.Duration(-1)
	for line := range strings.Lines(string(out)) {
		if _, at, found := strings.Cut(line, "silence_end: "); found {
			var seconds float64
			if _, err := fmt.Sscan(at, &seconds); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			tick = from + time.Duration(seconds*float64(time.Second))
		}
		if strings.Contains(line, "silence_start: ") && tick >= 0 { // at the end of the file it is no tick
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// The reports of a real camera, whose clock is this host's, down to the ledger.
func TestClockOfRealCamera(t *testing.T) {
	run := recordOverUDP(t, noisyH264+" name=pay0", 4*time.Second)
	known := 0
	for _, seg := range run.segments {
		if seg.ClockOffset == nil {
			continue
		}
		known++
		t.Logf("segment %v: %v", seg.Start, *seg.ClockOffset)
		if seg.ClockOffset.Abs() > time.Second {
			t.Errorf("segment %v: the camera's clock is said to be %v from ours", seg.Start, *seg.ClockOffset)
		}
	}
	if known == 0 || run.status.ClockOffset == nil {
		t.Errorf("not known of any of %d segments", len(run.segments))
	}
}

func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			rtsptest.Missing(t, p)
		}
	}
}

package rtsptest

import (
	"bufio"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Missing skips a test for want of a peer, or fails it where peers are required.
func Missing(t testing.TB, peer string) {
	t.Helper()
	if os.Getenv("REQUIRE_PEERS") != "" {
		t.Fatalf("%s is required and not installed", peer)
	}
	t.Skipf("%s is not installed", peer)
}

//go:embed gst_server.py
var gstServer string

// GStreamerOptions describe a camera.
type GStreamerOptions struct {
	Launch         string // the pipeline, its payloaders named pay0, pay1, …
	User, Password string
	Method         string // basic or digest
	Transport      string // tcp or udp only; empty means both
	TLS            string // file with certificate and key: the camera speaks RTSP over TLS
	Port           string // empty: one that is free
}

// Typical pipelines.
const (
	H264Live    = "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1 ! x264enc tune=zerolatency key-int-max=25 bitrate=800 speed-preset=ultrafast ! h264parse ! rtph264pay name=pay0 pt=96"
	H264BFrames = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=25/1 ! x264enc bframes=2 key-int-max=25 bitrate=800 speed-preset=veryfast ! video/x-h264,profile=main ! h264parse ! rtph264pay name=pay0 pt=96"
	H265Live    = "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1 ! x265enc tune=zerolatency key-int-max=25 bitrate=800 speed-preset=ultrafast ! h265parse ! rtph265pay name=pay0 pt=96"
	MJPEGLive   = "videotestsrc is-live=true ! video/x-raw,format=I420,width=640,height=360,framerate=25/1 ! jpegenc ! rtpjpegpay name=pay0 pt=26"
	AACLive     = " audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! aacparse ! rtpmp4gpay name=pay1 pt=97"
	OpusLive    = " audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay name=pay1 pt=97"
	L16Live     = " audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! audioconvert ! rtpL16pay name=pay1 pt=97"
	L24Live     = " audiotestsrc is-live=true ! audio/x-raw,rate=16000,channels=1 ! audioconvert ! rtpL24pay name=pay1 pt=97"
	PCMULive    = " audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0"
	PCMALive    = " audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8"
)

// GStreamer starts GStreamer's RTSP server and returns host:port of its stream
// "/cam". It is killed when the test ends.
func GStreamer(t testing.TB, o GStreamerOptions) (address string) {
	t.Helper()
	address, _ = StartGStreamer(t, o)
	return address
}

// StartGStreamer starts a camera that can be pulled out: stop kills it.
func StartGStreamer(t testing.TB, o GStreamerOptions) (address string, stop func()) {
	t.Helper()
	python := gstPython(t)
	if o.TLS != "" && exec.Command(python, "-c", "from gi.repository import Gio; assert Gio.TlsBackend.get_default().supports_tls()").Run() != nil {
		Missing(t, "TLS for GStreamer (glib-networking)")
	}
	cmd := exec.Command(python, "-c", gstServer, o.Launch, o.User, o.Password, o.Method, o.Transport, o.TLS, o.Port)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("GStreamer's RTSP server did not start: %v", err)
	}
	return "127.0.0.1:" + strings.TrimSpace(line), stop
}

// gstPython finds a Python that can import GStreamer's RTSP server.
func gstPython(t testing.TB) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		check := "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
		if exec.Command(python, "-c", check).Run() == nil {
			return python
		}
	}
	Missing(t, "GStreamer's RTSP server (python3-gi, gir1.2-gst-rtsp-server-1.0)")
	return ""
}

// FFmpegPublish has ffmpeg encode a live test picture, with sound if audio is
// not empty, and publish it to a path of the hub. It is killed when the test ends.
func FFmpegPublish(t testing.TB, h *Hub, path string, video, audio []string) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		Missing(t, "ffmpeg")
	}
	args := []string{"-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25"}
	if len(audio) > 0 {
		args = append(args, "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000")
	}
	args = append(append(args, video...), audio...)
	args = append(args, "-f", "rtsp", "-rtsp_transport", "tcp", h.URL(path))
	cmd := exec.Command("ffmpeg", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	select {
	case <-h.Arrived(path):
	case <-time.After(20 * time.Second):
		t.Fatal(fmt.Errorf("ffmpeg has not published %s", path))
	}
}

package check

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/pion/rtp"

	"recording-agent/agent/central/centraltest"
	"recording-agent/agent/config"
	"recording-agent/capture/media"
	"recording-agent/capture/rtsp"
	"recording-agent/capture/rtsp/rtsptest"
)

func sessionOf(c config.Camera) rtsp.Options {
	return rtsp.Options{
		URL: c.StreamURL().Reveal(), Transport: rtsp.Transport(c.Transport), Audio: c.Audio, Video: c.Video,
		DialTimeout: c.Timeout, RequestTimeout: c.Timeout, StallTimeout: c.StallTimeout,
	}
}

// cameraChecks are those of cameras "a", "b" … under these addresses.
func cameraChecks(t *testing.T, urls ...string) *trial {
	t.Helper()
	text := "[agent]\nclient_name = \"host\"\nstorage = \"local\"\n"
	for i, url := range urls {
		text += fmt.Sprintf("[[camera]]\nid = \"%c\"\nname = \"Camera %d\"\ntimeout = \"1s\"\nurl = %q\n", 'a'+i, i+1, url)
	}
	return checksOf(t, text)
}

func TestCameraThatIsFine(t *testing.T) {
	t.Parallel()
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live + rtsptest.PCMULive, User: "viewer", Password: "hunter2", Method: "digest"})
	tr := cameraChecks(t, "rtsp://viewer:hunter2@"+address+"/cam")
	if err := tr.Cameras(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "reach", OK, address)
	tr.want(t, "rtsp", OK)
	tr.want(t, "login", OK, "takes user and password")
	tr.want(t, "stream", OK, "h264", "pcmu 8000 Hz")
	tr.want(t, "codec", OK, "avc1.", "640x360")
	tr.want(t, "key frame", OK, "after")
	tr.want(t, "bitrate", OK, "Mbit/s", "25.0 pictures")
	tr.want(t, "gop", OK, "each 1.0 s")
	tr.want(t, "clock", OK, "the camera's clock is 0.")
	tr.without(t, "hunter2")
	if len(tr.steps) != 9 {
		t.Error(tr.text())
	}
}

func TestCamerasThatAreWrong(t *testing.T) {
	t.Parallel()
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live, User: "viewer", Password: "right", Method: "basic"})
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	sound := "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:t0\r\n"
	full := rtsptest.Scripted(t, rtsptest.Script{Answer: func(req *base.Request) *base.Response {
		if req.Method == base.Describe {
			return &base.Response{StatusCode: base.StatusNotEnoughBandwidth}
		}
		return nil
	}})
	for name, tc := range map[string]struct {
		url, step string
		words     []string
		well      []string
	}{
		"wrong password":   {"rtsp://viewer:hunter2@" + address + "/cam", "login", []string{"refuses the login", "user and password", "lock"}, []string{"reach", "rtsp"}},
		"no password":      {"rtsp://" + address + "/cam", "login", []string{"refuses the login"}, []string{"reach", "rtsp"}},
		"no path":          {"rtsp://viewer:right@" + address + "/hunter2/none", "stream", []string{"no stream under this path", "camera's manual"}, []string{"reach", "rtsp", "login"}},
		"closed port":      {"rtsp://viewer:hunter2@" + closed.Addr().String() + "/cam", "reach", []string{"nothing listens", "554"}, nil},
		"unknown host":     {"rtsp://viewer:hunter2@camera.invalid/cam", "reach", []string{"host name is not known", "IP address"}, nil},
		"a web page":       {"rtsp://viewer:hunter2@" + strings.TrimPrefix(web.URL, "http://") + "/cam", "rtsp", []string{"does not speak RTSP", "web page"}, []string{"reach"}},
		"silence":          {"rtsp://viewer:hunter2@" + silent.Addr().String() + "/cam", "rtsp", []string{"does not answer", "power"}, []string{"reach"}},
		"sound only":       {"rtsp://" + rtsptest.Scripted(t, rtsptest.Script{SDP: sound}) + "/cam", "stream", []string{"no video", "H.264"}, []string{"reach", "rtsp", "login"}},
		"too many viewers": {"rtsp://" + full + "/cam", "stream", []string{"rejects the request", "simultaneous"}, []string{"reach", "rtsp", "login"}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := cameraChecks(t, tc.url)
			if err := tr.Cameras(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			tr.want(t, tc.step, Failed, tc.words...)
			for _, step := range tc.well {
				tr.want(t, step, OK)
			}
			if len(tr.steps) != len(tc.well)+1 {
				t.Error(tr.text())
			}
			tr.without(t, "viewer:", ":hunter2", ":right")
		})
	}
}

// A camera whose pictures all need others before them.
func TestCameraWithoutKeyFrames(t *testing.T) {
	t.Parallel()
	address := rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(rtsptest.SDPH264), Play: func(p *rtsptest.Player) {
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for n := range uint16(10_000) {
			picture := &rtp.Packet{
				Header:  rtp.Header{Version: 2, PayloadType: 96, Marker: true, SequenceNumber: n, Timestamp: uint32(n) * 3600, SSRC: 1},
				Payload: []byte{0x41, 0x9a, 0x24, 0x6c, byte(n)}, // a slice that is not of an IDR picture
			}
			if p.Send(0, picture) != nil {
				return
			}
			select {
			case <-p.Context.Done():
				return
			case <-tick.C:
			}
		}
	}})
	tr := cameraChecks(t, "rtsp://"+address+"/cam")
	if err := tr.Cameras(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "stream", OK)
	tr.want(t, "key frame", Failed, "no key frame", "GOP")
}

// A camera that has begun with a key frame, and sends no other.
func TestCameraWithVeryLongGroups(t *testing.T) {
	t.Parallel()
	launch := strings.Replace(rtsptest.H264Live, "key-int-max=25", "key-int-max=100000", 1)
	tr := cameraChecks(t, "rtsp://"+rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: launch})+"/cam")
	if err := tr.Cameras(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "key frame", OK, "after")
	tr.want(t, "gop", Warning, "no second key frame in", "GOP")
	if f := tr.failures(); len(f) > 0 {
		t.Error(tr.text())
	}
}

func TestSightThatIsPoor(t *testing.T) {
	t.Parallel()
	tr := cameraChecks(t)
	g := tr.group("camera", "a", "")
	off := -3 * 24 * time.Hour
	s := sight{tracks: []media.Track{{Codec: media.H264, ClockRate: 90000}}, started: true, clockOffset: &off, damages: 2, damaged: "packets are missing"}
	for i := range 12 {
		s.add(&media.Sample{DTS: int64(i) * 90000, Sync: i == 0 || i == 11, Units: [][]byte{make([]byte, 125_000)}})
	}
	s.tellRate(g)
	s.tellGOP(g)
	s.tellClock(g)
	tr.want(t, "bitrate", Warning, "1.00 Mbit/s, 1.0 pictures", "2 times", "network")
	tr.want(t, "gop", Warning, "11.0 s apart", "GOP")
	tr.want(t, "clock", Warning, "3 days behind this host's", "NTP")
	tr.steps = nil
	s.keyFrames, s.clockOffset = s.keyFrames[:1], nil
	s.tellGOP(g)
	s.tellClock(g)
	s.tellCodec(g)
	tr.want(t, "gop", Warning, "no second key frame")
	tr.want(t, "clock", OK, "does not say")
	tr.want(t, "codec", Failed, "cannot be read")
}

func TestCamerasInOrder(t *testing.T) {
	t.Parallel()
	var urls []string
	for range 20 {
		urls = append(urls, "rtsp://127.0.0.1:1/x")
	}
	tr := cameraChecks(t, urls...)
	if err := tr.Cameras(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for i, s := range tr.steps {
		if s.Subject != string(rune('a'+i)) {
			t.Fatal(tr.text())
		}
	}
	tr.steps = nil
	if err := tr.Cameras(t.Context(), []string{"camera 3", "B", "b"}); err != nil {
		t.Fatal(err)
	}
	if len(tr.steps) != 2 || tr.steps[0].Subject != "c" || tr.steps[1].Subject != "b" {
		t.Error(tr.text())
	}
	if err := tr.Cameras(t.Context(), []string{"nobody"}); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Error(err)
	}
}

func TestInterruptedCameras(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	tr := cameraChecks(t, "rtsp://"+silent.Addr().String()+"/x")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := tr.Cameras(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 600*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

func TestNoCamera(t *testing.T) {
	t.Parallel()
	tr := cameraChecks(t)
	if err := tr.Cameras(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "cameras", Warning, "no camera", "[[camera]]")
}

const assignedID = "0198c0de-0000-7000-8000-00000000000a"

func TestAssignedCameras(t *testing.T) {
	t.Parallel()
	central := centraltest.New(centraltest.Options{Token: "hunter2"})
	server := httptest.NewServer(central)
	defer server.Close()
	central.Assign([]centraltest.Camera{{ID: assignedID, Name: "Yard", URL: "rtsp://127.0.0.1:1/x", Type: "ip", Quality: "high"}}, nil)
	tr := checksOf(t, "[agent]\nclient_name = \"host\"\nstorage = \"local\"\n[central]\nurl = \""+server.URL+"\"\ntoken = \"hunter2\"\ncameras = true\nclient_id = \"0198c0de-0000-7000-8000-000000000001\"\n")
	tr.Kept = filepath.Join(t.TempDir(), "none.json")
	if err := tr.Cameras(t.Context(), []string{"yard"}); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "reach", Failed, "nothing listens")
	server.Close()
	tr.steps = nil
	if err := tr.Cameras(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "cameras", Warning, "cannot be reached", "central.url")
}

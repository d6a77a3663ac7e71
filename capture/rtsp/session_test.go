package rtsp

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// collector is a sink that ends the session once it has enough pictures.
type collector struct {
	enough int

	mu      sync.Mutex
	tracks  []media.Track
	samples []media.Sample
	damages int
}

var errEnough = errors.New("enough")

func (c *collector) Start(tracks []media.Track) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tracks = tracks
	return nil
}

func (c *collector) Write(s *media.Sample) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples = append(c.samples, *s)
	if c.pictures() >= c.enough {
		return errEnough
	}
	return nil
}

func (c *collector) Damaged(string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.damages++
}

func (c *collector) pictures() int {
	n := 0
	for i := range c.samples {
		if c.samples[i].Track == 0 {
			n++
		}
	}
	return n
}

func options(t testing.TB, url string) Options {
	return Options{URL: url, Transport: TCP, Audio: true, Log: zerolog.New(zerolog.NewTestWriter(t)), Now: time.Now}
}

func runSession(t testing.TB, o Options, sink Sink) error {
	t.Helper()
	s, err := NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return s.Run(ctx, sink)
}

// check holds a collected stream against what every sink may rely on.
func (c *collector) check(t *testing.T, video, audio media.Codec) {
	t.Helper()
	if len(c.tracks) == 0 || c.tracks[0].Codec != video || !c.tracks[0].Video.Complete(video) {
		t.Fatalf("tracks: %+v", c.tracks)
	}
	if audio == "" && len(c.tracks) != 1 || audio != "" && (len(c.tracks) != 2 || c.tracks[1].Codec != audio || c.tracks[1].Validate() != nil) {
		t.Fatalf("tracks: %+v, want sound %q", c.tracks, audio)
	}
	if !c.samples[0].Sync || c.samples[0].Track != 0 {
		t.Errorf("the first sample is no key frame: track %d", c.samples[0].Track)
	}
	last, counts := [2]int64{-1 << 40, -1 << 40}, [2]int{}
	for _, s := range c.samples {
		counts[s.Track]++
		if s.DTS <= last[s.Track] || s.PTS < s.DTS {
			t.Fatalf("track %d: DTS %d, PTS %d after DTS %d", s.Track, s.DTS, s.PTS, last[s.Track])
		}
		last[s.Track] = s.DTS
		ahead := 2 * time.Second
		if s.Track > 0 { // an encoder of pictures that does not keep up lets the sound run ahead of them
			ahead = maxApart
		}
		if age := time.Since(s.Wall); age < -ahead || age > 30*time.Second {
			t.Fatalf("track %d: wall time %v, %v ago", s.Track, s.Wall, age)
		}
	}
	if audio != "" && counts[1] < counts[0]/5 {
		t.Errorf("%d pictures, %d frames of sound", counts[0], counts[1])
	}
}

func TestGStreamerCameras(t *testing.T) {
	for _, tc := range []struct {
		name      string
		launch    string
		transport Transport
		video     media.Codec
		audio     media.Codec
	}{
		{"h264 over tcp", rtsptest.H264Live, TCP, media.H264, ""},
		{"h264 over udp", rtsptest.H264Live, UDP, media.H264, ""},
		{"h264 with b-frames and aac", rtsptest.H264BFrames + rtsptest.AACLive, TCP, media.H264, media.AAC},
		{"h265 and opus over udp", rtsptest.H265Live + rtsptest.OpusLive, UDP, media.H265, media.Opus},
		{"h264 and g711 u-law", rtsptest.H264Live + rtsptest.PCMULive, TCP, media.H264, media.PCMU},
		{"mjpeg over tcp", rtsptest.MJPEGLive, TCP, media.MJPEG, ""},
		{"mjpeg over udp and aac", rtsptest.MJPEGLive + rtsptest.AACLive, UDP, media.MJPEG, media.AAC},
		{"h264 and 16 bit", rtsptest.H264Live + rtsptest.L16Live, TCP, media.H264, media.LPCM},
		{"h264 and 24 bit over udp", rtsptest.H264Live + rtsptest.L24Live, UDP, media.H264, media.LPCM},
		{"h264 and g711 a-law, auto", rtsptest.H264Live + rtsptest.PCMALive, Auto, media.H264, media.PCMA},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: tc.launch})
			o := options(t, "rtsp://"+address+"/cam")
			o.Transport = tc.transport
			c := &collector{enough: 60}
			if err := runSession(t, o, c); !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			c.check(t, tc.video, tc.audio)
			if tc.video == media.MJPEG {
				c.checkJPEG(t, 640, 360)
			}
			if strings.Contains(tc.name, "b-frames") {
				reordered := false
				for _, s := range c.samples {
					reordered = reordered || s.Track == 0 && s.PTS > s.DTS+3600
				}
				if !reordered {
					t.Error("no picture is presented after its successor: these are no B-frames")
				}
			}
		})
	}
}

// checkJPEG decodes each picture.
func (c *collector) checkJPEG(t *testing.T, width, height int) {
	t.Helper()
	for _, s := range c.samples {
		if s.Track != 0 {
			continue
		}
		img, err := jpeg.Decode(bytes.NewReader(s.Units[0]))
		if err != nil || img.Bounds().Dx() != width || img.Bounds().Dy() != height || !s.Sync {
			t.Fatalf("a picture that is no key frame (%v) or no JPEG of %d×%d: %v", s.Sync, width, height, err)
		}
	}
}

func TestSoundCanBeLeftOut(t *testing.T) {
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live + rtsptest.PCMULive})
	o := options(t, "rtsp://"+address+"/cam")
	o.Audio = false
	c := &collector{enough: 10}
	if err := runSession(t, o, c); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	c.check(t, media.H264, "")
}

func TestLogin(t *testing.T) {
	for _, method := range []string{"basic", "digest"} {
		t.Run(method, func(t *testing.T) {
			address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live, User: "viewer", Password: "p@ss:word", Method: method})
			c := &collector{enough: 3}
			if err := runSession(t, options(t, "rtsp://viewer:p%40ss%3Aword@"+address+"/cam"), c); !errors.Is(err, errEnough) {
				t.Fatalf("right password: %v", err)
			}
			for _, login := range []string{"viewer:verysecret@", ""} {
				err := runSession(t, options(t, "rtsp://"+login+address+"/cam"), &collector{enough: 3})
				wantFailure(t, err, LoginRefused)
				if strings.Contains(err.Error(), "verysecret") {
					t.Errorf("the error tells the password: %v", err)
				}
			}
		})
	}
}

func wantFailure(t *testing.T, err error, cause Cause) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) || f.Cause != cause {
		t.Errorf("failed with %v, want %q", err, cause)
		return
	}
	if _, remedy := f.Explain(); remedy == "" && cause != Closed {
		t.Errorf("%q has no remedy", cause)
	}
}

func TestWrongPath(t *testing.T) {
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live})
	wantFailure(t, runSession(t, options(t, "rtsp://"+address+"/nothing-here"), &collector{enough: 1}), PathNotFound)
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	wantFailure(t, runSession(t, options(t, "rtsp://u:verysecret@"+address+"/cam"), &collector{enough: 1}), Refused)
	wantFailure(t, runSession(t, options(t, "rtsp://no-such-camera.invalid/cam"), &collector{enough: 1}), HostNotFound)
}

// listen serves one TCP connection after the other with handle.
func listen(t *testing.T, handle func(c net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

func TestSilentCameraTimesOut(t *testing.T) {
	done := make(chan struct{})
	address := listen(t, func(net.Conn) { <-done })
	defer close(done)
	o := options(t, "rtsp://"+address+"/cam")
	o.DialTimeout, o.RequestTimeout = 100*time.Millisecond, 100*time.Millisecond
	wantFailure(t, runSession(t, o, &collector{enough: 1}), TimedOut)
}

func TestWebServerIsNoCamera(t *testing.T) {
	address := listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1024))
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
	})
	wantFailure(t, runSession(t, options(t, "rtsp://"+address+"/cam"), &collector{enough: 1}), NotRTSP)
}

func TestStreamWithoutVideo(t *testing.T) {
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: strings.Replace(rtsptest.PCMULive, "pay1", "pay0", 1)})
	wantFailure(t, runSession(t, options(t, "rtsp://"+address+"/cam"), &collector{enough: 1}), NoVideo)
}

func TestContextEndsTheSession(t *testing.T) {
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live})
	s, err := NewSession(options(t, "rtsp://"+address+"/cam"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	sink := &hook{write: func() { cancel() }}
	if err := s.Run(ctx, sink); err != nil {
		t.Fatalf("a session that was told to end: %v", err)
	}
}

type hook struct{ write func() }

func (*hook) Start([]media.Track) error { return nil }
func (*hook) Damaged(string)            {}
func (h *hook) Write(*media.Sample) error {
	h.write()
	return nil
}

func TestPanicEndsOnlyTheSession(t *testing.T) {
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live})
	err := runSession(t, options(t, "rtsp://"+address+"/cam"), &hook{write: func() { panic("a parser's mistake") }})
	if err == nil || !strings.Contains(err.Error(), "a parser's mistake") {
		t.Fatalf("after a panic: %v", err)
	}
}

// ffmpeg as a camera: through a hub, over TCP.
func TestFFmpegCamera(t *testing.T) {
	hub, err := rtsptest.NewHub()
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	rtsptest.FFmpegPublish(t, hub, "x",
		strings.Fields("-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p"), strings.Fields("-c:a aac -ac 2"))
	c := &collector{enough: 50}
	if err := runSession(t, options(t, hub.URL("x")), c); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	c.check(t, media.H264, media.AAC)
}

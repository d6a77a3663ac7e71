package rtsp

import (
	"errors"
	"strings"
	"testing"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

func TestVLCCameras(t *testing.T) {
	h264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p"}
	for name, tc := range map[string]struct {
		rtsptest.VLCOptions
		video, audio media.Codec
	}{
		"h264 with b-frames and aac": {
			rtsptest.VLCOptions{Video: []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p"}, Audio: []string{"-c:a", "aac"}},
			media.H264, media.AAC,
		},
		"h265 and opus": {
			rtsptest.VLCOptions{
				Video: []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=25:log-level=error", "-pix_fmt", "yuv420p"},
				Audio: []string{"-c:a", "libopus", "-ac", "2"},
			},
			media.H265, media.Opus,
		},
		"mjpeg and g711 u-law": {
			rtsptest.VLCOptions{Video: []string{"-c:v", "mjpeg", "-huffman", "default", "-pix_fmt", "yuvj420p"}, Audio: []string{"-c:a", "pcm_mulaw", "-ar", "8000"}},
			media.MJPEG, media.PCMU,
		},
		"h264 and g711 a-law": {rtsptest.VLCOptions{Video: h264, Audio: []string{"-c:a", "pcm_alaw", "-ar", "8000"}}, media.H264, media.PCMA},
		"h264 and 16 bit":     {rtsptest.VLCOptions{Video: h264, Audio: []string{"-c:a", "pcm_s16be", "-ac", "2"}}, media.H264, media.LPCM},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, _ := rtsptest.VLC(t, tc.VLCOptions)
			for _, transport := range []Transport{UDP, Auto} {
				o := options(t, "rtsp://"+address+"/cam")
				o.Transport = transport
				c := &collector{enough: 60}
				if err := runSession(t, o, c); !errors.Is(err, errEnough) {
					t.Fatal(transport, err)
				}
				c.check(t, tc.video, tc.audio)
				if tc.video == media.MJPEG {
					c.checkJPEG(t, 640, 360)
				}
			}
		})
	}
}

// VLC offers UDP only: that is what has to be said to whoever asks for TCP.
func TestVLCRefusesTCP(t *testing.T) {
	address, _ := rtsptest.VLC(t, rtsptest.VLCOptions{Video: []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"}})
	err := runSession(t, options(t, "rtsp://"+address+"/cam"), &collector{enough: 1})
	wantFailure(t, err, OtherTransport)
	var f *Failure
	if errors.As(err, &f) {
		if _, remedy := f.Explain(); !strings.Contains(remedy, `transport = "auto"`) {
			t.Errorf("what to do about it: %q", remedy)
		}
	}
}

package rtsp

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

func TestKeepAlive(t *testing.T) {
	for _, tc := range []struct {
		name   string
		choice KeepAlive
		public string
		want   base.Method
	}{
		{"auto, both are offered", KeepAliveAuto, "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER", base.GetParameter},
		{"auto, one is offered", KeepAliveAuto, "OPTIONS, DESCRIBE, SETUP, PLAY", base.Options},
		{"auto, nothing is offered", "", "", base.Options},
		{"options", KeepAliveOptions, "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER", base.Options},
		{"get_parameter", KeepAliveGetParameter, "OPTIONS, DESCRIBE, SETUP, PLAY", base.GetParameter},
		{"get_parameter, nothing is offered", KeepAliveGetParameter, "", base.GetParameter},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var playing bool
			var seen []base.Method
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answer := func(req *base.Request) *base.Response {
				mu.Lock()
				defer mu.Unlock()
				if playing && req.Method != base.Teardown {
					seen = append(seen, req.Method)
					cancel()
				}
				res := &base.Response{StatusCode: base.StatusOK, Header: base.Header{}}
				switch {
				case req.Method == base.Play:
					playing = true
					return nil
				case req.Method == base.Options && !playing && tc.public != "":
					res.Header["Public"] = base.HeaderValue{tc.public}
				case req.Method != base.Options:
					return nil
				}
				return res
			}
			address := rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(sdpOf(media.H264)), Timeout: 1, Answer: answer, Play: play(t, media.H264, 0)})
			o := options(t, "rtsp://"+address+"/cam")
			o.KeepAlive = tc.choice
			s, err := NewSession(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(ctx, &collector{enough: 1000}); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(seen, []base.Method{tc.want}) {
				t.Errorf("the camera was kept waiting with %v, want %s", seen, tc.want)
			}
		})
	}
}

// Whatever a camera answers, gortsplib's view of it changes in nothing else.
func TestResponseWithoutHeader(t *testing.T) {
	for _, k := range []KeepAlive{KeepAliveAuto, KeepAliveOptions, KeepAliveGetParameter} {
		o := options(t, "rtsp://127.0.0.1/cam")
		o.KeepAlive = k
		s, err := NewSession(o)
		if err != nil {
			t.Fatal(err)
		}
		a := s.newAttempt(TCP, &collector{})
		defer a.abort()
		res := &base.Response{StatusCode: base.StatusOK}
		a.response(res)
		if res.StatusCode != base.StatusOK || len(res.Header) != 0 || res.Body != nil {
			t.Errorf("%s: %+v", k, res)
		}
	}
}

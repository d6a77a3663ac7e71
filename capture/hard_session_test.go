package capture_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"recording-agent/capture/rtsp/rtsptest"
)

// A camera that ends a session in which nobody asks for anything for two seconds is
// recorded without a break, whichever request counts with it.
func TestHardSessionTimeout(t *testing.T) {
	f := shoot(t, 400, "192x128", plain)
	for _, method := range []base.Method{base.Options, base.GetParameter} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			began := time.Now()
			script := rtsptest.Script{SDP: f.sdp(), Timeout: 2, Answer: func(req *base.Request) *base.Response {
				if req.Method != method && req.Method != base.Play {
					if req.Method == base.Options && method == base.GetParameter {
						return &base.Response{StatusCode: base.StatusOK, Header: base.Header{"Public": base.HeaderValue{"GET_PARAMETER"}}}
					}
					return nil
				}
				asked.Store(int64(time.Since(began)))
				if req.Method == base.Options {
					return &base.Response{StatusCode: base.StatusOK}
				}
				return nil
			}}
			r := record(t, hard{script: script, play: func(s *sender) {
				for n := range 400 {
					if time.Since(began)-time.Duration(asked.Load()) > 2*time.Second {
						s.player.Close()
						t.Errorf("nobody asked for two seconds, at picture %d", n)
						return
					}
					s.show(f, n, n+1, nil)
				}
			}})
			r.whole(f, 0, 400)
			r.count(1)
			r.noGap()
		})
	}
}

// Package rtsptest holds cameras for tests, benchmarks and the demo: a hub that
// takes what ffmpeg publishes, clips that loop for ever, and GStreamer's RTSP
// server, which shares no code with ours.
package rtsptest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
)

// Hub is an RTSP server on loopback whose streams are published into it or
// played from clips.
type Hub struct {
	server *gortsplib.Server
	port   int

	mu      sync.Mutex
	streams map[string]*gortsplib.ServerStream
	arrived map[string]chan struct{}
	tallies map[string]*tally // of those whose pictures are numbered
}

// NewHub starts a hub on a free port.
func NewHub() (*Hub, error) { return newHub(nil) }

// NewSecureHub starts a hub that speaks RTSP over TLS.
func NewSecureHub(c tls.Certificate) (*Hub, error) {
	return newHub(&tls.Config{Certificates: []tls.Certificate{c}})
}

func newHub(secure *tls.Config) (*Hub, error) {
	h := &Hub{streams: map[string]*gortsplib.ServerStream{}, arrived: map[string]chan struct{}{}, tallies: map[string]*tally{}}
	for range 100 {
		h.port = 20000 + 4*rand.IntN(8000)
		h.server = &gortsplib.Server{
			Handler:        h,
			RTSPAddress:    fmt.Sprintf("127.0.0.1:%d", h.port),
			UDPRTPAddress:  fmt.Sprintf("127.0.0.1:%d", h.port+2),
			UDPRTCPAddress: fmt.Sprintf("127.0.0.1:%d", h.port+3),
			WriteQueueSize: 2048,
			TLSConfig:      secure,
		}
		if err := h.server.Start(); err == nil {
			return h, nil
		}
	}
	return nil, errors.New("no free port for an RTSP server")
}

// Close ends all streams and sessions.
func (h *Hub) Close() {
	h.mu.Lock()
	for _, s := range h.streams {
		s.Close()
	}
	clear(h.streams)
	h.mu.Unlock()
	h.server.Close()
}

// URL is where a path of the hub can be read, or published to.
func (h *Hub) URL(path string) string {
	scheme := "rtsp"
	if h.server.TLSConfig != nil {
		scheme = "rtsps"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d/%s", scheme, h.port, path)
}

// Arrived returns a channel that is closed once the path has a stream.
func (h *Hub) Arrived(path string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.arrival("/" + path)
}

func (h *Hub) arrival(path string) chan struct{} {
	c, ok := h.arrived[path]
	if !ok {
		c = make(chan struct{})
		h.arrived[path] = c
	}
	return c
}

// publish makes a stream readable under a path.
func (h *Hub) publish(path string, desc *description.Session) (*gortsplib.ServerStream, error) {
	stream := &gortsplib.ServerStream{Server: h.server, Desc: desc}
	if err := stream.Initialize(); err != nil {
		return nil, fmt.Errorf("publish %s: %w", path, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.streams[path]; old != nil {
		old.Close()
	} else {
		close(h.arrival(path))
	}
	h.streams[path] = stream
	return stream, nil
}

func (h *Hub) find(path string) (*base.Response, *gortsplib.ServerStream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if stream := h.streams[path]; stream != nil {
		return &base.Response{StatusCode: base.StatusOK}, stream, nil
	}
	return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
}

// OnDescribe answers a reader.
func (h *Hub) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return h.find(ctx.Path)
}

// OnAnnounce takes a publisher.
func (h *Hub) OnAnnounce(ctx *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	stream, err := h.publish(ctx.Path, ctx.Description)
	if err != nil {
		return &base.Response{StatusCode: base.StatusBadRequest}, err
	}
	ctx.Session.SetUserData(stream)
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnSetup answers readers and publishers.
func (h *Hub) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if ctx.Session.State() == gortsplib.ServerSessionStatePreRecord {
		return &base.Response{StatusCode: base.StatusOK}, nil, nil
	}
	return h.find(ctx.Path)
}

// OnPlay answers a reader.
func (h *Hub) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	if t := h.tally(ctx.Path); t != nil {
		ctx.Session.SetUserData(t)
		t.played()
	}
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnRecord hands the packets of a publisher on.
func (h *Hub) OnRecord(ctx *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	stream := ctx.Session.UserData().(*gortsplib.ServerStream)
	ctx.Session.OnPacketRTPAny(func(m *description.Media, _ format.Format, pkt *rtp.Packet) {
		_ = stream.WritePacketRTP(m, pkt) // a reader that is too slow loses it
	})
	return &base.Response{StatusCode: base.StatusOK}, nil
}

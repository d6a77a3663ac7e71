package rtsptest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/conn"
	"github.com/bluenviron/gortsplib/v4/pkg/headers"
	"github.com/pion/rtp"
)

// Script is a camera that does what no honest server would: it speaks RTSP by
// hand, so that every answer and every packet can be wrong.
//
// It accepts UDP and never sends anything over it, as a camera behind a firewall
// does. Over TCP it sends what Play sends.
type Script struct {
	SDP string
	// Answer may take the camera's place for a request; nil leaves the usual
	// answer.
	Answer func(req *base.Request) *base.Response
	// Play sends the media of one connection. When it returns the connection
	// stays open, silently, unless the player closed it.
	Play func(p *Player)
	// Timeout is after how many seconds without a request the camera says that it
	// ends a session; 0 says nothing.
	Timeout int
	// Wrap may lay something around an accepted connection.
	Wrap func(c net.Conn) net.Conn
}

// Player sends the media of one connection to a scripted camera.
type Player struct {
	Context context.Context // ends with the connection

	conn     net.Conn
	rtsp     *conn.Conn
	sending  sync.Mutex
	channels []int // of the tracks, in the order of SETUP
	over     chan struct{}
}

// Scripted starts a scripted camera and returns its host:port. It ends with the
// test.
func Scripted(t testing.TB, s Script) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(ctx, c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		all.Wait()
	})
	return l.Addr().String()
}

// serve is one connection. It reads on while Play runs: a keepalive or a TEARDOWN
// must not fill the socket.
func (s *Script) serve(ctx context.Context, c net.Conn) {
	if s.Wrap != nil {
		c = s.Wrap(c)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	p := &Player{Context: ctx, conn: c, rtsp: conn.NewConn(c)}
	defer func() {
		cancel()
		stop()
		c.Close()
		if p.over != nil {
			<-p.over
		}
	}()
	for {
		what, err := p.rtsp.Read()
		if err != nil {
			return
		}
		req, ok := what.(*base.Request)
		if !ok {
			continue
		}
		if err := s.handle(p, req); err != nil {
			return
		}
	}
}

func (s *Script) handle(p *Player, req *base.Request) error {
	var res *base.Response
	if s.Answer != nil {
		res = s.Answer(req)
	}
	if res == nil {
		res = s.usual(p, req)
	}
	if res.Header == nil {
		res.Header = base.Header{}
	}
	res.Header["CSeq"] = req.Header["CSeq"]
	if err := p.respond(res); err != nil {
		return err
	}
	if req.Method == base.Play && res.StatusCode == base.StatusOK && s.Play != nil && p.over == nil {
		p.over = make(chan struct{})
		go func() {
			defer close(p.over)
			s.Play(p)
		}()
	}
	return nil
}

func (s *Script) usual(p *Player, req *base.Request) *base.Response {
	ok := &base.Response{StatusCode: base.StatusOK, Header: base.Header{}}
	switch req.Method {
	case base.Options:
		ok.Header["Public"] = base.HeaderValue{"DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"}
	case base.Describe:
		ok.Header["Content-Type"] = base.HeaderValue{"application/sdp"}
		ok.Header["Content-Base"] = base.HeaderValue{strings.TrimSuffix(req.URL.String(), "/") + "/"}
		ok.Body = []byte(s.SDP)
	case base.Setup:
		return p.setup(req, s.Timeout)
	case base.Play:
		ok.Header["Session"] = base.HeaderValue{"1"}
	}
	return ok
}

func (p *Player) setup(req *base.Request, timeout int) *base.Response {
	var want headers.Transport
	if err := want.Unmarshal(req.Header["Transport"]); err != nil {
		return &base.Response{StatusCode: base.StatusBadRequest}
	}
	transport := ""
	switch {
	case want.InterleavedIDs != nil:
		p.channels = append(p.channels, want.InterleavedIDs[0])
		transport = fmt.Sprintf("RTP/AVP/TCP;unicast;interleaved=%d-%d", want.InterleavedIDs[0], want.InterleavedIDs[1])
	case want.ClientPorts != nil:
		// 9 is the discard port: nothing comes from there, and nobody reads what
		// the client sends to open its firewall.
		transport = fmt.Sprintf("RTP/AVP;unicast;client_port=%d-%d;server_port=9-10", want.ClientPorts[0], want.ClientPorts[1])
	default:
		return &base.Response{StatusCode: base.StatusUnsupportedTransport}
	}
	session := "1"
	if timeout > 0 {
		session += ";timeout=" + strconv.Itoa(timeout)
	}
	return &base.Response{StatusCode: base.StatusOK, Header: base.Header{
		"Transport": base.HeaderValue{transport}, "Session": base.HeaderValue{session},
	}}
}

func (p *Player) respond(res *base.Response) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	return p.rtsp.WriteResponse(res)
}

// Send sends a packet of a track, counted in the order of SETUP. What is set up
// over UDP stays silent.
func (p *Player) Send(track int, pkt *rtp.Packet) error {
	if track >= len(p.channels) {
		return nil
	}
	payload, err := pkt.Marshal()
	if err != nil {
		return err
	}
	return p.Frame(p.channels[track], payload)
}

// Frame sends an interleaved frame as it is.
func (p *Player) Frame(channel int, payload []byte) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	return p.rtsp.WriteInterleavedFrame(&base.InterleavedFrame{Channel: channel, Payload: payload}, make([]byte, 4+len(payload)))
}

// Raw sends bytes that need not be RTSP.
func (p *Player) Raw(b []byte) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	_, err := p.conn.Write(b)
	return err
}

// OverTCP says whether the client chose TCP for its media.
func (p *Player) OverTCP() bool { return len(p.channels) > 0 }

// Close ends the connection, as a camera that restarts does.
func (p *Player) Close() { p.conn.Close() }

// SDP describes a session. Each media is the lines of one m= section.
func SDP(medias ...string) string {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n")
	for i, m := range medias {
		b.WriteString(m + "a=control:trackID=" + strconv.Itoa(i) + "\r\n")
	}
	return b.String()
}

// Media sections without parameter sets: those come in the stream.
const (
	SDPH264  = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
	SDPH265  = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n"
	SDPAV1   = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 AV1/90000\r\n"
	SDPMJPEG = "m=video 0 RTP/AVP 26\r\n"
	SDPPCMU  = "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)

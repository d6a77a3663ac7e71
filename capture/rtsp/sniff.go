package rtsp

import (
	"bytes"
	"errors"
	"net"
	"sync/atomic"
)

// errHTTP says that the other side answers like a web server.
var errHTTP = errors.New("it answers with HTTP")

// sniffer looks at the first bytes of a connection: gortsplib would wait for the
// rest of what it takes for a strange request.
type sniffer struct {
	net.Conn
	session *Session
	forget  func() bool // lets go of what would close the connection later
	seen    atomic.Bool
}

func (s *sniffer) Close() error {
	s.forget()
	return s.Conn.Close()
}

// Read reads what is ours between the library and the socket as well.
func (s *sniffer) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, s.session.caught("reading the connection", r)
		}
	}()
	n, err = s.Conn.Read(p)
	if n > 0 && !s.seen.Swap(true) && bytes.HasPrefix(p[:n], []byte("HTTP/")) {
		return 0, errHTTP
	}
	return n, err
}

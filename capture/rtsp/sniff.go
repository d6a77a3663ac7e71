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
	forget func() bool // lets go of what would close the connection later
	seen   atomic.Bool
}

func (s *sniffer) Close() error {
	s.forget()
	return s.Conn.Close()
}

func (s *sniffer) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 && !s.seen.Swap(true) && bytes.HasPrefix(p[:n], []byte("HTTP/")) {
		return 0, errHTTP
	}
	return n, err
}

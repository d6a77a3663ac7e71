package rtsp

import (
	"context"
	"net"
)

// Reach opens a TCP connection to the camera and closes it again; nothing is asked.
// Its error is a *Failure.
func (s *Session) Reach(ctx context.Context) error {
	dialer := &net.Dialer{Timeout: s.opts.DialTimeout}
	c, err := dialer.DialContext(ctx, "tcp", s.Endpoint())
	if err != nil {
		return s.explain(err)
	}
	_ = c.Close() // nothing was sent
	return nil
}

// Endpoint is the camera's host and port.
func (s *Session) Endpoint() string {
	port := s.url.Port()
	switch {
	case port != "":
	case s.url.Scheme == "rtsps":
		port = "322"
	default:
		port = "554"
	}
	return net.JoinHostPort(s.url.Hostname(), port)
}

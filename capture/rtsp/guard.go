package rtsp

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"recording-agent/capture/panics"
)

// gortsplib calls what is ours in goroutines of its own: a panic there would end all
// cameras. Whatever it calls goes through here.

// caught reports a panic, and makes an error of it. It is called by the deferred
// function that has recovered it.
func (s *Session) caught(doing string, recovered any) *panics.Error {
	if e, known := recovered.(*panics.Error); known {
		return e
	}
	return s.opts.Panics.Caught(doing, redacted{errors.New(fmt.Sprint(recovered)), s.secrets})
}

// quietly does what has no error to return. The session ends with that of a panic.
func (a *attempt) quietly(doing string, do func()) {
	defer func() {
		if p := recover(); p != nil {
			a.endWith(a.session.caught(doing, p))
		}
	}()
	do()
}

// endWith ends the session. The mutex may be held or not.
func (a *attempt) endWith(err error) {
	select {
	case a.ended <- err:
	default:
	}
}

// calm is a format that gortsplib asks of each packet.
type calm struct {
	format.Format
	attempt *attempt
}

// PTSEqualsDTS is the question.
func (c *calm) PTSEqualsDTS(pkt *rtp.Packet) (yes bool) {
	c.attempt.quietly("looking at a packet", func() { yes = c.Format.PTSEqualsDTS(pkt) })
	return yes
}

// tlsConfig is that of the options; what it asks us must not panic.
func (s *Session) tlsConfig() *tls.Config {
	c := s.opts.tlsConfig()
	verify := c.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = s.caught("checking the camera's certificate", p)
			}
		}()
		return verify(state)
	}
	return c
}

//go:build !linux

package rtsp

import (
	"io"
	"net"
)

func gathered(c net.Conn) io.Reader { return c }

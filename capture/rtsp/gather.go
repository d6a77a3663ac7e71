package rtsp

import (
	"io"
	"net"
	"sync/atomic"
)

// gathering is a camera's TCP connection. Up to PLAY it is read as it comes;
// while the camera plays, what has arrived is fetched together, for all cameras
// at the same moments, where the system allows it: to be woken for every frame
// of every camera costs more than to record it.
type gathering struct {
	net.Conn
	playing atomic.Bool
	in      io.Reader // the reading goroutine's; nil before PLAY
}

func (g *gathering) Read(p []byte) (int, error) {
	if g.in == nil {
		if !g.playing.Load() {
			return g.Conn.Read(p)
		}
		g.in = gathered(g.Conn)
	}
	return g.in.Read(p)
}

package rtsp

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	// gatherEvery is how long a frame may wait in the kernel. It is also by how
	// much the time of arrival, and so the wall-clock time of a frame, may be late.
	gatherEvery = 40 * time.Millisecond
	// gatherRoom is what the kernel gathers before it would wake us. It makes room
	// for as much: a camera must not find its window closed meanwhile. It lasts
	// for 200 Mbit/s.
	gatherRoom = 1 << 20
	// gatherBlock is what one system call fetches.
	gatherBlock = 32 << 10
)

// gatherer reads a socket at multiples of gatherEvery.
type gatherer struct {
	raw    syscall.RawConn
	block  []byte
	unread []byte // of block
	empty  bool   // so was the socket after the last system call
}

// gathered returns a reader that gathers what c receives. What is no TCP socket
// is returned as it is.
func gathered(c net.Conn) io.Reader {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	// Without it the runtime's poller is woken by every packet, although nobody
	// waits for it. See SO_RCVLOWAT in socket(7).
	if ctl := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, gatherRoom)
	}); ctl != nil || err != nil {
		return c
	}
	return &gatherer{raw: raw, block: make([]byte, gatherBlock)}
}

func (g *gatherer) Read(p []byte) (int, error) {
	for len(g.unread) == 0 {
		if g.empty {
			time.Sleep(gatherEvery - time.Duration(time.Now().UnixNano())%gatherEvery)
		}
		n, err := g.fetch()
		if err != nil {
			return 0, err
		}
		g.unread, g.empty = g.block[:n], n < len(g.block)
	}
	n := copy(p, g.unread)
	g.unread = g.unread[n:]
	return n, nil
}

// fetch takes what is there, without waiting: nothing is no error.
func (g *gatherer) fetch() (n int, err error) {
	if closed := g.raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), g.block)
		return true
	}); closed != nil {
		return 0, closed
	}
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return 0, nil
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

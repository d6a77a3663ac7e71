package rtsp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connected returns both ends of a TCP connection; the first one gathers.
func connected(t *testing.T) (*gathering, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	far, err := l.Accept()
	check(t, err)
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	g := &gathering{Conn: near}
	g.playing.Store(true)
	return g, far.(*net.TCPConn)
}

func TestGatherReturnsEveryByte(t *testing.T) {
	g, far := connected(t)
	sent := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(sent)
	wrote := make(chan error, 1)
	go func() {
		rest := sent
		for n := 1; len(rest) > 0; n = min(2*n, len(rest)) {
			if _, err := far.Write(rest[:n]); err != nil {
				wrote <- err
				return
			}
			rest = rest[n:]
		}
		wrote <- far.Close()
	}()
	got, err := io.ReadAll(g)
	check(t, err)
	check(t, <-wrote)
	if !bytes.Equal(sent, got) {
		t.Errorf("%d bytes were sent, %d arrived", len(sent), len(got))
	}
}

// A camera that sends little is not made to wait until there is much.
func TestGatherReturnsTheLittleThereIs(t *testing.T) {
	g, far := connected(t)
	for range 3 {
		_, err := far.Write([]byte("$"))
		check(t, err)
		_, err = io.ReadFull(g, make([]byte, 1))
		check(t, err)
	}
}

func TestGatherEndsWithTheConnection(t *testing.T) {
	t.Run("reset by the camera", func(t *testing.T) {
		g, far := connected(t)
		check(t, far.SetLinger(0))
		check(t, far.Close())
		_, err := g.Read(make([]byte, 1))
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("got %v, want that the connection was reset", err)
		}
	})
	t.Run("closed by us", func(t *testing.T) {
		g, _ := connected(t)
		ended := make(chan error, 1)
		go func() {
			_, err := g.Read(make([]byte, 1))
			ended <- err
		}()
		check(t, g.Close())
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want %v", err, net.ErrClosed)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		g, _ := connected(t)
		check(t, g.SetReadDeadline(time.Now().Add(time.Millisecond)))
		_, err := g.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
		}
	})
}

package rtsp

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// Many small packets cost few reads.
func TestGatherWaitsForMore(t *testing.T) {
	g, far := connected(t)
	const packets, size = 400, 100
	began := time.Now()
	go func() {
		for range packets {
			_, _ = far.Write(make([]byte, size))
			time.Sleep(time.Millisecond / 2)
		}
		_ = far.Close()
	}()
	reads, total := 0, 0
	block := make([]byte, gatherBlock)
	for {
		n, err := g.Read(block)
		if err == io.EOF {
			break
		}
		check(t, err)
		reads, total = reads+1, total+n
	}
	if total != packets*size {
		t.Errorf("%d bytes arrived, %d were sent", total, packets*size)
	}
	if most := 2 + int(time.Since(began)/gatherEvery); reads > most {
		t.Errorf("%d reads, want at most %d", reads, most)
	}
}

// The window stays open for what a camera may send between two reads.
func TestGatherHasRoomForABurst(t *testing.T) {
	g, far := connected(t)
	block := make([]byte, gatherBlock)
	_, err := far.Write([]byte("$"))
	check(t, err)
	_, err = g.Read(block) // from here on it gathers
	check(t, err)

	check(t, far.SetWriteBuffer(16<<10))
	check(t, far.SetWriteDeadline(time.Now().Add(2*time.Second)))
	_, err = far.Write(make([]byte, gatherRoom/2)) // nobody reads
	check(t, err)
	if _, err = far.Write(make([]byte, 64*gatherRoom)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v for far too much, want %v: this test proves nothing", err, os.ErrDeadlineExceeded)
	}
}

package rtsptest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
)

// playNumbered plays a clip of 40 pictures to a group until silence is called.
func playNumbered(t *testing.T) (h *Hub, silence func()) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "agent", "demo", "clips", "h264-aac.ts"))
	if err != nil {
		t.Fatal(err)
	}
	clip, err := ReadClip(data, 3200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if h, err = NewHub(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var playing sync.WaitGroup
	playing.Go(func() {
		if err := h.PlayNumbered(ctx, "x", clip); err != nil {
			t.Error(err)
		}
	})
	silence = sync.OnceFunc(func() {
		cancel()
		playing.Wait()
	})
	t.Cleanup(func() {
		silence()
		h.Close()
	})
	<-h.Arrived("x")
	return h, silence
}

// read plays the hub's stream.
func read(t *testing.T, h *Hub, packet func(*rtp.Packet)) {
	t.Helper()
	transport := gortsplib.TransportTCP
	u, err := base.ParseURL(h.URL("x"))
	if err != nil {
		t.Fatal(err)
	}
	c := &gortsplib.Client{Transport: &transport, Scheme: u.Scheme, Host: u.Host}
	if err := c.Start2(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	desc, _, err := c.Describe(u)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetupAll(desc.BaseURL, desc.Medias); err != nil {
		t.Fatal(err)
	}
	c.OnPacketRTPAny(func(_ *description.Media, _ format.Format, p *rtp.Packet) { packet(p) })
	if _, err := c.Play(nil); err != nil {
		t.Fatal(err)
	}
}

// Each picture that is sent carries the next number, and what was sent is known.
func TestNumbered(t *testing.T) {
	h, silence := playNumbered(t)
	var mu sync.Mutex
	var bytes []byte
	read(t, h, func(p *rtp.Packet) {
		mu.Lock()
		defer mu.Unlock()
		bytes = append(bytes, p.Payload...)
	})
	deadline := time.Now().Add(10 * time.Second)
	for h.Tally("x").First == 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	silence()
	sent := h.Tally("x")
	numbers := func() []int {
		mu.Lock()
		defer mu.Unlock()
		n, err := Numbers(bytes)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	got := numbers()
	for (len(got) == 0 || got[len(got)-1] != sent.Pictures) && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		got = numbers()
	}
	if len(got) == 0 || got[len(got)-1] != sent.Pictures || got[0] > sent.First {
		t.Fatalf("got %v, sent %+v", got, sent)
	}
	for i, n := range got {
		if n != got[0]+i {
			t.Errorf("picture %d comes after %d", n, got[i-1])
		}
	}
	if sent.Plays != 1 || sent.Lost != 0 || (sent.First-1)%40 != 0 {
		t.Errorf("%+v: one reader, nothing lost, the first key frame at a multiple of 40 were to be", sent)
	}
}

// What a reader is too slow for is counted.
func TestNumberedToASlowReader(t *testing.T) {
	t.Parallel() // the buffers in between take ten seconds
	h, _ := playNumbered(t)
	stand := make(chan struct{})
	read(t, h, func(*rtp.Packet) { <-stand })
	t.Cleanup(func() { close(stand) }) // before the client is closed
	for deadline := time.Now().Add(30 * time.Second); h.Tally("x").Lost == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is lost: %+v", h.Tally("x"))
		}
	}
}

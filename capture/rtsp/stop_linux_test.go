package rtsp

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// A process that stands still for longer than stall_timeout, because it or the host was
// suspended, is no reason to leave a camera: what it sent meanwhile waits in the socket.
func TestProcessThatStoodStill(t *testing.T) {
	const address = "CAMERA_OF_A_PROCESS_THAT_STANDS_STILL"
	if url := os.Getenv(address); url != "" {
		recordWhileStopped(t, url)
		return
	}
	units, pack := clip(t, media.H264), newPacketizer(t, media.H264)
	url := camera(t, media.H264, func(p *rtsptest.Player) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; p.Context.Err() == nil; n++ {
			for _, pkt := range pack.packets(units[0].nalus, uint32(n)*1800) {
				if p.Send(0, pkt) != nil {
					return
				}
			}
			<-tick.C
		}
	})
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessThatStoodStill$", "-test.v")
	cmd.Env = append(os.Environ(), address+"="+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if lines.Text() != "pictures come" {
			continue
		}
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, strings.Join(said, "\n"))
	}
}

// recordWhileStopped wants all pictures.
func recordWhileStopped(t *testing.T, url string) {
	o := options(t, url)
	o.StallTimeout = 700 * time.Millisecond
	s, err := NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	s.watchEvery = 100 * time.Millisecond
	const enough = 300
	c, n := &collector{enough: enough}, 0
	err = s.Run(deadline(t, 20*time.Second), &counting{c, func() {
		if n++; n%100 == 0 {
			fmt.Println("pictures come")
		}
	}})
	if !errors.Is(err, errEnough) || c.damages > 0 {
		t.Errorf("the session ended after %d pictures of %d, %d damaged stretches: %v", c.pictures(), enough, c.damages, err)
	}
}

// counting is a collector that tells of each picture.
type counting struct {
	*collector
	picture func()
}

func (c *counting) Write(s *media.Sample) error {
	c.picture()
	return c.collector.Write(s)
}

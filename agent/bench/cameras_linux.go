package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sync/errgroup"

	"recording-agent/capture/rtsp/rtsptest"
)

// playCameras is the process of a fleet's cameras: their cost is not the
// recorder's. It says where they are, in one line; a line on its input silences
// them, and is answered with what each has sent.
func playCameras(ctx context.Context, args []string) error {
	var file string
	var count int
	flags := flag.NewFlagSet("cameras", flag.ExitOnError)
	flags.StringVar(&file, "clip", "", "MPEG-TS file that each plays")
	flags.IntVar(&count, "cameras", 1, "number of cameras")
	_ = flags.Parse(args) // it exits
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	hub, err := rtsptest.NewHub()
	if err != nil {
		return err
	}
	defer hub.Close()
	ctx, silence := context.WithCancel(ctx)
	defer silence()
	playing, ctx := errgroup.WithContext(ctx)
	for i := range count {
		clip, err := rtsptest.ReadClip(data, fleetClip)
		if err != nil {
			return err
		}
		playing.Go(func() error {
			// Their key frames do not come at the same time.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Duration(i) * fleetGroup / time.Duration(count)):
			}
			return hub.PlayNumbered(ctx, cameraName(i), clip)
		})
	}
	for i := range count {
		select {
		case <-ctx.Done():
			return playing.Wait()
		case <-hub.Arrived(cameraName(i)):
		}
	}
	fmt.Println(hub.URL(""))
	asked := bufio.NewReader(os.Stdin)
	if _, err := asked.ReadString('\n'); err != nil {
		return fmt.Errorf("nobody asks any more: %w", err)
	}
	silence()
	if err := playing.Wait(); err != nil {
		return err
	}
	sent := map[string]rtsptest.Tally{}
	for i := range count {
		sent[cameraName(i)] = hub.Tally(cameraName(i))
	}
	if err := json.NewEncoder(os.Stdout).Encode(sent); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, asked) // until the streams may end
	return nil
}

func cameraName(i int) string { return fmt.Sprintf("camera-%02d", i) }

// cameras is that process, seen from the benchmark.
type cameras struct {
	recorder
	url string // of all, without the camera's name
	ask io.WriteCloser
	say *bufio.Reader
}

func startCameras(clip string, count int) (*cameras, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &cameras{recorder: recorder{name: "cameras"}}
	cmd := exec.Command(self, "cameras", "--clip", clip, "--cameras", fmt.Sprint(count))
	cmd.Stderr = os.Stderr
	if c.ask, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the cameras: %w", err)
	}
	c.cmds, c.say = append(c.cmds, cmd), bufio.NewReader(out)
	if _, err := fmt.Fscanln(c.say, &c.url); err != nil {
		c.stop()
		return nil, fmt.Errorf("the cameras did not start: %w", err)
	}
	return c, nil
}

// silence lets them send nothing more, while their streams stay open.
func (c *cameras) silence() (sent map[string]rtsptest.Tally, err error) {
	if _, err := fmt.Fprintln(c.ask); err != nil {
		return nil, fmt.Errorf("silence the cameras: %w", err)
	}
	if err := json.NewDecoder(c.say).Decode(&sent); err != nil {
		return nil, fmt.Errorf("silence the cameras: %w", err)
	}
	return sent, nil
}

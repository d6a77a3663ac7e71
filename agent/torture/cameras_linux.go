package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"recording-agent/agent/torture/check"
	"recording-agent/capture/rtsp/rtsptest"
)

const (
	roleCameras = "cameras"
	clipLength  = 3200 * time.Millisecond // 80 pictures, 150 frames of sound at 48 kHz
	countEvery  = 10 * time.Millisecond
)

// clip is what a camera plays; each picture is one slice.
type clip struct{ name, picture, video, audio string }

// clips are made anew for each run. The first is heavy: its segments take several
// upload parts.
var clips = []clip{
	{"heavy", "testsrc2=size=480x270:rate=25,noise=alls=30:allf=t", "-b:v 8M -maxrate 9M -bufsize 2M -bf 0 -g 20", ""},
	{"sound", "testsrc2=size=320x180:rate=25", "-crf 28 -bf 0 -g 25", "sine=frequency=440:sample_rate=48000"},
	{"reordered", "testsrc2=size=320x180:rate=25", "-crf 28 -bf 2 -g 40", ""},
	{"plain", "testsrc2=size=320x180:rate=25", "-crf 28 -bf 0 -g 25", ""},
}

func clipOf(camera int) clip { return clips[camera%len(clips)] }

func (c clip) file(dir string) string { return filepath.Join(dir, c.name+".ts") }

func (c clip) make(ctx context.Context, dir string) error {
	args := []string{"-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", c.picture + ",format=yuv420p"}
	if c.audio != "" {
		args = append(args, "-f", "lavfi", "-i", c.audio, "-c:a", "aac", "-b:a", "64k")
	}
	args = append(args, "-t", fmt.Sprint(clipLength.Seconds()), "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main",
		"-sc_threshold", "0", "-x264-params", "slices=1:threads=1")
	args = append(append(args, strings.Fields(c.video)...), "-f", "mpegts", c.file(dir))
	if out, err := exec.CommandContext(ctx, "ffmpeg", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("make the clip %s: %w\n%s", c.name, err, out)
	}
	return nil
}

// camerasOrder is what the cameras' process is told.
type camerasOrder struct {
	Dir string
	IDs []string
}

// playCameras is the cameras' process: it says where its hub is, plays until its
// standard input ends, and keeps a log of what it has sent.
func playCameras(order string) error {
	var o camerasOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	hub, err := rtsptest.NewHub()
	if err != nil {
		return err
	}
	defer hub.Close()
	log, err := os.Create(filepath.Join(o.Dir, sentLog))
	if err != nil {
		return err
	}
	defer log.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var playing errgroup.Group
	for i, id := range o.IDs {
		data, err := os.ReadFile(clipOf(i).file(o.Dir))
		if err != nil {
			return err
		}
		c, err := rtsptest.ReadClip(data, clipLength)
		if err != nil {
			return err
		}
		playing.Go(func() error { return hub.PlayNumbered(ctx, id, c) })
		<-hub.Arrived(id)
	}
	playing.Go(func() error { return keepSentLog(ctx, hub, o.IDs, log) })
	fmt.Println(hub.URL(""))
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	return playing.Wait()
}

// keepSentLog notes how many frames have gone, many times a second.
func keepSentLog(ctx context.Context, hub *rtsptest.Hub, ids []string, log io.Writer) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	sent := map[string]int{}
	for {
		for _, id := range ids {
			n := hub.Tally(id).Pictures
			if n == sent[id] {
				continue
			}
			sent[id] = n
			line, err := json.Marshal(check.Progress{Camera: id, Number: n, At: time.Now()})
			if err != nil {
				return err
			}
			if _, err := log.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

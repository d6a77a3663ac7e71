package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"recording-agent/capture/rtsp/rtsptest"
)

const (
	fleetClip  = 8 * time.Second // 200 pictures, 375 frames of sound
	fleetGroup = 2 * time.Second
	groupSize  = 50 // pictures
)

type fleetOptions struct {
	cameras int
	bitrate string
	measure time.Duration
	dir     string
}

// fleet records many cameras at once, with the agent's defaults, and accounts for
// each picture that they have sent: it has to be in a file, once and in order, and
// no gap may have been noted.
func fleet(ctx context.Context, args []string) error {
	var o fleetOptions
	flags := flag.NewFlagSet("fleet", flag.ExitOnError)
	flags.IntVar(&o.cameras, "cameras", 64, "number of cameras")
	flags.StringVar(&o.bitrate, "bitrate", "2M", "of each camera's pictures, as ffmpeg takes it")
	flags.DurationVar(&o.measure, "for", 10*time.Minute, "time of the measurement")
	flags.StringVar(&o.dir, "dir", "", "where to record (64 cameras of 2 Mbit/s take a GB a minute); empty: where temporary files go")
	_ = flags.Parse(args) // it exits
	dir, err := os.MkdirTemp(o.dir, "recording-agent-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	binary, err := buildAgent(ctx, dir)
	if err != nil {
		return err
	}
	clip := filepath.Join(dir, "clip.ts")
	if err := makeClip(ctx, clip, o.bitrate); err != nil {
		return err
	}
	return o.run(ctx, binary, clip)
}

// makeClip has ffmpeg make what each camera plays: it loops without a seam.
func makeClip(ctx context.Context, file, bitrate string) error {
	seconds := fmt.Sprint(fleetClip.Seconds())
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25,noise=alls=20:allf=t,format=yuv420p",
		"-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:sample_rate=48000:duration="+seconds, "-t", seconds,
		"-c:v", "libx264", "-preset", "veryfast", "-g", fmt.Sprint(groupSize), "-keyint_min", fmt.Sprint(groupSize), "-sc_threshold", "0",
		"-b:v", bitrate, "-maxrate", bitrate, "-bufsize", bitrate, "-c:a", "aac", "-b:a", "64k", "-f", "mpegts", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the cameras' pictures: %w\n%s", err, out)
	}
	return nil
}

func (o *fleetOptions) run(ctx context.Context, binary, clip string) error {
	cameras, err := startCameras(clip, o.cameras)
	if err != nil {
		return err
	}
	defer cameras.stop()
	agent, err := o.startAgent(binary, cameras.url)
	if err != nil {
		return err
	}
	defer agent.stop()
	if err := sleep(ctx, o.warm()); err != nil {
		return err
	}
	cost, err := o.watch(ctx, agent, cameras)
	if err != nil {
		return err
	}
	sent, err := cameras.silence()
	if err != nil {
		return err
	}
	_ = sleep(ctx, arrival)
	if err := agent.finish(); err != nil {
		return err
	}
	return o.report(ctx, cost, sent)
}

const (
	arrival = 500 * time.Millisecond // the last pictures are on their way; what takes longer than a pause may (capture.maxPause) is a gap
	endless = time.Minute            // the agent has to end by then
)

// warm is until the cameras are all connected.
func (o *fleetOptions) warm() time.Duration { return fleetGroup + 3*time.Second }

func (o *fleetOptions) startAgent(binary, url string) (*recorder, error) {
	r := &recorder{name: "agent", dir: o.data()}
	var text strings.Builder
	fmt.Fprintf(&text, "[agent]\nclient_name = \"bench\"\nstorage = \"local\"\ndata_dir = %q\n[status]\nlisten = \"127.0.0.1:0\"\n", o.data())
	for i := range o.cameras {
		fmt.Fprintf(&text, "[[camera]]\nid = %q\nurl = %q\ntransport = \"tcp\"\n", cameraName(i), url+cameraName(i))
	}
	config := filepath.Join(o.dir, "agent.toml")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	return r, r.start(binary, "run", "--config", config)
}

func (o *fleetOptions) data() string { return filepath.Join(o.dir, "data") }

// finish lets a recorder end as it would by itself.
func (r *recorder) finish() error {
	cmd := r.cmds[0]
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s has ended: %w\n%s", r.name, err, &r.said)
	}
	kill := time.AfterFunc(endless, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("end %s: %w\n%s", r.name, err, &r.said)
	}
	return nil
}

// fleetCost is what a run took.
type fleetCost struct {
	seconds          float64
	agent, cameras   float64 // seconds of processor time
	memory, peak     float64 // PSS of the agent at the end and the most that was seen, in MB
	waiting, longest int     // bytes that waited for the agent in the kernel, of all cameras and of one, at most
}

// watch measures while both run.
func (o *fleetOptions) watch(ctx context.Context, agent *recorder, cams *cameras) (c fleetCost, err error) {
	agent.begin()
	cams.begin()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; time.Since(agent.started) < o.measure; n++ {
		select {
		case <-ctx.Done():
			return c, ctx.Err()
		case <-tick.C:
		}
		all, one, err := unread(cams.url)
		if err != nil {
			return c, err
		}
		c.waiting, c.longest = max(c.waiting, all), max(c.longest, one)
		if n%10 != 0 && time.Since(agent.started) < o.measure {
			continue
		}
		if err := c.look(agent, cams); err != nil {
			return c, err
		}
		if n%60 == 0 {
			fmt.Printf("%3.0f s: agent %.1f %% of a core and %.1f MB, cameras %.1f %%; at most %d KB waited for the agent\n", c.seconds,
				100*c.agent/c.seconds, c.memory, 100*c.cameras/c.seconds, c.waiting>>10)
		}
	}
	return c, nil
}

func (c *fleetCost) look(agent *recorder, cams *cameras) error {
	c.seconds = time.Since(agent.started).Seconds()
	share, memory, err := agent.cost()
	if err != nil {
		return err
	}
	c.agent, c.memory, c.peak = share/100*c.seconds, memory, max(c.peak, memory)
	if share, _, err = cams.cost(); err != nil {
		return err
	}
	c.cameras = share / 100 * c.seconds
	return nil
}

// report accounts for what was sent. What is wrong is its error.
func (o *fleetOptions) report(ctx context.Context, c fleetCost, sent map[string]rtsptest.Tally) error {
	found, err := o.account(ctx, sent)
	if err != nil {
		return err
	}
	late, lost := time.Duration(0), 0
	for _, t := range sent {
		late, lost = max(late, t.Late), lost+t.Lost
	}
	seconds := c.seconds
	fmt.Printf("\n%d cameras of %s for %.0f s, on %d cores\n", o.cameras, o.bitrate, seconds, runtime.NumCPU())
	line := func(what, format string, values ...any) {
		fmt.Printf("%-36s%s\n", what, fmt.Sprintf(format, values...))
	}
	line("agent, processor time", "%.1f s, %.1f %% of a core, %.2f %% for each camera", c.agent, 100*c.agent/seconds, 100*c.agent/seconds/float64(o.cameras))
	line("agent, memory (PSS)", "%.1f MB at the end, %.1f MB at most", c.memory, c.peak)
	line("cameras, processor time", "%.1f s, %.1f %% of a core", c.cameras, 100*c.cameras/seconds)
	line("sent late by the cameras, at most", "%d ms", late.Milliseconds())
	line("waited for the agent in the kernel", "%d KB of all, %d KB of one, at most", c.waiting>>10, c.longest>>10)
	line("packets it was too slow for", "%d", lost)
	line("on the disk", "%d files, %.2f GB, %.2f Mbit/s for each camera", found.files, float64(found.bytes)/1e9, found.rate()/1e6)
	line("pictures sent, on the disk, missing", "%d, %d, %d", found.sent, found.pictures, found.missing)
	line("gap rows", "%d (before the first pictures: %d)", found.gaps, found.before)
	for _, trouble := range found.troubles {
		fmt.Println("  " + trouble)
	}
	if len(found.troubles) > 0 || found.missing > 0 || found.gaps > 0 || lost > 0 {
		return errors.New("the mark is missed: no picture missing, no gap")
	}
	fmt.Println("mark met: no picture missing, no gap")
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

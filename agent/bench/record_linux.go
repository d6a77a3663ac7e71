package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"recording-agent/agent/demo/clips"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/uploader/s3/s3test"
)

// record measures what recording costs: copies of one stream side by side with
// ffmpeg, one process per camera. The stream, the time and the machine are the
// same for both. The agent uploads nothing, or with -upload all of it, live, to an S3
// server on the same machine, while ffmpeg only records.
func record(ctx context.Context, args []string) error {
	var o options
	var cameras string
	flags := flag.NewFlagSet("record", flag.ExitOnError)
	flags.StringVar(&cameras, "cameras", "4,16", "numbers of cameras to measure with, ascending")
	flags.IntVar(&o.runs, "runs", 5, "runs for each number; the median counts")
	flags.DurationVar(&o.warm, "warm", 8*time.Second, "time before the measurement")
	flags.DurationVar(&o.measure, "for", 20*time.Second, "time of the measurement")
	flags.BoolVar(&o.upload, "upload", false, "the agent also uploads while it records")
	_ = flags.Parse(args) // it exits
	for _, n := range strings.Split(cameras, ",") {
		count, err := strconv.Atoi(n)
		if err != nil || count < 1 {
			return fmt.Errorf("%q is not a number of cameras", n)
		}
		o.cameras = append(o.cameras, count)
	}
	return bench(ctx, o)
}

type options struct {
	cameras       []int
	runs          int
	warm, measure time.Duration
	upload        bool
	store         string // where to
	objects       string // where that keeps them
}

// result is what one recorder cost with a number of cameras.
type result struct {
	cpu    []float64 // % of one core per camera, by run
	memory []float64 // PSS in MB of all its processes, by run
}

func bench(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "recording-agent-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := buildAgent(ctx, dir)
	if err != nil {
		return err
	}
	url, stop, err := camera(ctx)
	if err != nil {
		return err
	}
	defer stop()

	if o.upload {
		store, err := s3test.Start(ctx, s3test.Options{Dir: filepath.Join(dir, "s3"), Buckets: []string{agentBucket}, Say: os.Stderr})
		if err != nil {
			return err
		}
		defer store.Stop()
		o.store, o.objects = store.Endpoint, filepath.Join(dir, "s3")
	}
	ours, theirs := map[int]*result{}, map[int]*result{}
	for _, n := range o.cameras {
		ours[n], theirs[n] = &result{}, &result{}
		for i := range o.runs {
			if err := once(ctx, o, dir, binary, url, n, ours[n], theirs[n]); err != nil {
				return err
			}
			fmt.Printf("%2d cameras, run %d: agent %.2f %% and %.1f MB, ffmpeg %.2f %% and %.1f MB\n", n, i+1,
				ours[n].cpu[i], ours[n].memory[i], theirs[n].cpu[i], theirs[n].memory[i])
		}
	}
	report(o.cameras, ours, theirs)
	return nil
}

// camera plays the clip on a hub of this process, whose cost is nobody's.
func camera(ctx context.Context) (url string, stop func(), err error) {
	hub, err := rtsptest.NewHub()
	if err != nil {
		return "", nil, err
	}
	clip, err := rtsptest.ReadClip(clips.H264, clips.Length)
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var playing errgroup.Group
	playing.Go(func() error { return hub.Play(ctx, "camera", clip) })
	<-hub.Arrived("camera")
	return hub.URL("camera"), func() {
		cancel()
		hub.Close()
		_ = playing.Wait()
	}, nil
}

// once measures both recorders at the same time.
func once(ctx context.Context, o options, dir, binary, url string, cameras int, ours, theirs *result) error {
	place, err := os.MkdirTemp(dir, "run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(place)
	before := len(videos(o.objects))
	agent, err := startAgent(place, binary, url, o.store, cameras)
	if err != nil {
		return err
	}
	defer agent.stop()
	ffmpeg, err := startFFmpeg(place, url, cameras)
	if err != nil {
		return err
	}
	defer ffmpeg.stop()
	for _, wait := range []time.Duration{o.warm, o.measure} {
		if wait == o.measure {
			agent.begin()
			ffmpeg.begin()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
	if n := len(videos(o.objects)) - before; o.upload && n < cameras {
		return fmt.Errorf("only %d segments of %d cameras have become objects\n%s", n, cameras, &agent.said)
	}
	for r, into := range map[*recorder]*result{agent: ours, ffmpeg: theirs} {
		cpu, memory, err := r.cost()
		if err != nil {
			return err
		}
		if err := r.wrote(cameras, o.measure); err != nil {
			return err
		}
		into.cpu = append(into.cpu, cpu/float64(cameras))
		into.memory = append(into.memory, memory)
	}
	return nil
}

func report(cameras []int, ours, theirs map[int]*result) {
	fmt.Printf("\n%-28s%12s%12s%8s\n", "median", "agent", "ffmpeg", "ratio")
	line := func(what, format string, a, f float64) {
		fmt.Printf("%-28s%12s%12s%8.2f\n", what, fmt.Sprintf(format, a), fmt.Sprintf(format, f), a/f)
	}
	for _, n := range cameras {
		line(fmt.Sprintf("CPU per camera, %d cameras", n), "%.2f %%", median(ours[n].cpu), median(theirs[n].cpu))
		line(fmt.Sprintf("memory, %d cameras", n), "%.1f MB", median(ours[n].memory), median(theirs[n].memory))
	}
	if len(cameras) < 2 {
		return
	}
	base, slope := fit(cameras, ours)
	theirBase, theirSlope := fit(cameras, theirs)
	line("memory per further camera", "%.2f MB", slope, theirSlope)
	fmt.Printf("%-28s%12s%12s\n", "memory without cameras", fmt.Sprintf("%.1f MB", base), fmt.Sprintf("%.1f MB", theirBase))
}

// fit draws a line through the smallest and the largest number of cameras.
func fit(cameras []int, results map[int]*result) (base, slope float64) {
	low, high := cameras[0], cameras[len(cameras)-1]
	a, b := median(results[low].memory), median(results[high].memory)
	slope = (b - a) / float64(high-low)
	return a - slope*float64(low), slope
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s)%2 == 0 {
		return (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	return s[len(s)/2]
}

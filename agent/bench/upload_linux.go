package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"recording-agent/agent/central/centraltest"
	"recording-agent/uploader/s3/s3test"
	"recording-agent/uploader/wiretest"
)

const (
	agentBucket = "agent"
	peerBucket  = "peer"
	cameraID    = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
)

// uploadOptions are what both have to cope with.
type uploadOptions struct {
	segment  time.Duration
	segments int   // whole ones that count
	uplink   int64 // Mbit/s, of each
	latency  time.Duration
	part     int64 // MiB
}

// upload measures how long after its last frame a segment is safe, and how old the
// oldest footage is that is not in the store, while one camera is recorded twice:
// by the agent, and by ffmpeg with rclone copying each finished file. Each has an
// uplink of its own to the same store.
func upload(ctx context.Context, args []string) error {
	var o uploadOptions
	flags := flag.NewFlagSet("upload", flag.ExitOnError)
	flags.DurationVar(&o.segment, "segment", 5*time.Minute, "length of a segment")
	flags.IntVar(&o.segments, "segments", 3, "whole segments to measure; the one that is cut short at the beginning does not count")
	flags.Int64Var(&o.uplink, "uplink", 8, "bandwidth of each uplink in Mbit/s")
	flags.DurationVar(&o.latency, "latency", 50*time.Millisecond, "of the uplink, either way")
	flags.Int64Var(&o.part, "part", 5, "s3.part_size in MiB")
	_ = flags.Parse(args) // it exits

	dir, err := os.MkdirTemp("", "recording-agent-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newShore(ctx, dir, o)
	if err != nil {
		return err
	}
	defer s.close()
	return s.measure(ctx)
}

// shore is the world around both: a camera, a store, a central server, uplinks.
type shore struct {
	uploadOptions
	dir     string
	binary  string
	url     string // of the camera
	gateway *gateway
	central *centraltest.Server
	rows    *httptest.Server
	line    map[string]*wiretest.Line // by bucket
	closers []func()
}

func newShore(ctx context.Context, dir string, o uploadOptions) (_ *shore, err error) {
	s := &shore{uploadOptions: o, dir: dir, line: map[string]*wiretest.Line{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.binary, err = buildAgent(ctx, dir); err != nil {
		return nil, err
	}
	store, err := s3test.Start(ctx, s3test.Options{Dir: filepath.Join(dir, "s3"), Buckets: []string{agentBucket, peerBucket}, Say: os.Stderr})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, store.Stop)
	if s.gateway, err = openGateway(store.Endpoint); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.gateway.close)
	for _, bucket := range []string{agentBucket, peerBucket} {
		line, err := wiretest.Open(s.gateway.address)
		if err != nil {
			return nil, err
		}
		line.Set(wiretest.Fault{Latency: o.latency, Bandwidth: int(o.uplink * 1e6 / 8)})
		s.line[bucket] = line
		s.closers = append(s.closers, line.Close)
	}
	s.central = centraltest.New(centraltest.Options{Token: "test", ClientName: "bench"})
	s.rows = httptest.NewServer(s.central)
	s.closers = append(s.closers, s.rows.Close)
	var stop func()
	if s.url, stop, err = camera(ctx); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, stop)
	return s, nil
}

func (s *shore) close() {
	for _, c := range slices.Backward(s.closers) {
		c()
	}
}

// measure lets both work until each has brought its segments home.
func (s *shore) measure(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	agent, err := s.startAgent()
	if err != nil {
		return err
	}
	defer agent.stop()
	peer := &copier{shore: s, dir: filepath.Join(s.dir, "peer")}
	ours := &watch{gateway: s.gateway, dir: filepath.Join(s.dir, "data"), files: map[string][]growth{}, settled: map[string]bool{}, object: agentObject}
	theirs := &watch{gateway: s.gateway, dir: peer.dir, files: map[string][]growth{}, settled: map[string]bool{}, object: peerObject}
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	failed := make(chan error, 1)
	work.Go(func() { failed <- peer.run(ctx) })
	work.Go(func() { ours.run(ctx) })
	work.Go(func() { theirs.run(ctx) })

	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for said := 0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return err
		case <-tick.C:
		}
		if _, err := agent.cpuTicks(); err != nil {
			return fmt.Errorf("the agent has ended: %w\n%s", err, &agent.said)
		}
		took := s.completed()
		for ; said < len(took); said++ {
			fmt.Printf("agent: segment completed %.1f s after its last frame\n", took[said].Seconds())
		}
		if n := s.segments + 1; len(took) >= n && len(peer.took()) >= n {
			break
		}
	}
	cancel()
	work.Wait()
	s.report(s.completed()[1:], peer.took()[1:], ours.ages, theirs.ages)
	return nil
}

func (s *shore) startAgent() (*recorder, error) {
	r := &recorder{name: "agent", dir: s.dir}
	text := fmt.Sprintf("[agent]\nclient_name = \"bench\"\ndata_dir = %q\n[central]\nurl = %q\ntoken = \"test\"\nclient_id = \"1b4e28ba-2fa1-41d2-883f-0016d3cca427\"\n"+
		"[segment]\nduration = \"%ds\"\n[s3]\nbucket = %q\nregion = %q\nendpoint = \"http://%s\"\npath_style = true\naccess_key_id = %q\nsecret_access_key = %q\n"+
		"part_size = \"%dMiB\"\nkey = \"recordings/{camera_id}/{client}_{segment}.mp4\"\n[status]\nlisten = \"127.0.0.1:0\"\n"+
		"[[camera]]\nid = %q\nurl = %q\ntransport = \"tcp\"\n",
		filepath.Join(s.dir, "data"), s.rows.URL, int(s.segment.Seconds()), agentBucket, s3test.Region, s.line[agentBucket].Address,
		s3test.AccessKey, s3test.SecretKey, s.part, cameraID, s.url)
	config := filepath.Join(s.dir, "agent.toml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return r, r.start(s.binary, "run", "--config", config)
}

// agentObject is where the agent puts a file, by the key that it is configured with.
func agentObject(file string) string {
	_, id, _ := strings.Cut(filepath.Base(file), "_")
	return agentBucket + "/recordings/" + cameraID + "/bench_" + id
}

func peerObject(file string) string { return peerBucket + "/" + filepath.Base(file) }

// completed is how long after its last frame central was told of each segment.
func (s *shore) completed() (took []time.Duration) {
	for _, row := range s.central.Recordings() {
		text, _ := row.Extra["end_time"].(string)
		if end, err := time.Parse(time.RFC3339Nano, text); err == nil && row.Status == "completed" {
			took = append(took, row.EndTime.Sub(end))
		}
	}
	return took
}

// report prints what was seen, and holds it against the marks.
func (s *shore) report(ours, theirs, ourAges, theirAges []time.Duration) {
	fmt.Printf("\nsegments of %v, parts of %d MiB, uplink of %d Mbit/s and %v either way\n", s.segment, s.part, s.uplink, s.latency)
	fmt.Printf("%-44s%12s%18s%8s\n", "", "agent", "ffmpeg + rclone", "ratio")
	line := func(what string, a, p time.Duration) {
		fmt.Printf("%-44s%10.1f s%16.1f s%8.1f\n", what, a.Seconds(), p.Seconds(), p.Seconds()/a.Seconds())
	}
	line("last frame to completed, median", middle(ours), middle(theirs))
	line("last frame to completed, worst", slices.Max(ours), slices.Max(theirs))
	line("footage not in the store, median age", middle(ourAges), middle(theirAges))
	line("footage not in the store, worst age", slices.Max(ourAges), slices.Max(theirAges))
	partBits := float64(s.part << 20 * 8)
	fill, send := partBits/cameraBits, partBits/float64(s.uplink*1e6)+2*s.latency.Seconds()
	bound := time.Duration((fill + 2*send + syncEvery.Seconds() + 5) * float64(time.Second))
	fmt.Printf("mark: completed %.1f times sooner (8 are wanted); footage at risk for %.1f s at most (%.1f s are allowed)\n",
		middle(theirs).Seconds()/middle(ours).Seconds(), slices.Max(ourAges).Seconds(), bound.Seconds())
}

const (
	cameraBits = 4.5e6 // of the clip, a second
	syncEvery  = 2 * time.Second
)

func middle(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

// copier records with ffmpeg, and has rclone copy each file as soon as ffmpeg has
// finished it.
type copier struct {
	*shore
	dir string

	mu    sync.Mutex
	taken []time.Duration
}

// finished is a file that ffmpeg has closed.
type finished struct {
	name string
	at   time.Time
}

// took is how long after ffmpeg had finished it each file was copied.
func (c *copier) took() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.taken)
}

func (c *copier) run(ctx context.Context) error {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	ffmpeg := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "fatal", "-rtsp_transport", "tcp", "-i", c.url, "-c", "copy", "-f", "segment",
		"-segment_time", fmt.Sprint(int(c.segment.Seconds())), "-segment_atclocktime", "1", "-reset_timestamps", "1", "-segment_format", "mp4",
		"-segment_format_options", "movflags=+frag_keyframe+empty_moov+default_base_moof", "-segment_list", "pipe:1", "-segment_list_type", "flat",
		filepath.Join(c.dir, "%05d.mp4"))
	ffmpeg.Stderr = os.Stderr
	list, err := ffmpeg.StdoutPipe()
	if err != nil {
		return err
	}
	if err := ffmpeg.Start(); err != nil {
		return fmt.Errorf("start ffmpeg: %w", err)
	}
	queue := make(chan finished, 1000)
	var copying sync.WaitGroup
	var copyErr error
	copying.Go(func() {
		for f := range queue {
			if copyErr = errors.Join(copyErr, c.copy(ctx, f)); copyErr != nil {
				return
			}
		}
	})
	for lines := bufio.NewScanner(list); lines.Scan(); {
		queue <- finished{lines.Text(), time.Now()}
	}
	close(queue)
	copying.Wait()
	err = ffmpeg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(fmt.Errorf("ffmpeg has ended: %w", err), copyErr)
}

func (c *copier) copy(ctx context.Context, f finished) error {
	cmd := rclone(ctx, "http://"+c.line[peerBucket].Address, "copyto", filepath.Join(c.dir, f.name), ":s3:"+peerBucket+"/"+f.name)
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("rclone: %w\n%s", err, out)
	}
	took := time.Since(f.at)
	fmt.Printf("rclone: file copied %.1f s after ffmpeg had finished it\n", took.Seconds())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = append(c.taken, took)
	return nil
}

// rclone is a command of it, with what it has to know of the store.
func rclone(ctx context.Context, endpoint string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "rclone", append([]string{
		"--config", "", "--s3-provider", "Other", "--s3-endpoint", endpoint, "--s3-region", s3test.Region, "--s3-force-path-style", "--s3-no-check-bucket",
		"--s3-access-key-id", s3test.AccessKey, "--s3-secret-access-key", s3test.SecretKey,
	}, args...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	return cmd
}

// videos lists the MP4 files under a directory with their sizes in bytes. What
// goes while it looks is left out.
func videos(dir string) map[string]int64 {
	sizes := map[string]int64{}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".mp4") {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sizes[path] = info.Size()
		}
		return nil
	})
	return sizes
}

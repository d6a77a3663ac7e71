package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/minio/crc64nvme"
	"github.com/rs/zerolog"

	"recording-agent/agent/config"
	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
	"recording-agent/uploader/s3/s3test"
)

type backlogOptions struct {
	files, size int // MB of each
	runs        int
	tls         bool
}

// spent is what sending the backlog cost one of the two, by run.
type spent struct {
	seconds []float64
	cpu     []float64 // seconds of processor time per GB
	memory  []float64 // MB at most
}

// backlog measures what it costs to send finished segments to a store on this
// machine: the agent beside rclone with four transfers, one after the other, with
// the same files.
func backlog(ctx context.Context, args []string) error {
	var o backlogOptions
	flags := flag.NewFlagSet("backlog", flag.ExitOnError)
	flags.IntVar(&o.files, "files", 68, "finished segments that wait")
	flags.IntVar(&o.size, "size", 30, "size of each in MB")
	flags.IntVar(&o.runs, "runs", 3, "runs; the median counts")
	flags.BoolVar(&o.tls, "tls", false, "send inside TLS")
	_ = flags.Parse(args) // it exits

	dir, err := os.MkdirTemp("", "recording-agent-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := buildAgent(ctx, dir)
	if err != nil {
		return err
	}
	var buckets []string
	for run := range o.runs {
		buckets = append(buckets, fmt.Sprint("agent-", run), fmt.Sprint("rclone-", run))
	}
	store, err := s3test.Start(ctx, s3test.Options{Dir: filepath.Join(dir, "s3"), Buckets: buckets, TLS: o.tls, Say: os.Stderr})
	if err != nil {
		return err
	}
	defer store.Stop()
	var ours, theirs spent
	for run := range o.runs {
		w := &waiting{backlogOptions: o, dir: filepath.Join(dir, fmt.Sprint("run-", run)), store: store, bucket: filepath.Join(dir, "s3", "buckets")}
		if err := w.once(ctx, binary, run, &ours, &theirs); err != nil {
			return err
		}
		fmt.Printf("run %d: agent %.1f s, %.2f s of CPU per GB, %.0f MB; rclone %.1f s, %.2f s of CPU per GB, %.0f MB\n", run+1,
			ours.seconds[run], ours.cpu[run], ours.memory[run], theirs.seconds[run], theirs.cpu[run], theirs.memory[run])
	}
	reportBacklog(o, ours, theirs)
	return nil
}

func reportBacklog(o backlogOptions, ours, theirs spent) {
	gb := float64(o.files*o.size) / 1000
	fmt.Printf("\n%.2f GB in %d files, inside TLS: %v\n%-28s%12s%12s%8s\n", gb, o.files, o.tls, "median", "agent", "rclone", "ratio")
	line := func(what, unit string, a, p float64) {
		fmt.Printf("%-28s%12s%12s%8.2f\n", what, fmt.Sprintf("%.2f %s", a, unit), fmt.Sprintf("%.2f %s", p, unit), a/p)
	}
	line("throughput", "MB/s", 1000*gb/median(ours.seconds), 1000*gb/median(theirs.seconds))
	line("CPU per GB", "s", median(ours.cpu), median(theirs.cpu))
	line("memory at most", "MB", median(ours.memory), median(theirs.memory))
	fmt.Println("mark: throughput at least 1, CPU at most 0.5, memory of the agent at most 64 MB")
}

// waiting is a data directory full of finished segments.
type waiting struct {
	backlogOptions
	dir    string
	store  *s3test.Server
	bucket string // directory of the store's buckets
}

// once lets both send the same files, in turns first.
func (w *waiting) once(ctx context.Context, binary string, run int, ours, theirs *spent) error {
	defer os.RemoveAll(w.dir)
	if err := w.fill(ctx); err != nil {
		return fmt.Errorf("make segments: %w", err)
	}
	agent := func() error { return w.agent(ctx, binary, fmt.Sprint("agent-", run), ours) }
	peer := func() error { return w.rclone(ctx, fmt.Sprint("rclone-", run), theirs) }
	if run%2 == 1 {
		return errors.Join(peer(), agent())
	}
	return errors.Join(agent(), peer())
}

func (w *waiting) fill(ctx context.Context) (err error) {
	s, err := spool.Open(ctx, spool.Options{Dir: filepath.Join(w.dir, "data"), ClientName: "bench", Log: zerolog.Nop(), Now: time.Now,
		Destinations: []spool.Destination{{Name: config.Primary, Key: func(seg spool.Segment) string { return seg.ID + ".mp4" }}}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	data := make([]byte, w.size*1e6)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	for i := range w.files {
		binary.BigEndian.PutUint64(data, uint64(i))
		start := time.Now().Add(time.Duration(i-w.files-60) * time.Minute)
		if err := segment(ctx, s, data, start); err != nil {
			return err
		}
	}
	return nil
}

// segment makes a finished one of any bytes: sending it does not look into them.
func segment(ctx context.Context, s *spool.Spool, data []byte, start time.Time) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	path, err := spool.PathFor("camera", id.String(), start)
	if err != nil {
		return err
	}
	seg := spool.Segment{ID: id.String(), CameraID: "camera", CameraName: "Camera", ClientName: "bench", Path: path, Start: start}
	f, err := s.Create(seg)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.Begun(ctx, seg); err != nil {
		return err
	}
	sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(data)))
	return s.Finished(ctx, seg.ID, start, mp4.Result{Size: int64(len(data)), Checksum: sum, Duration: time.Minute, Frames: 1500})
}

// agent starts the agent, without cameras, and waits until nothing waits any more.
func (w *waiting) agent(ctx context.Context, binary, bucket string, into *spent) error {
	status, err := freeAddress()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("[agent]\nclient_name = \"bench\"\ndata_dir = %q\n[s3]\nbucket = %q\nregion = %q\nendpoint = %q\npath_style = true\nca_file = %q\n"+
		"access_key_id = %q\nsecret_access_key = %q\n[retention]\ndelete_after_upload = false\n[status]\nlisten = %q\n",
		filepath.Join(w.dir, "data"), bucket, s3test.Region, w.store.Endpoint, w.store.CAFile, s3test.AccessKey, s3test.SecretKey, status)
	file := filepath.Join(w.dir, "agent.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	r := &recorder{name: "agent"}
	began := time.Now()
	if err := r.start(binary, "run", "--config", file); err != nil {
		return err
	}
	defer r.stop()
	for n := -1; n != 0; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
		if _, err := r.cpuTicks(); err != nil {
			return fmt.Errorf("the agent has ended: %w\n%s", err, &r.said)
		}
		n = backlogOf(ctx, status)
	}
	took := time.Since(began)
	ticks, err := r.cpuTicks()
	if err != nil {
		return err
	}
	memory, err := peak(r.cmds[0].Process.Pid)
	if err != nil {
		return err
	}
	into.seconds = append(into.seconds, took.Seconds())
	into.cpu = append(into.cpu, float64(ticks)/clockTicks/w.gigabytes())
	into.memory = append(into.memory, memory)
	return w.arrived(bucket)
}

// backlogOf asks the agent how many segments wait; -1 when it does not answer.
func backlogOf(ctx context.Context, status string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+status+"/status", nil)
	if err != nil {
		return -1
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	var s struct {
		Destinations []struct {
			Segments int `json:"backlog_segments"`
		}
	}
	if json.NewDecoder(answer.Body).Decode(&s) != nil || len(s.Destinations) != 1 {
		return -1
	}
	return s.Destinations[0].Segments
}

// peak is the most memory that a process has had, in MB.
func peak(pid int) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return float64(kb) / 1024, err
		}
	}
	return 0, errors.New("the kernel does not tell a process's memory")
}

// rclone copies the same files.
func (w *waiting) rclone(ctx context.Context, bucket string, into *spent) error {
	args := []string{"copy", "--transfers", "4", filepath.Join(w.dir, "data", "segments"), ":s3:" + bucket}
	if w.store.CAFile != "" {
		args = append(args, "--ca-cert", w.store.CAFile)
	}
	cmd := rclone(ctx, w.store.Endpoint, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("rclone: %w\n%s", err, &said)
	}
	used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("the kernel does not tell what rclone has used")
	}
	into.seconds = append(into.seconds, time.Since(began).Seconds())
	into.cpu = append(into.cpu, (cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds()/w.gigabytes())
	into.memory = append(into.memory, float64(used.Maxrss)/1024)
	return w.arrived(bucket)
}

func (w *waiting) gigabytes() float64 { return float64(w.files*w.size) / 1000 }

// arrived checks that the store has it all, and makes room for the next: one that
// sends nothing is cheap.
func (w *waiting) arrived(bucket string) error {
	dir := filepath.Join(w.bucket, bucket)
	var total int64
	for _, size := range videos(dir) {
		total += size
	}
	if want := int64(w.files) * int64(w.size) * 1e6; total != want {
		return fmt.Errorf("%d bytes arrived in %s, %d were to", total, bucket, want)
	}
	return os.RemoveAll(dir)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"recording-agent/uploader/s3/s3test"
)

// recorder is one of the two that are compared: its processes, and where it
// writes.
type recorder struct {
	name    string
	dir     string
	cmds    []*exec.Cmd
	said    bytes.Buffer
	started time.Time
	ticks   uint64
}

func buildAgent(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "recording-agent")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "recording-agent/agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the agent: %w\n%s", err, out)
	}
	return binary, nil
}

// startAgent has the agent record, and upload if there is a store.
func startAgent(place, binary, url, store string, cameras int) (*recorder, error) {
	r := &recorder{name: "agent", dir: filepath.Join(place, "agent")}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "[agent]\nclient_name = \"bench\"\ndata_dir = %q\nstorage = \"local\"\n", filepath.Join(r.dir, "data"))
	if store != "" {
		text.Reset()
		fmt.Fprintf(&text, "[agent]\nclient_name = \"bench\"\ndata_dir = %q\n[s3]\nbucket = %q\nregion = %q\nendpoint = %q\npath_style = true\n"+
			"access_key_id = %q\nsecret_access_key = %q\nkey = \"{camera_id}/{client}_{segment}.mp4\"\n[retention]\ndelete_after_upload = false\n",
			filepath.Join(r.dir, "data"), agentBucket, s3test.Region, store, s3test.AccessKey, s3test.SecretKey)
	}
	text.WriteString("[segment]\nduration = \"10s\"\n[status]\nlisten = \"127.0.0.1:0\"\n")
	for i := range cameras {
		fmt.Fprintf(&text, "[[camera]]\nid = \"camera-%d\"\nurl = %q\ntransport = \"tcp\"\n", i, url)
	}
	config := filepath.Join(r.dir, "agent.toml")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	return r, r.start(binary, "run", "--config", config)
}

// startFFmpeg starts a process per camera, as those who record with ffmpeg do,
// writing fragmented MP4 in segments of the same length.
func startFFmpeg(place, url string, cameras int) (*recorder, error) {
	r := &recorder{name: "ffmpeg", dir: filepath.Join(place, "ffmpeg")}
	for i := range cameras {
		out := filepath.Join(r.dir, fmt.Sprintf("camera-%d", i))
		if err := os.MkdirAll(out, 0o755); err != nil {
			return nil, err
		}
		err := r.start("ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy", "-f", "segment",
			"-segment_time", "10", "-segment_atclocktime", "1", "-reset_timestamps", "1", "-segment_format", "mp4",
			"-segment_format_options", "movflags=+frag_keyframe+empty_moov+default_base_moof", filepath.Join(out, "%05d.mp4"))
		if err != nil {
			r.stop()
			return nil, err
		}
	}
	return r, nil
}

func (r *recorder) start(program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stderr = &r.said
	if len(r.cmds) > 0 {
		cmd.Stderr = nil // one voice is enough
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	r.cmds = append(r.cmds, cmd)
	return nil
}

func (r *recorder) stop() {
	for _, c := range r.cmds {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
}

// begin starts the measurement.
func (r *recorder) begin() {
	r.started = time.Now()
	r.ticks, _ = r.cpuTicks() // an error comes again in cost
}

// clockTicks is what Linux counts processor time in, on all its machines.
const clockTicks = 100

// cost returns the processor time since begin in % of one core, and the memory
// in MB, of all processes.
func (r *recorder) cost() (cpu, memory float64, err error) {
	ticks, err := r.cpuTicks()
	if err != nil {
		return 0, 0, fmt.Errorf("%s has ended: %w\n%s", r.name, err, &r.said)
	}
	cpu = float64(ticks-r.ticks) / clockTicks / time.Since(r.started).Seconds() * 100
	for _, c := range r.cmds {
		kb, err := pss(c.Process.Pid)
		if err != nil {
			return 0, 0, err
		}
		memory += float64(kb) / 1024
	}
	return cpu, memory, nil
}

func (r *recorder) cpuTicks() (total uint64, err error) {
	for _, c := range r.cmds {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := bytes.Cut(data, []byte(") ")) // the name may hold blanks
		fields := strings.Fields(string(rest))
		if len(fields) < 13 || fields[0] == "Z" {
			return 0, errors.New("a process has died")
		}
		for _, f := range fields[11:13] { // utime, stime; see proc(5)
			n, err := strconv.ParseUint(f, 10, 64)
			if err != nil {
				return 0, err
			}
			total += n
		}
	}
	return total, nil
}

// pss is a process's proportional share of memory, in KiB.
func pss(pid int) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
		}
	}
	return 0, errors.New("the kernel does not tell a process's memory")
}

// wrote checks that the recorder has recorded all cameras: a recorder that
// fails is cheap.
func (r *recorder) wrote(cameras int, measured time.Duration) error {
	var size int64
	for _, n := range videos(r.dir) {
		size += n
	}
	if want := int64(float64(cameras) * measured.Seconds() * 4e6 / 8); size < want {
		return fmt.Errorf("%s has written %d bytes, at least %d were expected\n%s", r.name, size, want, &r.said)
	}
	return nil
}

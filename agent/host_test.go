package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/agent/central/centraltest"
	"recording-agent/agent/demo/clips"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/uploader/s3/s3test"
	"recording-agent/uploader/wiretest"
)

// TestMain lets the test's own binary be the agent, so that it can be run, and
// killed, as a process.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AS_AGENT") != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

const (
	hostBucket   = "footage"
	mirrorBucket = "copy"
)

// host is a camera host and the world around it: cameras, a real S3 server
// behind a line that can be cut, and a central server behind another.
type host struct {
	t       *testing.T
	dir     string
	cameras []string // ids
	segment string   // duration
	more    string   // at the end of the configuration
	local   bool     // without any destination
	follows bool     // the cameras are central's

	leftOpen bool // an upload may be left open
	hub      *rtsptest.Hub
	silence  context.CancelFunc
	store    *s3test.Server
	objects  *s3.Client
	central  *centraltest.Server
	toStore  *wiretest.Line
	toRows   *wiretest.Line
	status   string
	agent    *exec.Cmd
	env      []string // of the agent, besides that of the test
	said     said
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), segment: "5s", cameras: []string{"6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "7c9e6679-7425-40de-944b-e07fc1f90ae7"}}
	h.store = s3test.Run(t, false, hostBucket, mirrorBucket)
	h.objects = s3.New(s3.Options{
		Region: s3test.Region, BaseEndpoint: &h.store.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s3test.AccessKey, s3test.SecretKey, ""),
	})
	h.central = centraltest.New(centraltest.Options{Token: "test", ClientName: "host", Cameras: h.cameras})
	rows := httptest.NewServer(h.central)
	t.Cleanup(rows.Close)
	h.toStore = wiretest.New(t, strings.TrimPrefix(h.store.Endpoint, "http://"))
	h.toRows = wiretest.New(t, rows.Listener.Addr().String())
	h.startCameras()
	h.configure()
	t.Cleanup(h.kill)
	return h
}

func (h *host) startCameras() {
	h.t.Helper()
	var err error
	if h.hub, err = rtsptest.NewHub(); err != nil {
		h.t.Fatal(err)
	}
	ctx, silence := context.WithCancel(context.Background())
	var playing sync.WaitGroup
	for i, data := range [][]byte{clips.H264, clips.H265} {
		clip, err := rtsptest.ReadClip(data, clips.Length)
		if err != nil {
			h.t.Fatal(err)
		}
		playing.Go(func() { _ = h.hub.Play(ctx, h.cameras[i], clip) })
	}
	h.silence = sync.OnceFunc(func() {
		silence()
		h.hub.Close()
		playing.Wait()
	})
	h.t.Cleanup(h.silence)
}

func (h *host) configure() {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.status = l.Addr().String()
	l.Close()
	var cameras strings.Builder
	follow := ""
	if h.follows {
		follow = "cameras = true\nsync_interval = \"5s\""
	}
	for _, id := range h.cameras {
		if h.follows {
			break
		}
		fmt.Fprintf(&cameras, "[[camera]]\nid = %q\nurl = %q\ntransport = \"tcp\"\n", id, h.hub.URL(id))
	}
	store := fmt.Sprintf(`
[s3]
bucket = %q
region = %q
endpoint = "http://%s"
path_style = true
access_key_id = %q
secret_access_key = %q`, hostBucket, s3test.Region, h.toStore.Address, s3test.AccessKey, s3test.SecretKey)
	storage := "s3"
	if h.local {
		storage, store = "local", ""
	}
	text := fmt.Sprintf(`
[agent]
client_name = "host"
data_dir = %q
storage = %q
[central]
url = "http://%s"
token = "test"
client_id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
%s
[segment]
duration = %q
%s
[status]
listen = %q
%s%s`, h.data(), storage, h.toRows.Address, follow, h.segment, store, h.status, &cameras, h.more)
	if err := os.WriteFile(h.config(), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) data() string   { return filepath.Join(h.dir, "data") }
func (h *host) config() string { return filepath.Join(h.dir, "agent.toml") }

// start runs the agent.
func (h *host) start() {
	h.t.Helper()
	h.agent = exec.Command(os.Args[0], "run", "--config", h.config())
	h.agent.Env = append(append(os.Environ(), "RUN_AS_AGENT=1"), h.env...)
	h.agent.Stdout, h.agent.Stderr = &h.said, &h.said
	if err := h.agent.Start(); err != nil {
		h.t.Fatal(err)
	}
}

// kill ends the agent as kill -9 does.
func (h *host) kill() {
	if h.agent != nil && h.agent.ProcessState == nil {
		_ = h.agent.Process.Kill()
		_ = h.agent.Wait()
	}
	if text := h.said.take(); h.t.Failed() && text != "" {
		h.t.Logf("the agent said:\n%s", text)
	}
}

// stop ends the agent as an operator does, and wants it to end well.
func (h *host) stop() {
	h.t.Helper()
	if err := h.agent.Process.Signal(os.Interrupt); err != nil {
		h.t.Fatal(err)
	}
	if err := h.agent.Wait(); err != nil {
		h.t.Errorf("the agent did not end well: %v", err)
	}
}

// edit changes the configuration file of an agent that runs.
func (h *host) edit(old, new string) {
	h.t.Helper()
	data, err := os.ReadFile(h.config())
	if err != nil {
		h.t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		h.t.Fatalf("the configuration does not hold %q", old)
	}
	if err := os.WriteFile(h.config(), []byte(strings.Replace(string(data), old, new, 1)), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// files lists the segment files on the disk.
func (h *host) files() []string {
	files, err := filepath.Glob(filepath.Join(h.data(), "segments", "*", "*.mp4"))
	if err != nil {
		h.t.Fatal(err)
	}
	return files
}

func segmentOf(file string) string {
	_, id, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".mp4"), "_")
	return id
}

// until polls: the condition says what is still wanted, nothing when it holds.
func (h *host) until(limit time.Duration, condition func() string) {
	h.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		wanted := condition()
		if wanted == "" {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("after %v still: %s", limit, wanted)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// shown is a camera as /status shows it.
type shown struct {
	ID, Name, State string
	Frames          int64
	Reconnects      int64
}

// shows returns the cameras that the agent shows; none while it does not answer.
func (h *host) shows() []shown {
	response, err := http.Get("http://" + h.status + "/status")
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var s struct {
		Cameras []shown `json:"camera_status"`
	}
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		h.t.Errorf("the agent's state: %v", err)
	}
	return s.Cameras
}

// untilStates waits until the cameras are shown in these states, in order.
func (h *host) untilStates(limit time.Duration, want ...string) {
	h.t.Helper()
	h.until(limit, func() string {
		var got []string
		for _, c := range h.shows() {
			got = append(got, c.State)
		}
		if !slices.Equal(got, want) {
			return fmt.Sprintf("cameras %v, they are %v", want, got)
		}
		return ""
	})
}

// backlog says what has not gone all the way yet.
func (h *host) backlog() string {
	response, err := http.Get("http://" + h.status + "/status")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	var s struct {
		Sync struct {
			Pending int `json:"pending_updates"`
		} `json:"sync_status"`
		Destinations []struct {
			Segments int `json:"backlog_segments"`
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		return err.Error()
	}
	waiting := 0
	for _, d := range s.Destinations {
		waiting += d.Segments
	}
	if n := len(h.files()); s.Sync.Pending > 0 || len(s.Destinations) == 0 || waiting > 0 || n > 0 {
		return fmt.Sprintf("%d updates for central, destinations %+v, %d files", s.Sync.Pending, s.Destinations, n)
	}
	return ""
}

// object fetches what central has been told of.
func (h *host) object(key string) (string, error) {
	return h.objectIn(hostBucket, key)
}

func (h *host) objectIn(bucket, key string) (string, error) {
	out, err := h.objects.GetObject(h.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	path := filepath.Join(h.t.TempDir(), "object.mp4")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, out.Body)
	return path, errors.Join(err, f.Close())
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"recording-agent/agent/torture/check"
	"recording-agent/uploader/s3/s3test"
	"recording-agent/uploader/wiretest"
)

const (
	bucket     = "footage"
	clientName = "torture"
	sentLog    = "sent.log"
)

// world is the agent and all that is around it.
type world struct {
	dir     string
	cameras []string // ids
	leftOut map[string]string
	log     *diary

	store       *s3test.Server
	storeAt     string // host:port
	centralAt   string
	statusAt    string // the agent's
	quiet       bool   // somebody else tells of the progress
	player      *child
	agent       *agent
	disk        *disk
	clock       *clock
	storeLine   *wiretest.Line
	centralLine *wiretest.Line
	cameraLines []*wiretest.Line

	mu      sync.Mutex
	central *child // nil while it is away
}

func newWorld(ctx context.Context, dir string, cameras int) (*world, error) {
	for _, program := range []string{"ffmpeg", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is needed: %w", program, err)
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	w := &world{dir: dir, leftOut: map[string]string{}, log: newDiary()}
	for i := range cameras {
		w.cameras = append(w.cameras, fmt.Sprintf("7c9e6679-7425-40de-944b-%012d", i+1))
	}
	for _, c := range clips {
		if err := c.make(ctx, dir); err != nil {
			return nil, err
		}
	}
	if err := w.start(ctx); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// start starts all but the agent.
func (w *world) start(ctx context.Context) (err error) {
	if w.storeAt, err = freeAddress(); err != nil {
		return err
	}
	if w.centralAt, err = freeAddress(); err != nil {
		return err
	}
	if w.statusAt, err = freeAddress(); err != nil {
		return err
	}
	if err := w.startStore(ctx); err != nil {
		return err
	}
	if err := w.startCentral(); err != nil {
		return err
	}
	if w.storeLine, err = wiretest.Open(w.storeAt); err != nil {
		return err
	}
	if w.centralLine, err = wiretest.Open(w.centralAt); err != nil {
		return err
	}
	player, hub, err := startChild(roleCameras, camerasOrder{Dir: w.dir, IDs: w.cameras})
	if err != nil {
		return err
	}
	w.player = player
	hub = strings.TrimSuffix(strings.TrimPrefix(hub, "rtsp://"), "/")
	for range w.cameras {
		line, err := wiretest.Open(hub)
		if err != nil {
			return err
		}
		w.cameraLines = append(w.cameraLines, line)
	}
	if w.disk, err = openDisk(ctx, w.dir); err != nil {
		w.leftOut["disk"] = err.Error()
	}
	if w.clock, err = newClock(w.dir); err != nil {
		return err
	}
	w.agent, err = prepareAgent(ctx, w)
	return err
}

func (w *world) startStore(ctx context.Context) (err error) {
	w.store, err = s3test.Start(ctx, s3test.Options{Dir: filepath.Join(w.dir, "s3"), Listen: w.storeAt, Buckets: []string{bucket}, Say: os.Stdout})
	return err
}

func (w *world) startCentral() error {
	c, _, err := startChild(roleCentral, centralOrder{Listen: w.centralAt, Journal: w.journal(), Cameras: w.cameras})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.central = c
	return err
}

func (w *world) killCentral() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.central != nil {
		w.central.kill()
		w.central = nil
	}
}

// tellCentral says how it is to answer. One that is started again answers as it should.
func (w *world) tellCentral(mode string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.central != nil {
		w.central.tell(mode)
	}
}

func (w *world) journal() string { return filepath.Join(w.dir, "central.log") }

// begin starts the agent, and counts frames from then on.
func (w *world) begin() error {
	w.log.begin(check.AgentDown, "")
	w.log.from()
	return w.agent.start()
}

// heal ends all faults; who was restarted is there by now.
func (w *world) heal() (err error) {
	w.storeLine.Set(wiretest.Fault{})
	w.centralLine.Set(wiretest.Fault{})
	for i := range w.cameraLines {
		w.cameraLines[i].Set(wiretest.Fault{})
	}
	if w.disk != nil {
		err = w.disk.free()
	}
	w.tellCentral("")
	return err
}

// stop ends what was started.
func (w *world) stop() {
	if w.agent != nil {
		w.agent.kill()
	}
	w.killCentral()
	if w.player != nil {
		w.player.kill()
	}
	if w.store != nil {
		w.store.Stop()
	}
	for _, l := range append(w.cameraLines, w.storeLine, w.centralLine) {
		if l != nil {
			l.Close()
		}
	}
	if w.disk != nil {
		w.disk.close()
	}
}

// freeAddress finds one outside of the ports that connections are made from: it is to
// be free again after each restart.
func freeAddress() (string, error) {
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(10000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", errors.New("no free port between 10000 and 20000")
}

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

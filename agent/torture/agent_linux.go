package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"

	"recording-agent/agent/torture/check"
	"recording-agent/uploader/s3/s3test"
)

const (
	readyWithin = 15 * time.Second // of its start, or it is not forgiven what it misses
	stopWithin  = 60 * time.Second
	againAfter  = time.Second // what systemd waits before it starts a service again
)

// agent is the real program, as a child process.
type agent struct {
	binary, config, data, said, clock string
	log                               *diary

	mu      sync.Mutex
	cmd     *exec.Cmd
	ended   chan struct{}
	wanted  bool // it is to run: when it ends by itself it is started again
	starts  int
	waiting sync.WaitGroup
}

//go:embed agent.toml.tmpl
var configText string

// prepareAgent builds the agent and writes its configuration.
func prepareAgent(ctx context.Context, w *world) (*agent, error) {
	a := &agent{
		binary: filepath.Join(w.dir, "recording-agent"), config: filepath.Join(w.dir, "agent.toml"),
		data: filepath.Join(w.dir, "data"), said: filepath.Join(w.dir, "agent.log"),
		clock: w.clock.file, log: w.log,
	}
	build := exec.CommandContext(ctx, "go", "build", "-tags", "torture", "-o", a.binary, "recording-agent/agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the agent (start it inside the project): %w\n%s", err, out)
	}
	var cameras []map[string]string
	for i, id := range w.cameras {
		cameras = append(cameras, map[string]string{"ID": id, "Name": fmt.Sprint("Camera ", i+1), "URL": "rtsp://" + w.cameraLines[i].Address + "/" + id})
	}
	var text strings.Builder
	t := template.Must(template.New("config").Funcs(template.FuncMap{"quote": strconv.Quote}).Parse(configText))
	err := t.Execute(&text, map[string]any{
		"Client": clientName, "DataDir": a.data, "Status": w.statusAt, "Central": "http://" + w.centralLine.Address, "Token": centralToken, "Cameras": cameras,
		"Bucket": bucket, "Region": s3test.Region, "Endpoint": "http://" + w.storeLine.Address,
		"AccessKey": s3test.AccessKey, "SecretKey": s3test.SecretKey,
	})
	if err != nil {
		return nil, err
	}
	w.log.What.Cameras, w.log.What.Data = w.cameras, a.data
	return a, os.WriteFile(a.config, []byte(text.String()), 0o600)
}

// start starts it. The outage that it being away is ends when it is ready.
func (a *agent) start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.starts++
	said, err := os.OpenFile(a.said, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer said.Close()
	address := &net.UnixAddr{Name: fmt.Sprintf("@torture-%d-%d", os.Getpid(), a.starts), Net: "unixgram"}
	notify, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		return err
	}
	cmd := exec.Command(a.binary, "run", "--config", a.config)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+address.Name, "RECORDING_AGENT_CLOCK_STEP="+a.clock)
	cmd.Stdout, cmd.Stderr = said, said
	apart(cmd)
	if err := cmd.Start(); err != nil {
		notify.Close()
		return fmt.Errorf("start the agent: %w", err)
	}
	ended := make(chan struct{})
	a.cmd, a.ended, a.wanted = cmd, ended, true
	a.waiting.Go(func() {
		_ = cmd.Wait()
		notify.Close()
		close(ended)
	})
	a.waiting.Go(func() { a.awaitReady(notify) })
	go a.again(cmd, ended)
	return nil
}

func (a *agent) awaitReady(notify *net.UnixConn) {
	late := time.AfterFunc(readyWithin, func() { a.log.end(check.AgentDown, "") })
	defer late.Stop()
	message := make([]byte, 4096)
	for {
		n, err := notify.Read(message)
		if err != nil {
			return
		}
		if bytes.Contains(message[:n], []byte("READY=1")) {
			a.log.end(check.AgentDown, "")
			return
		}
	}
}

// again starts it once more when it ends and nobody has asked it to.
func (a *agent) again(cmd *exec.Cmd, ended <-chan struct{}) {
	<-ended
	a.mu.Lock()
	unasked := a.wanted && a.cmd == cmd
	a.mu.Unlock()
	if !unasked {
		return
	}
	a.log.begin(check.AgentDown, "")
	a.log.fault(fmt.Sprintf("the agent ended by itself at %s: %s; see %s", time.Now().UTC().Format(time.TimeOnly), cmd.ProcessState, a.said))
	time.Sleep(againAfter)
	a.mu.Lock()
	unasked = a.wanted && a.cmd == cmd
	a.mu.Unlock()
	if unasked {
		if err := a.start(); err != nil {
			a.log.fault(err.Error())
		}
	}
}

// kill ends it at once.
func (a *agent) kill() {
	a.mu.Lock()
	cmd, ended := a.cmd, a.ended
	a.wanted = false
	a.mu.Unlock()
	if cmd == nil {
		return
	}
	a.log.begin(check.AgentDown, "")
	_ = cmd.Process.Kill()
	<-ended
}

// terminate asks it to end.
func (a *agent) terminate() (cmd *exec.Cmd, ended <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = false
	a.log.begin(check.AgentDown, "")
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	return a.cmd, a.ended
}

// stop asks it to end, as a service manager does.
func (a *agent) stop() error {
	cmd, ended := a.terminate()
	select {
	case <-ended:
	case <-time.After(stopWithin):
		a.kill()
		return fmt.Errorf("the agent has not stopped within %s; see %s", stopWithin, a.said)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return errors.New("the agent has stopped with " + cmd.ProcessState.String())
	}
	return nil
}

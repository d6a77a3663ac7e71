package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"text/template"
	"time"

	"recording-agent/uploader/s3/s3test"
)

// agent is the real program, as a child process.
type agent struct {
	binary, config, text     string
	dataDir, logFile, status string
}

//go:embed agent.toml.tmpl
var configText string

// prepareAgent builds the agent and writes its configuration.
func prepareAgent(ctx context.Context, dir string, s *servers) (*agent, error) {
	a := &agent{
		binary: filepath.Join(dir, "recording-agent"), config: filepath.Join(dir, "agent.toml"),
		dataDir: filepath.Join(dir, "data"), logFile: filepath.Join(dir, "agent.log"), status: statusAddress(),
	}
	if runtime.GOOS == "windows" {
		a.binary += ".exe"
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", a.binary, "recording-agent/agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the agent (start the demo inside the project): %w\n%s", err, out)
	}
	var text strings.Builder
	t := template.Must(template.New("config").Funcs(template.FuncMap{"quote": strconv.Quote}).Parse(configText))
	err := t.Execute(&text, map[string]any{
		"Client": clientName, "DataDir": a.dataDir, "Central": s.centralURL, "Token": token, "Cameras": tomlCameras(s.cameras),
		"Segment": fmt.Sprint(segmentSeconds, "s"), "Bucket": bucket, "Region": s3test.Region, "Endpoint": s.store.Endpoint,
		"AccessKey": s3test.AccessKey, "SecretKey": s3test.SecretKey, "Status": a.status, "Log": a.logFile,
	})
	if err != nil {
		return nil, fmt.Errorf("write the agent's configuration: %w", err)
	}
	a.text = text.String()
	if err := os.WriteFile(a.config, []byte(a.text), 0o600); err != nil {
		return nil, fmt.Errorf("write the agent's configuration: %w", err)
	}
	return a, nil
}

func tomlCameras(cameras []camera) []map[string]string {
	var out []map[string]string
	for _, c := range cameras {
		out = append(out, map[string]string{"ID": c.id, "Name": c.name, "URL": c.url})
	}
	return out
}

// statusAddress is the agent's default one, or another when that is taken.
func statusAddress() string {
	for _, address := range []string{"127.0.0.1:8001", "127.0.0.1:0"} {
		if l, err := net.Listen("tcp", address); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	return "127.0.0.1:8001"
}

// run runs the agent until ctx ends, and then until it has stopped by itself.
func (a *agent) run(ctx context.Context) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, a.binary, "run", "--config", a.config)
	cmd.Stdout, cmd.Stderr = &said, &said
	apart(cmd)
	cmd.Cancel = func() error { return interrupt(cmd.Process) }
	cmd.WaitDelay = 30 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 0 {
		return nil
	}
	if err == nil {
		return fmt.Errorf("the agent ended by itself\n%s", &said)
	}
	return fmt.Errorf("the agent failed: %w\n%s", err, &said)
}

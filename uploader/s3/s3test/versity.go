// Package s3test runs a real S3 server, versitygw, as a child process, for tests
// and the demo.
package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

const (
	versity = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

	// AccessKey and SecretKey are obviously not real ones.
	AccessKey = "test"
	SecretKey = "minioadmin"
	Region    = "us-east-1"
)

// Server is a running store.
type Server struct {
	Endpoint string
	CAFile   string // of its certificate; empty over plain HTTP

	binary string

	cmd  *exec.Cmd
	done chan struct{}
	log  *bytes.Buffer
}

// Options configure a server.
type Options struct {
	Dir     string // for buckets (and certificates); created
	Listen  string // host:port; empty: a free one on loopback
	Buckets []string
	TLS     bool
	Users   bool      // AddUser may be called
	Say     io.Writer // told what takes long; may be nil
}

// Binary returns the server's program, building it on the first use, which takes
// a minute or two. Concurrent callers wait for each other.
func Binary(ctx context.Context, say io.Writer) (string, error) {
	if found, err := exec.LookPath("versitygw"); err == nil {
		return found, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the S3 server: %w", err)
	}
	dir := filepath.Join(cache, "recording-agent", "versitygw-v1.8.0")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a place for the S3 server: %w", err)
	}
	binary := filepath.Join(dir, "versitygw")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for the S3 server to be built: %w", err)
	}
	defer lock.Unlock()
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if say != nil {
		fmt.Fprintln(say, "building the S3 server (versitygw), once; this takes a minute or two")
	}
	build := exec.CommandContext(ctx, "go", "install", versity)
	build.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=")
	build.Dir = dir // not inside this module
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the S3 server: %w\n%s", err, out)
	}
	return binary, nil
}

// Start starts a server and waits until it answers. It ends with Stop, or with
// this process where the system can see to that.
func Start(ctx context.Context, o Options) (*Server, error) {
	binary, err := Binary(ctx, o.Say)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(o.Dir, "buckets")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("make a place for buckets: %w", err)
	}
	for _, b := range o.Buckets {
		if err := os.MkdirAll(filepath.Join(root, b), 0o755); err != nil {
			return nil, fmt.Errorf("make bucket %s: %w", b, err)
		}
	}
	port := o.Listen
	if port == "" {
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	s := &Server{Endpoint: "http://" + port, done: make(chan struct{}), log: &bytes.Buffer{}}
	args := []string{"--port", port, "--access", AccessKey, "--secret", SecretKey, "--region", Region}
	if o.TLS {
		cert, key, err := certificate(o.Dir)
		if err != nil {
			return nil, err
		}
		s.Endpoint, s.CAFile = "https://"+port, cert
		args = append(args, "--cert", cert, "--key", key)
	}
	if o.Users {
		args = append(args, "--iam-dir", o.Dir)
	}
	s.binary = binary
	s.cmd = exec.Command(binary, append(args, "posix", root)...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	dieWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the S3 server: %w", err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	if err := s.answers(ctx); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%w\n%s", err, s.log)
	}
	return s, nil
}

// Stop ends the server.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

func (s *Server) answers(ctx context.Context) error {
	address := s.Endpoint[len("http://"):]
	if s.CAFile != "" {
		address = s.Endpoint[len("https://"):]
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.done:
			return errors.New("the S3 server ended at once")
		case <-time.After(50 * time.Millisecond):
		}
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			c.Close()
			return nil
		}
	}
	return errors.New("the S3 server does not answer")
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

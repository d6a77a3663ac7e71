package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/config"
)

// said is a log that can be read while it is written.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(s.String(), text) {
			return
		}
	}
	t.Fatalf("never said: %s\n%s", text, s)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// take returns what was said since the last time.
func (s *said) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.buf.Reset()
	return s.buf.String()
}

// Changes are applied when they are valid, and reported when they are not.
func TestChangedConfigurationIsJudged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.toml")
	valid := "[agent]\nclient_name = \"host\"\n[[camera]]\nid = \"gate\"\nurl = \"rtsp://127.0.0.1/x\"\n"
	write := func(text string) {
		t.Helper()
		// As an editor does: a new file under the old name.
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(valid)
	log := &said{}
	hangup, ignore := catchHangup()
	defer ignore()
	applied := make(chan *config.Config, 10)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		_ = watchConfig(ctx, path, config.SumOf([]byte(valid)), hangup, zerolog.New(log), func(c *config.Config) { applied <- c })
	})
	defer watching.Wait()
	defer stop()
	write(valid + "audio = false\n") // perhaps before the watcher stands
	if c := <-applied; c.Cameras[0].Audio {
		t.Errorf("applied: %+v", c)
	}
	write(strings.Replace(valid, "client_name", "klient_name", 1))
	log.await(t, "would not start again")
	log.await(t, "klient_name")
	write(valid)
	if c := <-applied; !c.Cameras[0].Audio {
		t.Errorf("applied: %+v", c)
	}
	if len(applied) > 0 {
		t.Errorf("applied once more: %+v", <-applied)
	}
}

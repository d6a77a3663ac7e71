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
		s.mu.Lock()
		found := strings.Contains(s.buf.String(), text)
		s.mu.Unlock()
		if found {
			return
		}
	}
	t.Fatalf("never said: %s\n%s", text, s.buf.String())
}

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
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = watchConfig(ctx, path, zerolog.New(log)) })
	defer watching.Wait()
	defer stop()
	// Changes are only seen once the watcher stands; write until it does.
	for i := 0; i < 50; i++ {
		write(valid + strings.Repeat("# a comment\n", i+1))
		time.Sleep(50 * time.Millisecond)
	}
	log.await(t, "restart the agent to apply it")
	write(strings.Replace(valid, "client_name", "klient_name", 1))
	log.await(t, "would not start again")
	log.await(t, "klient_name")
}

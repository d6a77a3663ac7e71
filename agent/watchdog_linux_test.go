package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// systemd hears that the agent is alive for as long as its parts answer, and nothing
// while one of them hangs, though the process goes on.
func TestWatchdogIsSilentWhenAPartHangs(t *testing.T) {
	dir := t.TempDir()
	a := builtAgent(t, dir, zerolog.Nop())
	defer a.spool.Close()
	socket := filepath.Join(dir, "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "400000")
	t.Setenv("WATCHDOG_PID", "")
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = a.watchdog(ctx) })
	defer watching.Wait()
	defer cancel()
	hears := func(within time.Duration) bool {
		t.Helper()
		if err := systemd.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 100)
		n, err := systemd.Read(said)
		return err == nil && strings.Contains(string(said[:n]), "WATCHDOG=1")
	}
	for range 2 {
		if !hears(20 * time.Second) {
			t.Fatal("a healthy agent is silent")
		}
	}
	a.fleet.mu.Lock()
	for range 5 { // what was under way
		hears(time.Second)
	}
	if hears(2 * time.Second) {
		t.Error("it is said to be alive while its cameras do not answer")
	}
	a.fleet.mu.Unlock()
	if !hears(20 * time.Second) {
		t.Error("it is silent when all answers again")
	}
}

// An agent that cannot start anew is not ended for it: what it says on its page would go as well.
func TestSystemdHearsOfAStartThatFails(t *testing.T) {
	l := newLone(t, filepath.Join(t.TempDir(), "data"))
	socket := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "2000000")
	t.Setenv("WATCHDOG_PID", "")
	hears := func(what string, within time.Duration) {
		t.Helper()
		until := time.Now().Add(within)
		for said := ""; !strings.Contains(said, what); {
			buf := make([]byte, 200)
			_ = systemd.SetReadDeadline(until)
			n, err := systemd.Read(buf)
			if err != nil {
				t.Fatalf("systemd does not hear %s for %v: %v\n%s", what, within, err, &l.said)
			}
			said = string(buf[:n])
		}
	}
	l.start()
	hears("READY=1", 20*time.Second)
	replaceData(t, l.data)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(l.said.String(), "agent starts anew"); {
		if hears("WATCHDOG=1", 3*time.Second); time.Now().After(deadline) {
			t.Fatalf("it does not start anew:\n%s", &l.said)
		}
	}
	for began := time.Now(); time.Since(began) < 6*time.Second; {
		hears("WATCHDOG=1", 3*time.Second)
	}
	putDataBack(t, l.data)
	hears("READY=1", 30*time.Second)
	hears("WATCHDOG=1", 3*time.Second)
	l.stop()
}

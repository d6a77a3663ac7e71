package main

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// lone is an agent that has nothing but its data directory.
type lone struct {
	t            *testing.T
	config, data string
	said         said
	agent        *exec.Cmd
}

func newLone(t *testing.T, data string) *lone {
	t.Helper()
	l := &lone{t: t, config: filepath.Join(t.TempDir(), "agent.toml"), data: data}
	l.write("")
	t.Cleanup(func() {
		if l.agent != nil && l.agent.ProcessState == nil {
			_ = l.agent.Process.Kill()
			_ = l.agent.Wait()
		}
	})
	return l
}

func (l *lone) write(more string) {
	l.t.Helper()
	text := fmt.Sprintf("[agent]\nclient_name = \"host\"\nstorage = \"local\"\ndata_dir = %q\n[status]\nlisten = \"127.0.0.1:0\"\n%s", l.data, more)
	if err := os.WriteFile(l.config, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lone) start() {
	l.t.Helper()
	l.agent = exec.Command(os.Args[0], "run", "--config", l.config)
	l.agent.Env = append(os.Environ(), "RUN_AS_AGENT=1")
	l.agent.Stdout, l.agent.Stderr = &l.said, &l.said
	if err := l.agent.Start(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lone) stop() {
	l.t.Helper()
	if err := l.agent.Process.Signal(os.Interrupt); err != nil {
		l.t.Error(err)
	}
	if err := l.agent.Wait(); err != nil {
		l.t.Errorf("the agent did not end well: %v\n%s", err, &l.said)
	}
}

// holdLedger lets nobody else open the ledger until release is called.
func holdLedger(t *testing.T, dir string) (release func()) {
	t.Helper()
	s, err := spool.Open(t.Context(), spool.Options{Dir: dir, ClientName: "host", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "ledger.db")+"?_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE held (x)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DROP TABLE held"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What asks for a reload while the agent still starts is not lost, and does not end it.
func TestReloadWhileStarting(t *testing.T) {
	for name, change := range map[string]func(l *lone){
		"hangup": func(l *lone) {
			if err := l.agent.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		},
		"file": func(l *lone) { l.write("[log]\nlevel = \"debug\"\n") },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLone(t, t.TempDir())
			release := holdLedger(t, l.data)
			l.start()
			l.said.await(t, "agent starts")
			change(l)
			time.Sleep(200 * time.Millisecond) // a signal that is not caught ends it meanwhile
			release()
			l.said.await(t, "read anew and is in force")
			l.stop()
		})
	}
}

// An agent that is told to stop while it still starts ends well.
func TestStopWhileStarting(t *testing.T) {
	l := newLone(t, t.TempDir())
	release := holdLedger(t, l.data)
	defer release()
	l.start()
	l.said.await(t, "agent starts")
	time.Sleep(200 * time.Millisecond) // it waits for the ledger meanwhile
	l.stop()
}

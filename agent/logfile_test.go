package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/agent/config"
)

func logFiles(t *testing.T, dir string) (names []string, bytes int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != logFileMode {
			t.Errorf("%s may be read by others: %v", e.Name(), mode)
		}
		names, bytes = append(names, e.Name()), bytes+info.Size()
	}
	return names, bytes
}

// However much is logged, what is kept is bounded, and the newest of it.
func TestLogIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log", "agent.log")
	log, _, closer := newLog(config.Log{Level: "info", Format: "json", File: file, MaxSize: 1 << 20, MaxAge: 30 * 24 * time.Hour, MaxFiles: 3}, nil)
	text := strings.Repeat("x", 1000)
	for i := range 9000 {
		log.Info().Int("n", i).Msg(text)
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	names, size := logFiles(t, filepath.Dir(file))
	if size > 4<<20 || size < 3<<20 || len(names) != 4 {
		t.Errorf("%d bytes in %v", size, names)
	}
	if data, err := os.ReadFile(file); err != nil || !bytes.Contains(data, []byte(`"n":8999`)) {
		t.Errorf("the last line is not in the newest file: %v", err)
	}
}

// A log to which little is written is put aside by age, and deleted by age.
func TestLogIsPutAsideByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "agent.log")
		log, _, closer := newLog(config.Log{Level: "info", Format: "json", File: file, MaxSize: 1 << 20, MaxAge: 30 * 24 * time.Hour, MaxFiles: 5}, nil)
		for day := range 60 {
			log.Info().Int("day", day).Send()
			time.Sleep(24 * time.Hour)
		}
		log.Info().Int("day", 60).Send()
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
		names, _ := logFiles(t, filepath.Dir(file))
		if len(names) < 5 || len(names) > 6 {
			t.Errorf("after 60 days there are %v", names)
		}
		var all []byte
		for _, name := range names {
			data, err := os.ReadFile(filepath.Join(filepath.Dir(file), name))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
		for day, want := range map[int]bool{0: false, 23: false, 31: true, 60: true} {
			if got := bytes.Contains(all, fmt.Appendf(nil, `"day":%d,`, day)); got != want {
				t.Errorf("day %d is kept: %v", day, got)
			}
		}
	})
}

// held is a log that cannot be put aside, because another program has it open.
type held struct{ io.Closer }

func (held) Write([]byte) (int, error) {
	return 0, errors.New("can't rename log file: used by another process")
}

// It goes on, and is bounded all the same.
func TestLogThatCannotBePutAside(t *testing.T) {
	dir := t.TempDir()
	file := newLogFile(config.Log{File: filepath.Join(dir, "agent.log"), MaxSize: 1 << 20, MaxAge: 24 * time.Hour, MaxFiles: 1})
	defer file.Close()
	file.WriteCloser = held{file.WriteCloser}
	line := bytes.Repeat([]byte("x"), 1000)
	failed := 0
	for range 4000 {
		if n, err := file.Write(line); err != nil {
			failed++
		} else if n != len(line) {
			t.Fatalf("%d bytes written", n)
		}
	}
	if _, size := logFiles(t, dir); size < 2<<20 || size > 2<<20+1000 || failed == 0 {
		t.Errorf("%d bytes, %d lines refused", size, failed)
	}
}

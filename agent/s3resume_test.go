package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recording-agent/uploader/wiretest"
)

// throughLine puts a line between the commands and the store.
func (c *counter) throughLine() *wiretest.Line {
	c.t.Helper()
	endpoint := fmt.Sprintf("%v", *c.objects.Options().BaseEndpoint)
	line := wiretest.New(c.t, strings.TrimPrefix(endpoint, "http://"))
	c.edit(fmt.Sprintf("bucket = \"footage\"\nendpoint = %q", endpoint), fmt.Sprintf("bucket = \"footage\"\nendpoint = %q", "http://"+line.Address))
	return line
}

// killed begins "s3 get", and kills it in the middle.
func (c *counter) killed(line *wiretest.Line, key, file string) (there int64) {
	c.t.Helper()
	line.Set(wiretest.Fault{Latency: 5 * time.Millisecond})
	cmd := exec.Command(os.Args[0], "s3", "get", key, "-o", file, "--config", c.config())
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), "RUN_AS_AGENT=1")
	c.ok(cmd.Start())
	partial := func() int64 {
		names, _ := filepath.Glob(filepath.Join(c.dir, file+".*.partial"))
		if len(names) != 1 {
			return 0
		}
		info, err := os.Stat(names[0])
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for deadline := time.Now().Add(20 * time.Second); partial() < 1<<20; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatal("nothing is fetched")
		}
	}
	line.Set(wiretest.Fault{Stalled: true})
	c.ok(cmd.Process.Kill())
	_ = cmd.Wait()
	if _, err := os.Stat(filepath.Join(c.dir, file)); err == nil {
		c.t.Fatal("it was fetched whole before it was killed")
	}
	line.Set(wiretest.Fault{})
	return partial()
}

func TestGetThatWasKilledGoesOn(t *testing.T) {
	c := newCounter(t)
	line := c.throughLine()
	data := bytes.Repeat([]byte("footage "), 8<<20)
	c.put("footage", "recordings/1.mp4", data)
	there := c.killed(line, "recordings/1.mp4", "mine.mp4")
	var j copyJSON
	if c.wantJSON(&j, "s3", "get", "recordings/1.mp4", "-o", "mine.mp4"); j.Resumed != there || j.Size != int64(len(data)) || j.CheckedBy == nil {
		t.Errorf("%d bytes were there: %+v", there, j)
	}
	if got, err := os.ReadFile(filepath.Join(c.dir, "mine.mp4")); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// The object is another when the command is given again.
	c.killed(line, "recordings/1.mp4", "other.mp4")
	other := bytes.Repeat([]byte("another"), 3<<20)
	c.put("footage", "recordings/1.mp4", other)
	if c.wantJSON(&j, "s3", "get", "recordings/1.mp4", "-o", "other.mp4"); j.Resumed != 0 {
		t.Errorf("gone on with another object: %+v", j)
	}
	if got, err := os.ReadFile(filepath.Join(c.dir, "other.mp4")); err != nil || !bytes.Equal(got, other) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "*.partial")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recording-agent/uploader/wiretest"
)

// segments runs a command with the configuration of the host's agent.
func (h *host) segments(args ...string) (said string, code int) {
	h.t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"segments", "--config", h.config()}, args...)...)
	cmd.Env = append(os.Environ(), "RUN_AS_AGENT=1")
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// listed are the segments that a list has.
func (h *host) listed(args ...string) []segmentJSON {
	h.t.Helper()
	said, code := h.segments(append([]string{"list", "--limit", "0", "--json"}, args...)...)
	var out []segmentJSON
	if err := json.Unmarshal([]byte(said), &out); code != 0 || err != nil {
		h.t.Fatalf("list %v: exit code %d, %v:\n%s", args, code, err, said)
	}
	return out
}

// untouched are the files of the data directory, with their sizes, times and, but
// for the footage, contents.
func (h *host) untouched() (out []string) {
	h.t.Helper()
	err := filepath.WalkDir(h.data(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var data []byte
		if !d.IsDir() && filepath.Ext(path) != ".mp4" {
			if data, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		out = append(out, fmt.Sprintf("%s %d %s %x", path, info.Size(), info.ModTime(), data))
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// What failed while the store was cut off is tried again at once when the agent
// is asked to. The ledger is looked at while the agent runs, after it was killed
// and after it has ended, and stays as it is.
func TestSegmentsWhileTheAgentRunsAndAfterwards(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute and a half")
	}
	h := newHost(t)
	h.toStore.Set(wiretest.Fault{Cut: true})
	h.start()
	h.until(40*time.Second, func() string {
		if _, err := os.Stat(filepath.Join(h.data(), "ledger.db-wal")); err != nil {
			return err.Error()
		}
		if len(h.shows()) == 0 { // before it answers it makes the ledger
			return "an agent that answers"
		}
		if open := h.listed("--state", "recording"); len(open) == 0 || open[0].FileSize == nil || len(h.listed("--state", "failed")) == 0 {
			return "a segment that is recorded, and one that has failed"
		}
		return ""
	})
	h.silence()
	// With the fifth attempt a pause of at least 11 seconds begins.
	var waiting segmentJSON
	h.until(2*time.Minute, func() string {
		attempts := 0
		for _, s := range h.listed("--state", "failed") {
			waiting = s
			attempts += s.Deliveries[0].Attempts
		}
		if attempts < 5 {
			return fmt.Sprintf("five failed attempts, there are %d", attempts)
		}
		return ""
	})
	if said, code := h.segments("list", "--state", "failed"); code != 0 || !strings.Contains(said, "primary: the connection to the store broke") {
		t.Errorf("list, exit code %d:\n%s", code, said)
	}

	h.toStore.Set(wiretest.Fault{})
	if said, code := h.segments("retry", waiting.ID); code != 0 || !strings.HasPrefix(said, "1 segment is tried again now: 1 upload, ") {
		t.Fatalf("retry, exit code %d:\n%s", code, said)
	}
	h.until(6*time.Second, func() string {
		said, code := h.segments("show", waiting.ID, "--json")
		var s segmentJSON
		if err := json.Unmarshal([]byte(said), &s); code != 0 || err != nil || s.Deliveries[0].State != "verified" {
			return fmt.Sprintf("segment %s verified, exit code %d, %v:\n%s", waiting.ID, code, err, said)
		}
		return ""
	})
	if said, code := h.segments("retry", "--failed"); code != 0 || !strings.Contains(said, "gain") {
		t.Errorf("retry of all, exit code %d:\n%s", code, said)
	}
	h.until(20*time.Second, func() string {
		if failed := h.listed("--state", "failed"); len(failed) > 0 {
			return fmt.Sprintf("nothing that has failed, there are %d", len(failed))
		}
		return ""
	})
	h.until(20*time.Second, func() string {
		if s := h.listed("--state", "deleted"); len(s) == 0 {
			return "a segment that has gone all the way"
		}
		return ""
	})
	if said, code := h.segments("retry", h.listed("--state", "deleted")[0].ID); code != 1 || !strings.Contains(said, "waits for nothing") {
		t.Errorf("retry of what is done, exit code %d:\n%s", code, said)
	}
	if said, code := h.segments("retry", "0190aaaa-7f3e-7d7c-8f7b-0a2b3c4d5e6f"); code != 1 || !strings.Contains(said, "there is no such segment") {
		t.Errorf("retry of an unknown one, exit code %d:\n%s", code, said)
	}

	h.kill()
	h.lookAround("after a kill")
	h.start()
	h.until(60*time.Second, h.backlog)
	h.stop()
	h.lookAround("after an orderly end")
	h.account(1)
}

// lookAround looks, and wants nothing to have changed.
func (h *host) lookAround(when string) {
	h.t.Helper()
	before := h.untouched()
	all := h.listed()
	if len(all) == 0 {
		h.t.Errorf("%s: no segments", when)
	}
	for _, args := range [][]string{{"list"}, {"show", all[len(all)-1].ID}} {
		if said, code := h.segments(args...); code != 0 {
			h.t.Errorf("%s: %v: exit code %d:\n%s", when, args, code, said)
		}
	}
	if said, code := h.segments("retry", all[0].ID); code != 1 || !strings.Contains(said, "the agent does not run") {
		h.t.Errorf("%s: retry, exit code %d:\n%s", when, code, said)
	}
	after := h.untouched()
	if strings.Join(before, "\n") != strings.Join(after, "\n") {
		h.t.Errorf("%s: looking has changed the data directory", when)
		for i := range after {
			if i >= len(before) || before[i] != after[i] {
				h.t.Logf("now: %.200s", after[i])
			}
		}
	}
}

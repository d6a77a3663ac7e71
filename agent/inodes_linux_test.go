//go:build !arm && !386

package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"recording-agent/capture/spool"
)

// TestRoomForFilesRunsOut: a file system that has bytes enough and no room for more
// files. What is uploaded, and was to stay, goes before recording has to stop.
func TestRoomForFilesRunsOut(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.more = "[retention]\ndelete_after_upload = false\n"
	h.configure()
	if err := os.MkdirAll(h.data(), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", h.data(), "tmpfs", 0, "size=2g,nr_inodes=40"); err != nil {
		if os.Geteuid() == 0 && os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skipf("a disk of its own cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		h.kill()
		if err := syscall.Unmount(h.data(), 0); err != nil {
			t.Error(err)
		}
	})
	h.start()
	h.until(3*time.Minute, func() string {
		if n := strings.Count(h.said.String(), "local file deleted"); n < 4 {
			return fmt.Sprintf("four files that make room, %d have; there are %d", n, len(h.files()))
		}
		return ""
	})
	h.untilStates(time.Minute, "recording", "recording")
	h.silence()
	h.stop()
	gaps := h.gapsOf(h.ledger())
	if gaps[spool.DiskFull]+gaps[spool.DiskFailed]+gaps[spool.GivenUp] > 0 {
		t.Errorf("gaps by cause: %v", gaps)
	}
}

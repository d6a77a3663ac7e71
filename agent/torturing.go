//go:build torture && linux

package main

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"recording-agent/capture/media"
	"recording-agent/capture/spool"
)

// What make torture builds has this file instead of tortured.go.

const firstHousekeeping = 3 * time.Second

// stepFile names, in the environment, a file of eight bytes: by how many nanoseconds
// the clock is ahead of the host's.
const stepFile = "RECORDING_AGENT_CLOCK_STEP"

// tortured is a clock that can be set without the host's. The file is mapped, since the
// clock is read for each packet. Who sets it is a time server: it can be believed.
func tortured(c spool.HostClock) spool.HostClock {
	name := os.Getenv(stepFile)
	if name == "" {
		return c
	}
	f, err := os.Open(name)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	mapped, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	if t := time.Now(); media.ClockStep(t, stepped(t, time.Hour)) != time.Hour {
		panic("time.Time is not laid out any more as it was: its wall clock cannot be set alone")
	}
	ahead := (*int64)(unsafe.Pointer(&mapped[0]))
	c.Now = func() time.Time { return stepped(time.Now(), time.Duration(atomic.LoadInt64(ahead))) }
	c.Synced = func() (yes, known bool) { return true, true }
	return c
}

// stepped moves a time's wall clock reading alone, as setting a clock does. Add moves
// the monotonic one as well.
func stepped(t time.Time, by time.Duration) time.Time {
	type reading struct { // time.Time
		wall uint64
		ext  int64 // monotonic
		loc  *time.Location
	}
	moved := t.Add(by)
	(*reading)(unsafe.Pointer(&moved)).ext = (*reading)(unsafe.Pointer(&t)).ext
	return moved
}

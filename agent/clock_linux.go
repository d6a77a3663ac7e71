package main

import (
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// sinceBoot names this boot of the host, and tells the time since: also that of a
// host that was suspended. Where neither is told the agent's start is taken for it.
func sinceBoot() (boot string, uptime func() time.Duration) {
	var ts unix.Timespec
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if boot = strings.TrimSpace(string(id)); err != nil || boot == "" || unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		start := time.Now()
		return uuid.NewString(), func() time.Duration { return time.Since(start) }
	}
	return boot, func() time.Duration {
		var ts unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // it has worked before
		return time.Duration(ts.Nano())
	}
}

// keptByTimeServer asks the kernel, which the program that speaks to time servers
// has told.
func keptByTimeServer() (yes, known bool) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, false // a container may not
	}
	return t.Status&unix.STA_UNSYNC == 0, true
}

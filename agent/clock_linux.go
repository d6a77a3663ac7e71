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
// has told. No is also the answer where asking is not allowed.
func keptByTimeServer() bool {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return err == nil && t.Status&unix.STA_UNSYNC == 0
}

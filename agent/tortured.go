//go:build !torture

package main

import (
	"time"

	"recording-agent/capture/spool"
)

// What make torture builds has another file in the place of this one.

// firstHousekeeping is when what others have left in the store is first looked
// through: after the start, which has more urgent things to do.
const firstHousekeeping = 10 * time.Minute

// tortured is the clock as it is.
func tortured(c spool.HostClock) spool.HostClock { return c }

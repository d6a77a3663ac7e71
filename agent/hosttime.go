//go:build !torture

package main

import "time"

// firstHousekeeping is when what others have left in the store is first looked
// through: after the start, which has more urgent things to do.
const firstHousekeeping = 10 * time.Minute

// hostTime is how the host's clock is read.
func hostTime() func() time.Time { return time.Now }

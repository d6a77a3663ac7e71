//go:build crashpoints

package crashpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// Variable of the environment says where to end: NAME, or NAME:N for the Nth time
// that the process comes there.
const Variable = "CRASH_AT"

var left atomic.Int64

func init() {
	_, n, _ := strings.Cut(os.Getenv(Variable), ":")
	times, _ := strconv.ParseInt(n, 10, 64)
	left.Store(max(1, times))
}

// Here ends the process as kill -9 does, if this is the place.
func Here(name string) {
	place, _, _ := strings.Cut(os.Getenv(Variable), ":")
	if place != name || left.Add(-1) != 0 {
		return
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {} // until the signal comes
}

//go:build unix

package inbox

import (
	"os"
	"syscall"
)

// openFile opens a file for reading: not what a symbolic link points to, and
// without waiting should it have become a pipe.
func openFile(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

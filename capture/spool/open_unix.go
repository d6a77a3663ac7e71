//go:build unix

package spool

import (
	"errors"
	"os"
	"syscall"
)

func openFile(name string, flag int) (*os.File, error) { return os.OpenFile(name, flag, 0o640) }

// heldByOthers never is so: whoever has a file open keeps nobody from it.
func heldByOthers(error) bool { return false }

// errOtherDisk: a file cannot be moved to another file system, only copied.
const errOtherDisk = syscall.EXDEV

// syncFile makes the content of a file durable that another program has written.
func syncFile(name string) error { return syncDirs(name) }

// syncDirs makes directory entries durable: POSIX promises nothing of a file's
// name until its directory has been synced.
func syncDirs(dirs ...string) error {
	var errs []error
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

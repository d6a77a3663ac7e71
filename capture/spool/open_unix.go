//go:build unix

package spool

import (
	"errors"
	"os"
)

func openFile(name string, flag int) (*os.File, error) { return os.OpenFile(name, flag, 0o640) }

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

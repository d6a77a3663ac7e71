//go:build !windows

package setup

import (
	"errors"
	"io/fs"
	"os"
)

// give sets who may read a file: its owner, and a group if there is one (0 or more).
func give(path string, mode fs.FileMode, group int) error {
	if group >= 0 {
		if err := os.Chown(path, -1, group); err != nil {
			return err
		}
	}
	return os.Chmod(path, mode) // whatever the umask is
}

// syncDir makes the names in a directory outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

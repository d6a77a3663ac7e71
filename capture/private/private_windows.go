// Package private makes directories that nobody but the agent and the host's
// administrators may read: footage and passwords lie in them.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// only is for whom a directory and all in it is: the system, which services run as,
// administrators, and who has made it. It takes nothing over from the directory that it
// is in: %ProgramData% lets every user read. (Security Descriptor Definition Language,
// [MS-DTYP] 2.5.1.)
const only = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"

// Directory makes sure that a directory is there, and its parents. One that it makes is
// for the system, administrators and its owner only; one that was there before stays as
// it is.
func Directory(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(dir, 0o750)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return Restrict(dir)
}

// Restrict takes the right to read a directory and what is in it from all others than
// the system, administrators and its owner.
func Restrict(dir string) error {
	wanted, err := windows.SecurityDescriptorFromString(only)
	if err != nil {
		return fmt.Errorf("restrict %s to administrators: %w", dir, err)
	}
	list, _, err := wanted.DACL()
	if err == nil {
		err = windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
	}
	if err != nil {
		return fmt.Errorf("restrict %s to administrators: %w", dir, err)
	}
	return nil
}

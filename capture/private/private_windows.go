// Package private makes directories that nobody but the agent and the host's
// administrators may read: footage and passwords lie in them.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// only is for whom a directory and all in it is: the system, administrators, and who has
// made it. It takes nothing over from the directory that it
// is in: %ProgramData% lets every user read. (Security Descriptor Definition Language,
// [MS-DTYP] 2.5.1.)
const only = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"

// onlyWith is the same, for an account instead of who has made it: it may do all but say
// who may. It belongs to administrators, since whoever a directory belongs to can open it. The
// installer sets the same (packaging/windows/msi.sql).
const onlyWith = "O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;%s)"

// Directory makes sure that a directory is there, and its parents. One that it makes is
// for the system, administrators and its owner only, or, within one that is closed to
// all users already, for whom that is; one that was there before stays as it is.
func Directory(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(dir, 0o750)
	}
	within := closed(existing(dir))
	if err := os.MkdirAll(dir, 0o750); err != nil || within {
		return err
	}
	return restrict(dir, only, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION)
}

// Close takes the right to read a directory and what is in it from all others than the system,
// administrators and an account, given as SID, which may write as well.
func Close(dir, account string) error {
	return restrict(dir, fmt.Sprintf(onlyWith, account), windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION)
}

func restrict(dir, to string, what windows.SECURITY_INFORMATION) error {
	wanted, err := windows.SecurityDescriptorFromString(to)
	if err != nil {
		return fmt.Errorf("restrict %s to administrators: %w", dir, err)
	}
	list, _, err := wanted.DACL()
	if err != nil {
		return fmt.Errorf("restrict %s to administrators: %w", dir, err)
	}
	var owner *windows.SID
	if what&windows.OWNER_SECURITY_INFORMATION != 0 {
		if owner, _, err = wanted.Owner(); err != nil {
			return fmt.Errorf("restrict %s to administrators: %w", dir, err)
		}
	}
	if err := windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, what, owner, nil, list, nil); err != nil {
		return fmt.Errorf("restrict %s to administrators: %w", dir, err)
	}
	return nil
}

// existing is the nearest directory above one that is not there, which is.
func existing(dir string) string {
	for {
		above := filepath.Dir(dir)
		if _, err := os.Stat(above); err == nil || above == dir {
			return above
		}
		dir = above
	}
}

// everybody are groups that all or most users of a host belong to: everyone, authenticated and
// interactive users, users, guests.
var everybody = []string{"S-1-1-0", "S-1-5-11", "S-1-5-4", "S-1-5-32-545", "S-1-5-32-546"}

// closed says that a directory's rights are its own, and give nothing to everybody.
func closed(dir string) bool {
	is, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return false
	}
	return isClosed(is)
}

func isClosed(is *windows.SECURITY_DESCRIPTOR) bool {
	control, _, err := is.Control()
	if err != nil || control&windows.SE_DACL_PROTECTED == 0 {
		return false
	}
	list, _, err := is.DACL()
	if err != nil || list == nil { // without a list all may do all
		return false
	}
	for i := range uint32(list.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(list, i, &ace) != nil {
			return false
		}
		if ace.Header.AceType != windows.ACCESS_DENIED_ACE_TYPE && slices.Contains(everybody, (*windows.SID)(unsafe.Pointer(&ace.SidStart)).String()) {
			return false
		}
	}
	return true
}

package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// openFile opens with read, write and delete sharing, which os.OpenFile does
// not ask for: a player that reads a segment must not keep us from finishing or
// deleting it. A scanner that holds the file for a moment is waited for.
func openFile(name string, flag int) (*os.File, error) {
	access, creation := uint32(windows.GENERIC_READ), uint32(windows.OPEN_EXISTING)
	if flag&os.O_RDWR != 0 {
		access |= windows.GENERIC_WRITE
	}
	if flag&os.O_CREATE != 0 {
		creation = windows.CREATE_NEW
	}
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	var h windows.Handle
	err = unlessHeld(isSharing, func() (err error) {
		h, err = windows.CreateFile(path, access, share, nil, creation, windows.FILE_ATTRIBUTE_NORMAL, 0)
		return err
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

func isSharing(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }

// heldByOthers says that a file cannot be renamed, replaced or removed because another program
// has it open. Where one is to be replaced, or is about to go, Windows denies access.
func heldByOthers(err error) bool {
	return isSharing(err) || errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}

// errOtherDisk: a file cannot be moved to another volume, only copied.
const errOtherDisk = windows.ERROR_NOT_SAME_DEVICE

// syncFile makes the content of a file durable that another program has written;
// one that is read-only here has to be believed.
func syncFile(name string) error {
	f, err := openFile(name, os.O_RDWR)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDirs has nothing to do: NTFS journals its directories.
func syncDirs(...string) error { return nil }

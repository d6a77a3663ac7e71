package inbox

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// held says whether any program has the file open for writing: then the kernel
// grants no read lease. Where leases are not to be had (a network's file system,
// another owner's file) it is not known, and the answer is no.
func held(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	_ = conn.Control(func(fd uintptr) {
		if _, err = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK); err == nil {
			_, _ = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		}
	})
	return errors.Is(err, unix.EAGAIN)
}

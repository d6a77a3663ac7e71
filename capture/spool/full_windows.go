package spool

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// errsFull are what the system says where there is no room: of the disk, or of what a
// user may have of it.
var errsFull = []error{syscall.ENOSPC, windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, errQuota}

const errQuota = windows.ERROR_DISK_QUOTA_EXCEEDED

//go:build unix

package spool

import "syscall"

// errsFull are what the system says where there is no room: of the disk, or of what a
// user may have of it.
var errsFull = []error{syscall.ENOSPC, errQuota}

const errQuota = syscall.EDQUOT

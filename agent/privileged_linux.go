package main

import (
	"os"
	"os/user"
	"strconv"
)

// privileged says whether this process may write where the whole host's files are.
func privileged() bool { return os.Geteuid() == 0 }

// serviceGroup is who reads the configuration as the service, if a package or "install"
// has made it already; else -1. Only root can give files to it.
func serviceGroup() int {
	if !privileged() {
		return -1
	}
	group, err := user.LookupGroup(serviceUser)
	if err != nil {
		return -1
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		return -1
	}
	return gid
}

//go:build !windows

// Package private makes directories that nobody but the agent and the host's
// administrators may read: footage and passwords lie in them.
package private

import "os"

// Directory makes sure that a directory is there, and its parents. One that it makes is
// for the user and the group only (0750); one that was there before stays as it is.
func Directory(dir string) error { return os.MkdirAll(dir, 0o750) }

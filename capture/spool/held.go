package spool

import (
	"os"
	"time"
)

// On Windows a file cannot be opened, renamed, replaced or removed while another program has it open
// that does not share that: players, scanners and backups do so for a moment. Where it takes longer
// the caller is told, and tries again later.
const (
	heldAttempts = 10
	heldPause    = 50 * time.Millisecond
)

// unlessHeld does something with files, again and again while its error says that another program
// holds one.
func unlessHeld(held func(error) bool, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || !held(err) || attempt == heldAttempts {
			return err
		}
		time.Sleep(heldPause)
	}
}

// renameFile is os.Rename, which replaces what is there.
func renameFile(from, to string) error {
	return unlessHeld(heldByOthers, func() error { return os.Rename(from, to) })
}

// removeFile is os.Remove.
func removeFile(name string) error {
	return unlessHeld(heldByOthers, func() error { return os.Remove(name) })
}

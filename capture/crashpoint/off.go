//go:build !crashpoints

// Package crashpoint names the places where a crash leaves something half done:
// between the steps of ARCHITECTURE.md's tables. In a release Here is nothing; in a
// build with the tag "crashpoints" a process can be told to end there.
package crashpoint

// Here is the place of this name.
func Here(string) {}

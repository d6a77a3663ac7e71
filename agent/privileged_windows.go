package main

import "golang.org/x/sys/windows"

// privileged says whether this process may write where the whole host's files are.
func privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

// serviceGroup is none: Windows closes directories to others, not files to groups.
func serviceGroup() int { return -1 }

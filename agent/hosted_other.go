//go:build !windows

package main

// underServiceManager tells whether the agent is to speak with a service manager of
// Windows' kind. Under systemd it is an ordinary process that gets signals.
func underServiceManager() bool { return false }

func runService(string) error { return nil }

func hostHint(error) string { return "" }

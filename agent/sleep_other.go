//go:build !windows

package main

// watchPower tells of nothing: what a host says of its sleep is not asked elsewhere.
func watchPower(func(powerEvent)) (stop func(), err error) { return func() {}, nil }

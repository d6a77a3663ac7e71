package main

import "golang.org/x/sys/windows"

// countFinely has the host's clock tick each millisecond while the agent runs: otherwise it may
// stand still for 16 ms, half a picture, and the times of pictures with it. It lasts until
// the function is called that it returns. Where Windows refuses, times are as coarse as they are.
func countFinely() (until func()) {
	if windows.TimeBeginPeriod(1) != nil {
		return func() {}
	}
	return func() { _ = windows.TimeEndPeriod(1) }
}

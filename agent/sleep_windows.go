package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	powrprof              = windows.NewLazySystemDLL("powrprof.dll")
	powerRegisterNotice   = powrprof.NewProc("PowerRegisterSuspendResumeNotification")
	powerUnregisterNotice = powrprof.NewProc("PowerUnregisterSuspendResumeNotification")
)

// powerTold is whom Windows tells. It is one for the process, since what Windows can call is made
// once and never freed.
var powerTold atomic.Pointer[func(powerEvent)]

var powerCallback = sync.OnceValue(func() uintptr {
	return windows.NewCallback(func(_, event, _ uintptr) uintptr {
		if tell := powerTold.Load(); tell != nil {
			(*tell)(powerEvent(event))
		}
		return 0
	})
})

// watchPower has tell called for each power event until stop is called. Windows waits
// until it returns. For a service's control handler it would not: golang.org/x/sys
// answers before the service has heard. Nor would an agent get those that runs in a console.
func watchPower(tell func(powerEvent)) (stop func(), err error) {
	if err := powerRegisterNotice.Find(); err != nil {
		return nil, fmt.Errorf("listen to the host's power events: %w", err)
	}
	const callback = 2 // DEVICE_NOTIFY_CALLBACK
	parameters := struct{ callback, context uintptr }{callback: powerCallback()}
	var registration windows.Handle
	powerTold.Store(&tell)
	code, _, _ := powerRegisterNotice.Call(callback, uintptr(unsafe.Pointer(&parameters)), uintptr(unsafe.Pointer(&registration)))
	if code != 0 {
		powerTold.Store(nil)
		return nil, fmt.Errorf("listen to the host's power events: %w", windows.Errno(code))
	}
	return func() {
		powerTold.Store(nil)
		_, _, _ = powerUnregisterNotice.Call(uintptr(registration))
	}, nil
}

package main

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// settleService sets what kardianos/service does not know of, or sets in a new service only.
func settleService(sc *service.Config) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("find the service manager: %w", err)
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.OpenService(sc.Name)
	if err != nil {
		return fmt.Errorf("find the service: %w", err)
	}
	defer s.Close()
	password, _ := sc.Option["Password"].(string)
	config := mgr.Config{
		ServiceType: windows.SERVICE_WIN32_OWN_PROCESS, StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal,
		BinaryPathName: programLine(sc), ServiceStartName: sc.UserName, Password: password,
		DisplayName: sc.DisplayName, Description: sc.Description, DelayedAutoStart: true,
	}
	var actions []mgr.RecoveryAction
	for _, pause := range serviceRestarts() {
		actions = append(actions, mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: pause})
	}
	for _, set := range []struct {
		what string
		err  error
	}{
		{"account, program and start", s.UpdateConfig(config)},
		{"restart after failures", s.SetRecoveryActions(actions, uint32(serviceForgets.Seconds()))},
		{"restart after errors", s.SetRecoveryActionsOnNonCrashFailures(true)},
		{"time before a shutdown", setPreshutdown(s)},
	} {
		if set.err != nil && !errors.Is(set.err, windows.ERROR_INVALID_LEVEL) { // a system that does not know of it has to do without
			return fmt.Errorf("set the service's %s: %w", set.what, set.err)
		}
	}
	return nil
}

// programLine is the program with its arguments, as Windows takes them apart again.
func programLine(sc *service.Config) string {
	line := syscall.EscapeArg(sc.Executable)
	for _, a := range sc.Arguments {
		line += " " + syscall.EscapeArg(a)
	}
	return line
}

func setPreshutdown(s *mgr.Service) error {
	ms := uint32(servicePreshutdown.Milliseconds())
	return windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, (*byte)(unsafe.Pointer(&ms)))
}

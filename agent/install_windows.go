package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"

	"recording-agent/agent/config"
	"recording-agent/capture/private"
)

// prepareHost gives the service's account what it needs, and chooses how Windows starts
// the service. An account that is not named is the service's own.
func prepareHost(sc *service.Config, cfg *config.Config, account string) error {
	if !privileged() {
		return os.ErrPermission
	}
	account = cmp.Or(account, serviceAccount)
	sid, err := accountSID(account)
	if err != nil {
		return err
	}
	p, err := servicePlaces(cfg, sc.Executable, filepath.Dir(config.SystemPath()))
	if err != nil {
		return err
	}
	if sc.Option["Password"], err = accountPassword(account, os.LookupEnv, askOnTerminal(os.Stderr)); err != nil {
		return err
	}
	sc.UserName = account
	sc.Option[service.StartType] = service.ServiceStartAutomatic
	return p.open(sid)
}

// systemSID is the SID of LocalSystem, which may do everything.
const systemSID = "S-1-5-18"

// accountSID is the SID of an account that the service is to run as.
func accountSID(account string) (string, error) {
	switch {
	case strings.EqualFold(account, serviceAccount):
		return serviceSID(serviceName), nil // Windows knows it when the service is there
	case strings.EqualFold(strings.TrimPrefix(account, `.\`), "LocalSystem"):
		return systemSID, nil
	}
	sid, _, _, err := windows.LookupSID("", account)
	if err != nil {
		return "", fmt.Errorf("find account %q that the service is to run as: %w; write it as DOMAIN\\name, or leave --user out", account, err)
	}
	return sid.String(), nil
}

// open gives an account the rights to all places.
func (p reachable) open(sid string) error {
	if p.closed != "" {
		if err := os.MkdirAll(p.closed, 0o750); err != nil {
			return fmt.Errorf("make the service's directory: %w", err)
		}
		if err := private.Close(p.closed, sid); err != nil {
			return err
		}
	}
	if sid == systemSID {
		return nil
	}
	var errs []error
	for _, dir := range p.write {
		err := private.Directory(dir)
		if err == nil {
			err = private.Grant(dir, sid, private.Modify)
		}
		errs = append(errs, err)
	}
	for _, path := range p.read {
		errs = append(errs, private.Grant(path, sid, private.Read))
	}
	for _, dir := range p.watch {
		errs = append(errs, private.Grant(dir, sid, private.List))
	}
	return errors.Join(errs...)
}

// register makes the service, or has the one that is there follow.
func register(s service.Service, sc *service.Config) error {
	_, err := s.Status()
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		if err := s.Install(); err != nil {
			return err
		}
		if err := settleService(sc); err != nil {
			return errors.Join(err, s.Uninstall())
		}
		return nil
	case err != nil:
		return err
	}
	return settleService(sc)
}

func unregister(s service.Service) error { return s.Uninstall() }

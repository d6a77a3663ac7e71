package main

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/kardianos/service"

	"recording-agent/agent/config"
	"recording-agent/capture/private"
)

// prepareHost chooses how Windows starts the service: with the host, and again
// whenever it dies. The directory of the configuration, which holds passwords, is closed
// to other users if it is the usual one: every user may read in %ProgramData%.
func prepareHost(sc *service.Config, c *config.Config, account string) error {
	if account != "" {
		return errors.New("--user is for Linux; here the service runs as the system")
	}
	if usual := filepath.Dir(config.SystemPath()); strings.EqualFold(filepath.Dir(c.Path), usual) {
		if err := private.Restrict(usual); err != nil {
			return err
		}
	}
	sc.Option[service.StartType] = service.ServiceStartAutomatic
	sc.Option[service.OnFailure] = service.OnFailureRestart
	sc.Option[service.OnFailureDelayDuration] = "2s"
	sc.Option[service.OnFailureResetPeriod] = 60 // seconds
	return nil
}

func register(s service.Service, _ *service.Config) error { return s.Install() }

func unregister(s service.Service) error { return s.Uninstall() }

package main

import (
	"path/filepath"
	"strings"

	"github.com/kardianos/service"

	"recording-agent/agent/config"
	"recording-agent/capture/private"
)

// prepareHost chooses how Windows starts the service: with the host, and again
// whenever it dies. The directory of the configuration, which holds passwords, is closed
// to other users if it is the usual one: every user may read in %ProgramData%.
func prepareHost(sc *service.Config, c *config.Config) error {
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

package main

import (
	"github.com/kardianos/service"

	"recording-agent/agent/config"
)

// prepareHost chooses how Windows starts the service: with the host, and again
// whenever it dies.
func prepareHost(sc *service.Config, _ *config.Config) error {
	sc.Option[service.StartType] = service.ServiceStartAutomatic
	sc.Option[service.OnFailure] = service.OnFailureRestart
	sc.Option[service.OnFailureDelayDuration] = "2s"
	sc.Option[service.OnFailureResetPeriod] = 60 // seconds
	return nil
}

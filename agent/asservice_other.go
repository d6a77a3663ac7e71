//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func checkAsService(*cobra.Command, string) error {
	return errors.New("--as-service is for services of systemd")
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kardianos/service"
	"github.com/spf13/cobra"

	"recording-agent/agent/config"
)

const serviceName = "recording-agent"

// serviceCommands are the verbs of the host's service manager.
func serviceCommands(file *string) []*cobra.Command {
	verb := func(name, short string, do func(service.Service, *cobra.Command) error) *cobra.Command {
		return &cobra.Command{Use: name, Short: short, RunE: func(c *cobra.Command, _ []string) error {
			s, err := service.New(&program{}, serviceConfig())
			if err != nil {
				return fmt.Errorf("find this host's service manager: %w", err)
			}
			if err := do(s, c); err != nil {
				return fmt.Errorf("%s the service: %w%s", name, err, serviceHint(err))
			}
			return nil
		}}
	}
	done := func(c *cobra.Command, action func() error, said string) error {
		if err := action(); err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), said)
		return nil
	}
	return []*cobra.Command{
		installCommand(file),
		verb("uninstall", "Remove the service; recordings and configuration stay", func(s service.Service, c *cobra.Command) error {
			if state, err := s.Status(); err == nil && state == service.StatusRunning {
				if err := s.Stop(); err != nil {
					return fmt.Errorf("stop it first: %w", err)
				}
			}
			return done(c, func() error { return unregister(s) }, "the service is removed; recordings and configuration are where they were")
		}),
		verb("start", "Start the service", func(s service.Service, c *cobra.Command) error { return done(c, s.Start, "started") }),
		verb("stop", "Stop the service; open segments are finished", func(s service.Service, c *cobra.Command) error {
			return done(c, s.Stop, "stopped")
		}),
		verb("restart", "Stop and start the service", func(s service.Service, c *cobra.Command) error {
			return done(c, s.Restart, "restarted")
		}),
		verb("status", "Say whether the service runs (exit code 1: it does not)", serviceStatus),
	}
}

func serviceStatus(s service.Service, c *cobra.Command) error {
	switch state, err := s.Status(); {
	case err != nil:
		return err
	case state == service.StatusRunning:
		fmt.Fprintln(c.OutOrStdout(), "running")
		return nil
	}
	return errors.New("it is installed, but does not run")
}

func serviceHint(err error) string {
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		return `; "recording-agent install" installs it`
	case errors.Is(err, os.ErrPermission):
		return "; run this as administrator (root)"
	}
	return hostHint(err)
}

func serviceConfig() *service.Config {
	return &service.Config{
		Name: serviceName, DisplayName: serviceDisplayName, Description: serviceDescription,
		Option: service.KeyValue{},
	}
}

func installCommand(file *string) *cobra.Command {
	var account string
	c := &cobra.Command{
		Use: "install", Short: "Install the agent as a service that starts with the host",
		Long: `Install the agent as a service that starts with the host. It may be run again when
the configuration names another data_dir, log file or credential.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(*file)
			if err != nil {
				return err
			}
			return install(c, cfg, account)
		},
	}
	c.Flags().StringVar(&account, "user", "", "account that the service runs as (default: one of its own)")
	return c
}

// install makes the service. The configuration is valid, so that what is
// installed can start.
func install(c *cobra.Command, cfg *config.Config, account string) error {
	sc := serviceConfig()
	sc.Arguments = []string{"run", "--config", cfg.Path}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	if executable, err = filepath.EvalSymlinks(executable); err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	sc.Executable = executable
	if err := prepareHost(sc, cfg, account); err != nil {
		return fmt.Errorf("install the service: %w%s", err, serviceHint(err))
	}
	s, err := service.New(&program{}, sc)
	if err != nil {
		return fmt.Errorf("find this host's service manager: %w", err)
	}
	if err := register(s, sc); err != nil {
		return fmt.Errorf("install the service: %w%s", err, serviceHint(err))
	}
	fmt.Fprintf(c.OutOrStdout(), "installed with %s; it starts with the host, and now with \"recording-agent start\"\n", cfg.Path)
	return nil
}

// program stands for the agent where its service is managed: to run it is hosted's.
type program struct{}

// Start implements service.Interface.
func (*program) Start(service.Service) error { return nil }

// Stop implements service.Interface.
func (*program) Stop(service.Service) error { return nil }

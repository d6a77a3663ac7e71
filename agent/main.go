// Command recording-agent records IP cameras into segments, uploads them to S3
// while it records on, and registers them with a central server.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // Windows and small Linux hosts have no zones of their own; 0.4 MB

	"github.com/spf13/cobra"

	"recording-agent/agent/config"
)

// Exit codes.
const (
	exitFailed   = 1
	exitUnusable = 2 // arguments or configuration
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	var unusable *unusableError
	if errors.As(err, &unusable) {
		return exitUnusable
	}
	return exitFailed
}

// unusableError is trouble with arguments or configuration: nothing was started.
type unusableError struct{ err error }

func (e *unusableError) Error() string { return e.err.Error() }
func (e *unusableError) Unwrap() error { return e.err }

func rootCommand() *cobra.Command {
	var file string
	root := &cobra.Command{
		Use:   "recording-agent",
		Short: "Record IP cameras, upload the footage to S3, register it with a central server",
		Long: `Record IP cameras into MP4 segments without transcoding, upload them to S3, and
register them with a central server. What cannot be uploaded or registered yet
waits on the disk.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return &unusableError{errors.New(`what to do? "recording-agent run" records; see "recording-agent --help"`)}
		},
	}
	root.PersistentFlags().StringVar(&file, "config", "", "configuration file (default: agent.toml here, then "+config.SystemPath()+")")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &unusableError{err} })
	root.AddCommand(initCommand(&file), importEnvCommand(&file))
	root.AddCommand(runCommand(&file), checkCommand(&file), segmentsCommand(&file), s3Command(&file), verifyCommand(&file), salvageCommand(&file), versionCommand())
	root.AddCommand(serviceCommands(&file)...)
	unusableArguments(root)
	return root
}

// unusableArguments makes a wrong argument of any command exit with its own code.
func unusableArguments(c *cobra.Command) {
	if c.Args == nil {
		c.Args = cobra.NoArgs
	}
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &unusableError{fmt.Errorf(`%w; see "%s --help"`, err, c.CommandPath())}
		}
		return nil
	}
	for _, sub := range c.Commands() {
		unusableArguments(sub)
	}
}

// load finds and reads the configuration.
func load(file string) (*config.Config, error) { return loadIn(config.System(), file) }

// loadToLook is for commands that use no secrets: whoever gives them need not have
// those that the agent has.
func loadToLook(file string) (*config.Config, error) {
	env := config.System()
	env.WithoutSecrets = true
	return loadIn(env, file)
}

func loadIn(env config.Env, file string) (*config.Config, error) {
	if file == "" {
		var err error
		if file, err = config.Find(); err != nil {
			return nil, &unusableError{err}
		}
	}
	c, err := config.Load(file, env)
	if err != nil {
		return nil, &unusableError{err}
	}
	if c.Path, err = filepath.Abs(file); err != nil {
		return nil, &unusableError{err}
	}
	return c, nil
}

func runCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Record until interrupted",
		Long: `Record until interrupted. The first interrupt finishes the open segments and
gives uploads in flight ten seconds; a second one ends at once.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if underServiceManager() {
				return runService(*file)
			}
			cfg, err := load(*file)
			if err != nil {
				return err
			}
			ctx, stop := untilStopped(c.Context())
			defer stop()
			return runAgent(ctx, cfg, nil)
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Run:   func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "recording-agent", version()) },
	}
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"recording-agent/agent/setup"
)

func importEnvCommand(file *string) *cobra.Command {
	f := &first{file: file}
	c := &cobra.Command{
		Use:   "import-env FILE",
		Short: "Write a first configuration from the predecessor's .env",
		Long: `Write a first configuration from the .env of the Python client that this agent replaces.
Its secrets get files of their own beside the configuration. Whatever has no counterpart is
named, as is what has to be done by hand. FILE is only read.

Google Cloud Storage is reached through its S3-compatible side, which takes HMAC keys
instead of a service account's JSON file. They are taken from AGENT_GCS_ACCESS_KEY_ID and
AGENT_GCS_SECRET_ACCESS_KEY, in the file named with --secrets or in the environment, or
asked for on a terminal.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.importEnv(c, args[0]) },
	}
	f.flags(c)
	return c
}

func (f *first) importEnv(c *cobra.Command, env string) error {
	values, complaints, err := setup.ReadDotenvFile(env, c.InOrStdin())
	if err != nil {
		return &unusableError{err}
	}
	named := f.clientName != ""
	d, secrets, err := f.begin(c, "recording-agent import-env")
	if err != nil {
		return err
	}
	p := &setup.Predecessor{Values: values, File: env, ClientID: f.clientID}
	notes, err := p.Apply(d, secrets)
	if err != nil {
		return &unusableError{err}
	}
	if !named {
		notes = append(notes, fmt.Sprintf("client_name is this host's name, %s: the predecessor had none here; take central's name of this client, or leave it", f.clientName))
	}
	fmt.Fprintln(c.OutOrStdout(), "What needs a look:")
	for _, note := range append(complaints, notes...) {
		fmt.Fprintln(c.OutOrStdout(), "-", note)
	}
	fmt.Fprintln(c.OutOrStdout())
	return f.finish(c, d)
}

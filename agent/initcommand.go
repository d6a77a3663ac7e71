package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"recording-agent/agent/config"
	"recording-agent/agent/setup"
)

// first is what the commands that write a first configuration have in common.
type first struct {
	file       *string // --config
	clientName string
	dataDir    string
	clientID   string
	secrets    string
	noCheck    bool
}

func (f *first) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.clientName, "client-name", "", "the name that recordings are known by (default: this host's)")
	c.Flags().StringVar(&f.dataDir, "data-dir", "", "where segments and ledger are kept (default: "+config.DefaultDataDir()+"; who is no administrator: data, beside the configuration)")
	c.Flags().StringVar(&f.clientID, "client-id", "", "this client's id at the central server, a UUID")
	c.Flags().StringVar(&f.secrets, "secrets", "", `file with NAME=value lines of secrets; "-" is standard input`)
	c.Flags().BoolVar(&f.noCheck, "no-check", false, "write only: try neither cameras nor servers")
}

// initFlags are what "init" is told.
type initFlags struct {
	first
	centralURL, bucket, region, endpoint string
	pathStyle, local                     bool
	cameras                              []string
}

func initCommand(file *string) *cobra.Command {
	f := &initFlags{first: first{file: file}}
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a first configuration",
		Long: `Write a first configuration: a file with all keys, each explained, in which those that
are given are set. An existing one is never overwritten. Secrets get files of their own
beside it. They are not taken from the command line, which others can read, but, in this
order, from the file named with --secrets, from the environment, or asked for on a terminal:

  AGENT_CENTRAL_TOKEN                             with --central-url
  AGENT_S3_ACCESS_KEY_ID, …_SECRET_ACCESS_KEY     neither: environment, shared files, instance role
  AGENT_CAMERA_PASSWORD_NAME                      of a camera whose address names a user`,
		Example: `  recording-agent init --client-name warehouse-7 --bucket footage --region eu-central-1 \
      --camera gate=rtsp://admin@10.0.0.5:554/stream1 --camera yard=rtsp://admin@10.0.0.6:554/stream1
  recording-agent init --central-url https://central.example.com --client-id UUID --bucket footage`,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	f.flags(c)
	c.Flags().StringVar(&f.centralURL, "central-url", "", "address of the central server; without --camera its cameras are recorded")
	c.Flags().StringVar(&f.bucket, "bucket", "", "bucket that footage is uploaded to")
	c.Flags().StringVar(&f.region, "region", "", "region of the bucket")
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "address of an S3-compatible store, like https://nas.example.internal:9000 (default: AWS)")
	c.Flags().BoolVar(&f.pathStyle, "path-style", false, "the bucket's name goes into the path, as most compatible stores want it")
	c.Flags().BoolVar(&f.local, "local", false, "keep the footage on this host only, without any bucket")
	c.Flags().StringArrayVar(&f.cameras, "camera", nil, "NAME=URL of a camera, URL without its password; may be repeated")
	return c
}

func (f *initFlags) run(c *cobra.Command) error {
	switch {
	case f.bucket == "" && !f.local:
		return &unusableError{errors.New("where is footage to go? name a --bucket, or write --local to keep it on this host only")}
	case f.bucket != "" && f.local:
		return &unusableError{errors.New("--bucket and --local exclude each other")}
	case len(f.cameras) == 0 && f.centralURL == "":
		return &unusableError{errors.New("what is to be recorded? name a --camera NAME=URL, or the server that assigns cameras with --central-url")}
	}
	d, secrets, err := f.begin(c, "recording-agent init")
	if err != nil {
		return err
	}
	if err := f.fill(d, secrets); err != nil {
		return &unusableError{err}
	}
	return f.finish(c, d)
}

func (f *initFlags) fill(d *setup.Draft, secrets *setup.Secrets) error {
	if f.centralURL != "" {
		token, err := secrets.Get("AGENT_CENTRAL_TOKEN", "client token of the central server", true)
		if err != nil {
			return err
		}
		d.Set("central", "url", f.centralURL)
		d.Set("central", "token", d.Secret("central-token", token))
		if len(f.cameras) == 0 {
			d.Set("central", "cameras", true)
		}
	}
	if f.clientID != "" {
		d.Set("central", "client_id", f.clientID)
	}
	for _, given := range f.cameras {
		if err := d.AddCamera(given, secrets); err != nil {
			return err
		}
	}
	if f.local {
		d.Set("agent", "storage", "local")
		return nil
	}
	d.Set("s3", "bucket", f.bucket)
	for key, value := range map[string]string{"region": f.region, "endpoint": f.endpoint} {
		if value != "" {
			d.Set("s3", key, value)
		}
	}
	if f.pathStyle {
		d.Set("s3", "path_style", true)
	}
	id, secret, err := secrets.StoreKeys("AGENT_S3", "bucket "+f.bucket)
	if err == nil && id != "" {
		d.Set("s3", "access_key_id", d.Secret("s3-access-key-id", id))
		d.Set("s3", "secret_access_key", d.Secret("s3-secret-access-key", secret))
	}
	return err
}

// begin chooses where the configuration is to stand, and where secrets come from.
func (f *first) begin(c *cobra.Command, by string) (*setup.Draft, *setup.Secrets, error) {
	if *f.file == "" {
		*f.file = "agent.toml"
		if privileged() {
			*f.file = config.SystemPath()
		}
	}
	if f.clientName == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, nil, fmt.Errorf("ask for this host's name: %w; write --client-name", err)
		}
		f.clientName = name
	}
	d, err := setup.NewDraft(by, *f.file)
	if err != nil {
		return nil, nil, err
	}
	d.Set("agent", "client_name", f.clientName)
	if f.dataDir != "" {
		d.Set("agent", "data_dir", f.dataDir)
	}
	s := &setup.Secrets{Lookup: os.LookupEnv}
	if f.secrets != "" {
		values, complaints, err := setup.ReadDotenvFile(f.secrets, c.InOrStdin())
		if err != nil {
			return nil, nil, &unusableError{fmt.Errorf("--secrets: %w", err)}
		}
		if len(complaints) > 0 {
			return nil, nil, &unusableError{fmt.Errorf("--secrets %s: %s", f.secrets, strings.Join(complaints, "; "))}
		}
		s.File = values
	}
	if f.secrets != "-" {
		s.Ask = askOnTerminal(c.ErrOrStderr())
	}
	return d, s, nil
}

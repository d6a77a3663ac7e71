package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"recording-agent/agent/config"
	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

func segmentRetryCommand(file *string) *cobra.Command {
	var failed bool
	c := &cobra.Command{
		Use:   "retry ID | --failed",
		Short: "Have the running agent try again at once",
		Long: `Have the running agent try a segment again at once, or with --failed all that
"segments list --state failed" lists: as if it had never been tried. The pauses of
destinations that could not be reached end. A segment that central has refused for
good is asked for again, and counts as not safe until central has answered.

The agent is asked over its status port (status.listen). When it does not run there
is nothing to be done: at its start it tries everything again.`,
		Example: `  recording-agent segments retry 0190aaaa-7f3e-7d7c-8f7b-0a2b3c4d5e6f
  recording-agent segments retry --failed`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) == failed {
				return &unusableError{errors.New("say which: the id of a segment, or --failed for all that have failed")}
			}
			cfg, err := loadToLook(*file)
			if err != nil {
				return err
			}
			path := "/segments/retry?failed=1"
			if !failed {
				id, err := wholeID(c.Context(), cfg, args[0])
				if err != nil {
					return err
				}
				path = "/segments/" + id + "/retry"
			}
			said, err := askToRetry(c.Context(), cfg.Status, path)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), retriedText(said))
			return nil
		},
	}
	c.Flags().BoolVar(&failed, "failed", false, "all that wait because an attempt has failed or central refuses them")
	return c
}

// wholeID looks the rest of an id up. A whole one needs no look at the ledger,
// which may be for others to read.
func wholeID(ctx context.Context, cfg *config.Config, id string) (string, error) {
	if u, err := uuid.Parse(id); err == nil && u.String() == id {
		return id, nil
	}
	err := spool.Look(ctx, lookOptions(cfg), func(v *spool.View) error {
		e, err := findSegment(ctx, v, id)
		id = e.Segment.ID
		return err
	})
	return id, err
}

// askTimeout is what the agent gets to answer: it may have to look through many
// segments.
const askTimeout = 30 * time.Second

// askToRetry posts to the agent that runs on this host.
func askToRetry(ctx context.Context, s config.Status, path string) (status.Retried, error) {
	var said status.Retried
	address, err := statusAddress(s.Listen)
	if err != nil {
		return said, err
	}
	scheme, transport := "http://", &http.Transport{DisableKeepAlives: true} // and no proxy
	if s.CertFile != "" {
		scheme = "https://"
		if transport.TLSClientConfig, err = trustFile(s.CertFile); err != nil {
			return said, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+address+path, nil)
	if err != nil {
		return said, fmt.Errorf("ask the agent at %s: %w", address, err)
	}
	if s.Token.IsSet() {
		request.Header.Set("Authorization", "Bearer "+s.Token.Reveal())
	}
	request.Host = "localhost" // served whatever the port is bound to
	client := http.Client{Timeout: askTimeout, Transport: transport}
	answer, err := client.Do(request)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return said, fmt.Errorf("the agent does not run, or its status port %s cannot be reached (%w): start it; at its start it tries everything again at once", address, dial.Err)
	}
	if err != nil {
		return said, fmt.Errorf("ask the agent at %s: %w", address, err)
	}
	defer answer.Body.Close()
	return readAnswer(address, answer)
}

// trustFile trusts the one certificate that the agent was given, whatever name it
// has: it is for those who come over the network.
func trustFile(certFile string) (*tls.Config, error) {
	data, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("read status.cert_file to know the agent by it: %w", err)
	}
	block, rest := pem.Decode(data)
	for block != nil && block.Type != "CERTIFICATE" {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, fmt.Errorf("status.cert_file %s holds no certificate", certFile)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // it is compared instead
		VerifyPeerCertificate: func(shown [][]byte, _ [][]*x509.Certificate) error {
			if len(shown) == 0 || !bytes.Equal(shown[0], block.Bytes) {
				return errors.New("what answers does not show the certificate in status.cert_file: it is not the agent, or could not read a renewed one")
			}
			return nil
		},
	}, nil
}

func readAnswer(address string, answer *http.Response) (said status.Retried, err error) {
	const most = 64 << 10
	body, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return said, fmt.Errorf("ask the agent at %s: %w", address, err)
	}
	var detail struct {
		Detail any `json:"detail"`
	}
	ours := strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json")
	switch {
	case ours && answer.StatusCode == http.StatusOK && json.Unmarshal(body, &said) == nil:
		return said, nil
	case ours && json.Unmarshal(body, &detail) == nil && detail.Detail == "Not Found":
		return said, fmt.Errorf("the agent at %s is older than this program and cannot be asked; restart it: at its start it tries everything again at once", address)
	case ours && detail.Detail != nil:
		return said, errors.New(plain(fmt.Sprintf("the agent answers: %v", detail.Detail)))
	}
	return said, fmt.Errorf("what answers at %s (status.listen) is not the agent: %d %s", address, answer.StatusCode, plain(http.StatusText(answer.StatusCode)))
}

// statusAddress is where an agent with this status.listen is reached on its host.
func statusAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", &unusableError{fmt.Errorf("status.listen %q: %w", listen, err)}
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
		return "", fmt.Errorf("status.listen is %q: the agent chose its port by itself, and only its log has it; write a port to be able to ask the agent", listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // an unspecified address serves both families
	}
	return net.JoinHostPort(host, port), nil
}

func retriedText(r status.Retried) string {
	if r.Segments == 0 {
		return "nothing has failed: there is nothing to try again"
	}
	return fmt.Sprintf("%s tried again now: %s, %s to central", count(r.Segments, "segment is", "segments are"),
		count(r.Deliveries, "upload", "uploads"), count(r.Reports, "report", "reports"))
}

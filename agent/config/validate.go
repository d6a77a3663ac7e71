package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
)

func (p *parser) agent(s *section, c *Config) {
	c.Agent.ClientName = s.text("client_name", "")
	c.Agent.DataDir = s.text("data_dir", DefaultDataDir())
	c.Agent.Storage = s.choice("storage", "s3", "local")
	c.Agent.Zone = s.zone("timezone")
	switch {
	case strings.TrimSpace(c.Agent.ClientName) == "":
		s.problem("client_name", "is missing", `write the name that recordings are known by, like "warehouse-7"`)
	case len([]rune(c.Agent.ClientName)) > 100 || strings.IndexFunc(c.Agent.ClientName, unicode.IsControl) >= 0:
		s.problem("client_name", "is not a plain name", "write up to 100 characters without line breaks")
	}
	if c.Agent.DataDir == "" {
		s.problem("data_dir", "is empty", `write a directory, like "`+filepath.ToSlash(DefaultDataDir())+`"`)
	}
	s.done()
}

func (p *parser) central(s *section, c *Config) {
	c.Central.URL = strings.TrimSuffix(s.text("url", ""), "/")
	c.Central.Token = s.secret("token")
	c.Central.ClientID = s.text("client_id", "")
	c.Central.HeartbeatInterval = s.duration("heartbeat_interval", time.Minute, 5*time.Second, time.Hour)
	c.Central.Cameras = s.flag("cameras", false)
	c.Central.SyncInterval = s.duration("sync_interval", 30*time.Second, 5*time.Second, time.Hour)
	s.done()
	if c.Central.URL == "" {
		if c.Central.Cameras {
			s.problem("cameras", "there is no central server to get them from", "write central.url, or take it out")
		}
		return
	}
	if u := webURL(c.Central.URL); u == nil || strings.Contains(u.Path, "/v0/") {
		s.problem("url", fmt.Sprintf("%q is not the address of a server", withoutUser(c.Central.URL)), `write "https://host", without the path of the API`)
	}
	if !c.Central.Token.IsSet() && !s.unset("token") {
		s.problem("token", "is missing", `write "env:NAME" or "file:/path" with the token that the central server has given this client`)
	}
	if c.Central.ClientID == "" {
		s.problem("client_id", "is missing", "write the id of this client at the central server (a UUID)")
	} else if _, err := uuid.Parse(c.Central.ClientID); err != nil {
		s.problem("client_id", "is not a UUID", "write the id of this client at the central server")
	}
	if strings.HasPrefix(c.Central.URL, "http://") {
		c.Warnings = append(c.Warnings, "central.url is http: the token crosses the network unprotected")
	}
}

// withoutUser hides what may be a password in something that is not a proper URL.
func withoutUser(text string) string {
	if at := strings.LastIndex(text, "@"); at >= 0 {
		return hidden + text[at:]
	}
	return text
}

// webURL returns nil for anything but http(s)://host[:port][/path].
func webURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil
	}
	return u
}

func (p *parser) segment(s *section, c *Config) {
	c.Segment.Duration = s.duration("duration", 5*time.Minute, 5*time.Second, time.Hour)
	c.Segment.Part = s.duration("part", time.Second, 100*time.Millisecond, 10*time.Second)
	c.Segment.Sync = s.duration("sync", 2*time.Second, 100*time.Millisecond, time.Minute)
	if c.Segment.Part > c.Segment.Duration {
		s.problem("part", "is longer than segment.duration", "write at most "+short(c.Segment.Duration))
	}
	s.done()
}

func (p *parser) upload(s *section, c *Config) {
	windows := p.sections(s.values, "upload.window")
	if s.values["max_bandwidth"] == "0" {
		s.problem("max_bandwidth", "would let nothing through", `leave it out for no limit; "0" pauses older footage in an [[upload.window]]`)
	}
	c.Upload = Upload{Parallel: s.count("parallel", 4, 1, 64), BacklogShare: s.count("backlog_share", 25, 0, 90), MaxBandwidth: s.bandwidth("max_bandwidth")}
	s.done()
	for _, w := range windows {
		u := UploadWindow{From: w.clock("from"), To: w.clock("to"), MaxBandwidth: w.bandwidth("max_bandwidth"), PauseLive: w.flag("pause_live", false)}
		u.PauseBacklog = w.values["max_bandwidth"] == "0"
		w.done()
		c.Upload.Windows = append(c.Upload.Windows, u)
	}
}

func (p *parser) retention(s *section, c *Config) {
	c.Retention.DeleteAfterUpload = s.flag("delete_after_upload", true)
	c.Retention.KeepFor = s.duration("keep_for", 0, 0, 3650*24*time.Hour)
	c.Retention.MaxAge = s.duration("max_age", 0, 0, 3650*24*time.Hour)
	c.Retention.MaxSize = s.size("max_size", 0, 0, anySize)
	c.Retention.MinFree = s.share("min_free", Share{Bytes: 2 << 30, Percent: 5})
	c.Retention.OnFull = s.choice("on_full", "delete_oldest", "stop_recording")
	if c.Retention.MaxAge > 0 && c.Retention.MaxAge < c.Retention.KeepFor {
		s.problem("max_age", "is shorter than keep_for", "write at least "+short(c.Retention.KeepFor))
	}
	s.done()
}

func (p *parser) status(s *section, c *Config) {
	c.Status.Listen = s.text("listen", "127.0.0.1:8001")
	c.Status.AllowedHosts = s.texts("allowed_hosts")
	c.Status.Token = s.secret("token")
	c.Status.CertFile, c.Status.KeyFile = s.text("cert_file", ""), s.text("key_file", "")
	s.done()
	if (c.Status.CertFile == "") != (c.Status.KeyFile == "") {
		s.problem("cert_file", "and key_file belong together", "write both for HTTPS, or none of them")
	}
	host, port, err := net.SplitHostPort(c.Status.Listen)
	if _, perr := net.LookupPort("tcp", port); err != nil || perr != nil {
		s.problem("listen", fmt.Sprintf("%q is not an address", c.Status.Listen), `write "127.0.0.1:8001"`)
	} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		c.Warnings = append(c.Warnings, openPort(c.Status, s.unset("token"))...)
	}
	for _, h := range c.Status.AllowedHosts {
		if h == "" || strings.ContainsAny(h, "/: ") {
			s.problem("allowed_hosts", fmt.Sprintf("%q is not a host name", h), `write names without scheme and port, like "cupboard.local"`)
		}
	}
}

// shortToken is how many characters a token should have that others may guess at.
const shortToken = 16

// openPort says what may not be meant with a port that is open to the network. An
// agent whose token is missing records all the same: its port then answers nothing.
func openPort(s Status, reported bool) (warnings []string) {
	token := s.Token.Reveal()
	switch {
	case token == "" && !reported:
		warnings = append(warnings, "status.listen is open to the network and there is no status.token: nothing but /healthz and /readyz is answered; write a token")
	case token != "" && len(token) < shortToken:
		warnings = append(warnings, "status.token is short for a port that is open to the network: write at least 16 characters")
	}
	if token != "" && s.CertFile == "" {
		warnings = append(warnings, "status.listen is open to the network without status.cert_file: the token and the state cross it unprotected")
	}
	return warnings
}

func (p *parser) log(s *section, c *Config) {
	c.Log = Log{
		Level: s.choice("level", "info", "trace", "debug", "warn", "error"), Format: s.choice("format", "auto", "json", "console"),
		File: s.text("file", ""), MaxSize: s.size("max_size", 20<<20, 1<<20, 10<<30),
		MaxAge: s.duration("max_age", 30*24*time.Hour, 24*time.Hour, 3650*24*time.Hour), MaxFiles: s.count("max_files", 5, 1, 1000),
	}
	s.done()
}

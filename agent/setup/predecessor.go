package setup

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Predecessor is what the Python client that this agent replaces was configured by.
type Predecessor struct {
	Values   map[string]string // of its .env
	File     string            // that they stood in; directories in it are relative to its place
	ClientID string            // where the .env has none

	draft   *Draft
	secrets *Secrets
	used    map[string]bool
	notes   []string
}

// Apply puts into the draft what has a counterpart, and returns what has none, or is to
// be done by hand. No note holds a secret.
func (p *Predecessor) Apply(d *Draft, s *Secrets) (notes []string, err error) {
	p.draft, p.secrets, p.used, p.notes = d, s, map[string]bool{}, nil
	if err := p.central(); err != nil {
		return nil, err
	}
	if err := p.storage(); err != nil {
		return nil, err
	}
	p.retention()
	p.dataDir()
	p.log()
	p.rest()
	return p.notes, nil
}

func (p *Predecessor) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// get returns a value, and whether it is there and not empty.
func (p *Predecessor) get(name string) (string, bool) {
	p.used[name] = true
	v := strings.TrimSpace(p.Values[name])
	if strings.Contains(v, "${") {
		p.note("%s has a ${…} in it, which the predecessor replaced by another variable: it is written as it stands, correct it", name)
	}
	return v, v != ""
}

func (p *Predecessor) central() error {
	url, ok := p.get("BACKEND_API_URL")
	if !ok {
		return fmt.Errorf("%s has no BACKEND_API_URL: without the central server's address nothing of it can be used", p.File)
	}
	url, _, _ = strings.Cut(url, "/v0/")
	p.draft.Set("central", "url", strings.TrimRight(url, "/"))
	token, ok := p.get("CLIENT_TOKEN")
	if !ok {
		p.note("CLIENT_TOKEN is not set: the predecessor then used one that stands in its source, which is no secret; have central make a new one")
		var err error
		if token, err = p.secrets.Get("AGENT_CENTRAL_TOKEN", "client token of the central server", true); err != nil {
			return err
		}
	}
	p.draft.Set("central", "token", p.draft.Secret("central-token", token))
	id, ok := p.get("CLIENT_ID")
	if !ok {
		id = p.ClientID
	}
	if id == "" {
		return fmt.Errorf("%s has no CLIENT_ID: name it with --client-id; central's administration shows it as the id of the local recording client", p.File)
	}
	p.draft.Set("central", "client_id", id)
	p.draft.Set("central", "cameras", true) // it has recorded no others
	p.interval("SYNC_INTERVAL_SECONDS", "sync_interval")
	p.interval("HEARTBEAT_INTERVAL_SECONDS", "heartbeat_interval")
	return nil
}

// interval takes over a number of seconds, as far as the agent's limits go.
func (p *Predecessor) interval(name, key string) {
	const low, high = 5 * time.Second, time.Hour
	text, ok := p.get(name)
	if !ok {
		return
	}
	n, err := strconv.Atoi(text)
	d := time.Duration(n) * time.Second
	if err != nil || n < 0 || n > 1<<30 {
		p.note("%s is not a number of seconds: central.%s keeps its default", name, key)
		return
	}
	if d < low || d > high {
		p.note("%s is %d s: central.%s takes 5s to 1h, and is set to the nearest", name, n, key)
	}
	p.draft.Set("central", key, strconv.Itoa(int(max(low, min(d, high)).Seconds()))+"s")
}

func (p *Predecessor) retention() {
	keep, hasKeep := p.get("KEEP_LOCAL_DAYS")
	days, err := strconv.Atoi(keep)
	if hasKeep && (err != nil || days < 0 || days > 3650) {
		p.note("KEEP_LOCAL_DAYS is not a number of days: retention.keep_for keeps its default, 0s")
		hasKeep = false
	}
	if cleanup, ok := p.get("CLEANUP_AFTER_UPLOAD"); ok && !strings.EqualFold(cleanup, "true") {
		p.draft.Set("retention", "delete_after_upload", false)
		p.note("CLEANUP_AFTER_UPLOAD is not true: local files stay until the disk is nearly full (retention.min_free), then the oldest of those that are safe go; retention.max_age and max_size are further limits")
	}
	if hasKeep {
		p.draft.Set("retention", "keep_for", strconv.Itoa(days)+"d")
	}
}

func (p *Predecessor) dataDir() {
	base, ok := p.get("RECORDING_BASE_DIR")
	if !ok {
		return
	}
	if !filepath.IsAbs(base) {
		base = filepath.Join(filepath.Dir(p.File), base)
	}
	base, err := filepath.Abs(base)
	if err != nil {
		p.note("RECORDING_BASE_DIR cannot be made a whole path (%v): agent.data_dir keeps its default", err)
		return
	}
	if _, chosen := p.draft.tables["agent"][0]["data_dir"]; !chosen {
		p.draft.Set("agent", "data_dir", filepath.Join(base, "recording-agent"))
	}
	p.note("what the predecessor has left in %s is not touched: MP4 files that never came to the bucket can be put into inbox/<camera id>/ of the data directory, then they are uploaded and registered", base)
}

func (p *Predecessor) log() {
	levels := map[string]string{"DEBUG": "debug", "INFO": "info", "WARNING": "warn", "WARN": "warn", "ERROR": "error", "CRITICAL": "error"}
	text, ok := p.get("LOG_LEVEL")
	if !ok {
		return
	}
	level, known := levels[strings.ToUpper(text)]
	if !known {
		p.note("LOG_LEVEL is none of Python's levels: log.level keeps its default, info")
		return
	}
	p.draft.Set("log", "level", level)
}

// without are the predecessor's settings that have no counterpart, and why.
var without = map[string]string{
	"AWS_S3_SIGNATURE_VERSION":  "requests are always signed by version 4",
	"GCP_CREDENTIALS_PATH":      "Google Cloud Storage is reached through its S3-compatible side, with HMAC keys instead of a service account's JSON file",
	"GCP_PROJECT_ID":            "HMAC keys belong to a project by themselves",
	"MAX_RETRY_ATTEMPTS":        "what fails is tried again without end",
	"MAX_CONCURRENT_RECORDINGS": "all cameras are recorded",
}

// rest names everything that nothing was made of.
func (p *Predecessor) rest() {
	for _, name := range slices.Sorted(maps.Keys(p.Values)) {
		if p.used[name] || p.Values[name] == "" {
			continue
		}
		p.note("%s has no counterpart: %s", name, cmp.Or(without[name], "it is not known as a setting of the predecessor"))
	}
	p.note("the predecessor answered on port 8001 to everybody; the agent does so to this host only. For others set status.listen and status.token (docs/page-and-api.md)")
}

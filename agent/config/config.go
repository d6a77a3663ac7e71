// Package config turns the agent's one TOML file into a validated Config. Text
// enters; either a Config leaves that the rest of the program need not doubt, or
// every problem at once, each with its line and what to write instead.
package config

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/BurntSushi/toml"

	"recording-agent/capture/schedule"
)

// Config is a valid configuration.
type Config struct {
	Path      string // of the file
	Sum       Sum    // of what it held when it was loaded
	Agent     Agent
	Central   Central
	Cameras   []Camera
	Segment   Segment
	S3        Destination // the primary
	Mirrors   []Destination
	Upload    Upload
	Retention Retention
	Status    Status
	Log       Log
	Warnings  []string // what is allowed, but may not be meant
}

// Agent is [agent].
type Agent struct {
	ClientName string
	DataDir    string
	Storage    string         // s3, local
	Zone       *time.Location // whose clock the schedules mean
}

// Central is [central]. Without a URL there is no central server.
type Central struct {
	URL               string
	Token             Secret
	ClientID          string
	HeartbeatInterval time.Duration
	Cameras           bool // record the cameras that it assigns
	SyncInterval      time.Duration
}

// Camera is one [[camera]].
type Camera struct {
	ID              string
	Name            string
	URL             Secret // with user info, of the main stream
	SubURL          Secret // of the sub stream; may be unset
	Stream          string // main, sub
	CAFile          string // for rtsps://, besides the system's authorities
	Fingerprint     []byte // SHA-256 of the certificate to trust, whoever signed it; nil: none
	Video           string // number or name of a stream in the session; empty: the first that can be recorded
	Transport       string // auto, tcp, udp
	Audio           bool
	Schedules       []schedule.Schedule // when to record it, together; none: always
	KeepAlive       string              // auto, options, get_parameter
	Timeout         time.Duration
	StallTimeout    time.Duration
	KeyframeTimeout time.Duration
}

// StreamURL is the address of the stream that is recorded.
func (c *Camera) StreamURL() Secret {
	if c.Stream == "sub" {
		return c.SubURL
	}
	return c.URL
}

// Segment is [segment].
type Segment struct {
	Duration time.Duration
	Part     time.Duration
	Sync     time.Duration
}

// Destination is [s3], the primary, or one [[mirror]]. Without a bucket in [s3]
// nothing is uploaded.
type Destination struct {
	Name            string // in the ledger, the log and the status
	Section         string // s3, or mirror[0]
	Required        bool   // local files stay until it has them; the primary always is
	Bucket          string
	Region          string
	Endpoint        string
	PathStyle       bool
	AccessKeyID     Secret
	SecretAccessKey Secret
	SessionToken    Secret
	Key             string // template, see RenderKey
	PartSize        int64  // bytes
	Live            bool   // parts are sent while the segment is recorded
	Checksum        string // auto, crc64nvme, crc32c, md5
	CAFile          string
	StorageClass    string // empty: the bucket's
	Encryption      string // empty: the bucket's; AES256, aws:kms
	KMSKeyID        string
	LockMode        string // empty, governance, compliance
	LockDays        int
}

// Upload is [upload]: how all destinations share the uplink.
type Upload struct {
	Parallel     int   // bodies sent at once, for each destination
	BacklogShare int   // percent of the bytes, while newer footage waits as well
	MaxBandwidth int64 // bytes per second, of all destinations together; 0: no limit
	Windows      []UploadWindow
}

// UploadWindow is one [[upload.window]].
type UploadWindow struct {
	From, To     time.Duration // since midnight, local time
	MaxBandwidth int64         // bytes per second; 0: that of [upload]
	PauseBacklog bool
	PauseLive    bool
}

// Retention is [retention].
type Retention struct {
	DeleteAfterUpload bool
	KeepFor           time.Duration
	MaxAge            time.Duration // 0: no limit
	MaxSize           int64         // bytes; 0: no limit
	MinFree           Share
	OnFull            string // delete_oldest, stop_recording
}

// Share is a part of a disk: so many bytes, or a percentage of it; where both are
// set, whichever is less.
type Share struct {
	Bytes   int64
	Percent float64
}

// Of is the share of a disk in bytes.
func (s Share) Of(total uint64) uint64 {
	part := uint64(float64(total) * s.Percent / 100)
	if s.Percent <= 0 || s.Bytes > 0 && uint64(s.Bytes) < part {
		return uint64(s.Bytes)
	}
	return part
}

// Status is [status].
type Status struct {
	Listen       string
	AllowedHosts []string
	Token        Secret // that requests show: those that change something, and all where Listen is open to the network
	CertFile     string // with KeyFile: HTTPS; empty: plain HTTP
	KeyFile      string
}

// Log is [log].
type Log struct {
	Level    string
	Format   string // auto, json, console
	File     string // empty: standard error
	MaxSize  int64  // bytes of one file
	MaxAge   time.Duration
	MaxFiles int
}

// Env is where secrets come from.
type Env struct {
	Lookup   func(name string) (string, bool)
	ReadFile func(path string) ([]byte, error)

	// Credentials is the directory of what "cred:NAME" means, if there is one.
	Credentials string

	// WithoutSecrets says that nothing will be done with secrets: those that cannot
	// be had, as those of a service by another user, are not missed.
	WithoutSecrets bool
}

// System is the real environment.
func System() Env {
	return Env{Lookup: os.LookupEnv, ReadFile: os.ReadFile, Credentials: credentialsDir()}
}

// DefaultPaths are where the file is looked for when none is named.
func DefaultPaths() []string { return []string{"agent.toml", SystemPath()} }

// SystemPath is the file's place on a host where the agent is installed.
func SystemPath() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(programData(), "agent.toml")
	}
	return "/etc/recording-agent/agent.toml"
}

// DefaultDataDir is where segments and ledger are kept unless agent.data_dir
// says otherwise.
func DefaultDataDir() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(programData(), "data")
	}
	return "/var/lib/recording-agent"
}

// SystemLogFile is the log of the Windows service unless log.file says otherwise.
func SystemLogFile() string { return filepath.Join(programData(), "agent.log") }

func programData() string {
	return filepath.Join(cmp.Or(os.Getenv("ProgramData"), `C:\ProgramData`), "RecordingAgent")
}

// Find returns the first of DefaultPaths that exists.
func Find() (string, error) {
	for _, path := range DefaultPaths() {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no configuration: there is neither ./agent.toml nor %s; \"recording-agent init\" writes one, or copy agent.example.toml, or name a file with --config", SystemPath())
}

// Load reads and validates a file.
func Load(path string, env Env) (*Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist; \"recording-agent init\" writes one, or copy agent.example.toml to it", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := Parse(path, data, env)
	if err != nil {
		return nil, err
	}
	c.Sum = SumOf(data)
	return c, nil
}

// Sum tells whether a file still holds what was read. The text itself is not kept:
// it may hold secrets.
type Sum [sha256.Size]byte

// SumOf is the sum of a text.
func SumOf(data []byte) Sum { return sha256.Sum256(data) }

// quoted is what an error message of the TOML library repeats of the file: it may
// be a secret whose quotes were forgotten.
var quoted = regexp.MustCompile("(?s)[\"'`].*[\"'`]")

// Parse validates a TOML text. Its error is of type Errors.
func Parse(file string, data []byte, env Env) (*Config, error) {
	root := map[string]any{}
	if _, err := toml.Decode(string(data), &root); err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return nil, Errors{{File: file, Line: syntax.Position.Line, Wrong: "is not valid TOML: " + quoted.ReplaceAllString(syntax.Message, hidden), Instead: backslashHint(string(data), syntax.Position.Line)}}
		}
		return nil, Errors{{File: file, Wrong: "is not valid TOML: " + quoted.ReplaceAllString(err.Error(), hidden)}}
	}
	p := &parser{file: file, env: env, lines: lineNumbers(string(data))}
	c := p.config(root)
	c.Path = file
	for name := range root {
		p.problem(name, "is not a known section", "known: agent, central, camera, segment, s3, mirror, upload, retention, status, log")
	}
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
		})
		return nil, p.problems
	}
	return c, nil
}

// config reads all sections; each takes its name out of root.
func (p *parser) config(root map[string]any) *Config {
	c := &Config{}
	p.agent(p.section(root, "agent"), c)
	p.central(p.section(root, "central"), c)
	p.cameras(p.sections(root, "camera"), c)
	p.segment(p.section(root, "segment"), c)
	p.destinations(p.section(root, "s3"), p.sections(root, "mirror"), c)
	p.upload(p.section(root, "upload"), c)
	p.retention(p.section(root, "retention"), c)
	p.status(p.section(root, "status"), c)
	p.log(p.section(root, "log"), c)
	return c
}

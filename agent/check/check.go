// Package check tries what the agent needs, in the order in which a technician
// would: the configuration, the disk, the clock, each camera, each bucket, the central
// server. A configuration enters; steps leave, each as it is finished, with what was
// found, and what to do about it. It is harmless beside a running agent: it writes
// one file that it takes away again, and objects whose keys say that they are a check's.
// No step holds a secret.
package check

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"recording-agent/agent/config"
	"recording-agent/capture/rtsp"
	"recording-agent/uploader/s3"
)

// StoreStall is after how long without progress a store's connection is given up.
const StoreStall = 10 * time.Second

// Result is how a step has ended.
type Result string

// The results.
const (
	OK      Result = "ok"
	Warning Result = "warning" // the agent works, and somebody should look
	Failed  Result = "failed"
)

// Step is one thing that was tried. The JSON names are kept.
type Step struct {
	Check   string `json:"check"`   // config, disk, clock, camera, s3, central
	Subject string `json:"subject"` // a camera's id, a destination's name; else empty
	Name    string `json:"name"`    // of the subject, for people; may be empty
	Step    string `json:"step"`    // what was tried, in a word
	Result  Result `json:"result"`
	Found   string `json:"found"`  // what was found; the cause where it failed
	Remedy  string `json:"remedy"` // what to do; empty where nothing is to be done
}

// Checks are what can be tried of one configuration.
type Checks struct {
	Config  *config.Config
	Store   func(config.Destination) *s3.Store
	Session func(config.Camera) rtsp.Options
	Synced  func() (yes, known bool)                         // whether a time server keeps the host's clock
	Disk    func(dir string) (free, total uint64, err error) // bytes
	Now     func() time.Time
	// Registered is what this host's ledger knows of a camera's last recording at central;
	// nil: nothing.
	Registered func(ctx context.Context, cameraID string) Registered
	Kept       string     // file of the cameras that central had assigned when the agent ran last
	Tell       func(Step) // is never called concurrently
}

// All tries everything.
func (c *Checks) All(ctx context.Context) {
	c.Configuration()
	c.DataDir(ctx)
	c.Clock(ctx)
	_ = c.Cameras(ctx, nil) // it names none that there is not
	_ = c.Buckets(ctx, nil)
	c.Central(ctx)
}

// Configuration tells of a configuration that was read: without a valid one nothing
// can be tried.
func (c *Checks) Configuration() {
	g := c.group("config", "", "")
	g.ok("file", "%s is valid; cameras: %d", c.Config.Path, len(c.Config.Cameras))
	for _, w := range c.Config.Warnings {
		g.warn("file", w, "")
	}
}

// group are the steps of one subject.
type group struct {
	check, subject, name string
	tell                 func(Step)
}

func (c *Checks) group(check, subject, name string) group {
	return group{check, subject, name, c.Tell}
}

func (g group) ok(step, format string, args ...any) {
	g.say(step, OK, fmt.Sprintf(format, args...), "")
}

func (g group) warn(step, found, remedy string) { g.say(step, Warning, found, remedy) }

func (g group) fail(step, cause, remedy string) { g.say(step, Failed, cause, remedy) }

func (g group) say(step string, result Result, found, remedy string) {
	g.tell(Step{Check: g.check, Subject: g.subject, Name: plain(g.name), Step: step, Result: result, Found: plain(found), Remedy: plain(remedy)})
}

// plain is a text on one line, without what a terminal would obey: much of it comes
// from cameras and servers.
func plain(text string) string {
	const most = 500
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return '?'
	}, text)
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

// spoken is a length of time for people.
func spoken(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = d.Abs(); {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= time.Minute:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

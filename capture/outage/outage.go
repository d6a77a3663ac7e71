// Package outage turns a lasting trouble into a readable log: its first
// occurrence is said at once, a repetition at most once a minute for each cause,
// and its end once, with how long it lasted. Cameras, destinations and the
// central server each have one.
package outage

import (
	"regexp"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Every is how often a trouble that goes on is repeated in the log.
const Every = time.Minute

// Outage follows the trouble of one peer. It is safe for concurrent use.
type Outage struct {
	log  zerolog.Logger
	what string // for example "camera unreachable"
	now  func() time.Time

	mu     sync.Mutex
	lasts  Trouble
	said   map[string]time.Time // by cause: a peer may fail in two ways in turn
	unsaid int
	told   bool // of the trouble that goes on
}

// maxCauses bounds what is remembered of a peer that fails in ever new ways.
const maxCauses = 32

// New returns an Outage that logs to log; what names the peer and what it fails
// to do, as a phrase. now is the clock, time.Now outside of tests.
func New(log zerolog.Logger, what string, now func() time.Time) *Outage {
	return &Outage{log: log, what: what, now: now}
}

// Failed notes one failure. cause is said to the operator together with remedy,
// which may be empty; neither may hold a secret.
func (o *Outage) Failed(cause, remedy string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if o.lasts.Since.IsZero() {
		o.lasts.Since = now
	}
	cause = ownAddress.ReplaceAllString(cause, "")
	o.lasts.Cause, o.lasts.Remedy = cause, remedy
	if last, ok := o.said[cause]; ok && now.Sub(last) < Every {
		o.unsaid++
		return
	}
	if o.said == nil || len(o.said) >= maxCauses {
		o.said = map[string]time.Time{}
	}
	event := o.log.Warn().Str("cause", cause)
	if remedy != "" {
		event = event.Str("remedy", remedy)
	}
	if o.unsaid > 0 {
		event = event.Int("repeated", o.unsaid)
	}
	if down := now.Sub(o.lasts.Since); down > time.Second {
		event = event.Str("since", o.lasts.Since.UTC().Format(time.RFC3339))
	}
	event.Msg(o.what)
	o.said[cause], o.unsaid, o.told = now, 0, true
}

// ownAddress is this host's end of a connection in an error of package net: its
// port is another each time.
var ownAddress = regexp.MustCompile(`\S+:\d+->`)

// Recovered notes that the peer works; it says so if its failure was said. What
// comes and goes is not said more often than what stays.
func (o *Outage) Recovered() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lasts.Since.IsZero() {
		return
	}
	if o.told {
		o.log.Info().Dur("lasted", o.now().Sub(o.lasts.Since).Round(time.Second)).Msg(o.what + ": over")
	}
	o.lasts, o.told = Trouble{}, false
}

// Trouble is what fails at present.
type Trouble struct {
	Cause, Remedy string    // empty when there is none
	Since         time.Time // zero when there is none
}

// Trouble returns the trouble that goes on.
func (o *Outage) Trouble() Trouble {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lasts
}

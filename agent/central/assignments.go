package central

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/config"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// Assignments follows what the server assigns to this client: cameras, and when
// to record them. What was good last is in force until something good follows: not
// an error, an answer that makes no sense, or a restart without the server takes
// anything away. Only an empty list does.
type Assignments struct {
	Fetch    func(ctx context.Context) (Answer, error)
	Deliver  func(cameras []config.Camera) // with the schedules in force; without one a camera is not recorded
	Zone     func() *time.Location         // whose clock the schedules mean
	File     string                        // where it is kept
	Interval time.Duration
	Log      zerolog.Logger
	Now      func() time.Time
	ClockSet func() bool // whether Now can be believed

	held    []assigned // Load's, then Run's
	written []byte     // what the file holds

	mu     sync.Mutex
	status AssignmentsStatus
}

// AssignmentsStatus is the state of the assignment.
type AssignmentsStatus struct {
	LastSync   time.Time // zero when there was none since the start
	LastError  string    // empty once it works again
	Remedy     string
	Complaints []string // about rows that cannot be used
}

// Status returns the present state.
func (a *Assignments) Status() AssignmentsStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.status
	s.Complaints = slices.Clone(s.Complaints)
	return s
}

// Load delivers what was assigned when the agent ran last. It is to be called
// before Run. A file that cannot be used is reported; the server's next answer
// takes its place.
func (a *Assignments) Load() {
	data, err := contentOf(a.File)
	if err == nil && data == nil {
		return
	}
	var cameras []assigned
	var complaints []string
	if err == nil {
		cameras, complaints, err = decode(data, a.Zone(), a.known())
	}
	if err != nil {
		a.Log.Error().Err(err).Str("file", a.File).Msg("what central had assigned cannot be read; its cameras are recorded once central answers")
		return
	}
	a.complain(complaints)
	a.held, a.written = cameras, data
	a.deliver()
}

func (a *Assignments) deliver() {
	cameras := make([]config.Camera, 0, len(a.held))
	for _, c := range a.held {
		cameras = append(cameras, c.camera)
	}
	a.Deliver(cameras)
}

// Run asks until ctx ends, at once and then at each interval. Failures are logged
// and never end it.
func (a *Assignments) Run(ctx context.Context) error {
	trouble := outage.New(a.Log, "central does not say which cameras to record: those it has assigned last are recorded", a.Now)
	disk := outage.New(a.Log, "what central has assigned cannot be kept for a restart", a.Now)
	tick := time.NewTicker(a.Interval)
	defer tick.Stop()
	for {
		a.sync(ctx, trouble)
		a.keep(disk)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sync asks once.
func (a *Assignments) sync(ctx context.Context, trouble *outage.Outage) {
	answer, err := a.Fetch(ctx)
	if ctx.Err() != nil {
		return
	}
	var after []assigned
	var complaints []string
	if err == nil {
		if after, complaints, err = read(answer, a.held, a.Zone(), a.known()); err != nil {
			err = &Error{Call: "cameras and schedules", Kind: Senseless, Detail: err.Error()}
		}
	}
	if err != nil {
		cause, remedy := explain(err)
		a.note(func(s *AssignmentsStatus) { s.LastError, s.Remedy = cause, remedy })
		trouble.Failed(cause, remedy)
		return
	}
	trouble.Recovered()
	a.complain(complaints)
	if len(after) == 0 && len(a.held) > 0 {
		a.Log.Warn().Int("cameras", len(a.held)).Msg("central assigns no camera any more: those it had assigned are not recorded")
	}
	a.held = after
	a.note(func(s *AssignmentsStatus) { s.LastSync, s.LastError, s.Remedy = a.Now(), "", "" })
	a.deliver()
}

// known is the time; zero while the host's clock is not set.
func (a *Assignments) known() time.Time {
	if !a.ClockSet() {
		return time.Time{}
	}
	return a.Now()
}

func (a *Assignments) note(change func(s *AssignmentsStatus)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.status)
}

// maxSaid is how many complaints of one answer are logged.
const maxSaid = 20

// complain says what is wrong with rows, each thing once for as long as it is.
func (a *Assignments) complain(complaints []string) {
	said := a.Status().Complaints
	n := 0
	for _, c := range complaints {
		if slices.Contains(said, c) {
			continue
		}
		if n++; n <= maxSaid {
			a.Log.Warn().Str("cause", c).Str("remedy", "correct it at central").Msg("central assigns what cannot be used as it is; the rest is")
		}
	}
	if n > maxSaid {
		a.Log.Warn().Int("more", n-maxSaid).Msg("central assigns more that cannot be used")
	}
	if len(complaints) == 0 && len(said) > 0 {
		a.Log.Info().Msg("all that central assigns can be used again")
	}
	a.note(func(s *AssignmentsStatus) { s.Complaints = complaints })
}

// keep writes down what has changed. Recording does not wait for it.
func (a *Assignments) keep(disk *outage.Outage) {
	if a.Status().LastSync.IsZero() {
		return
	}
	data, err := encode(a.held)
	if err == nil && bytes.Equal(data, a.written) {
		return
	}
	if err == nil {
		err = spool.WriteDurably(a.File, data, 0o600)
	}
	if err != nil {
		disk.Failed(strings.ReplaceAll(err.Error(), "\n", "; "), "make room on the disk, or mend it")
		return
	}
	a.written = data
	disk.Recovered()
}

// Package check judges a run of the agent by what can be seen from outside: what
// the cameras sent, what is in the bucket, what central knows, which gaps the
// ledger admits, and which outages whoever drove the run has caused. It shares no
// code with the agent, and imports nothing of this module.
package check

import "time"

// Evidence is what is known of a run.
type Evidence struct {
	From, To time.Time          // frames that were sent in between are to be in the bucket
	Sent     map[string][]Frame // by camera, in the order of their numbers
	Outages  []Outage
	Clock    []Step
	Faults   []string // what went wrong that no other piece of evidence shows

	Objects []Object
	Uploads []string // keys of multipart uploads that are open
	Rows    []Row
	Gaps    []Gap
	GivenUp []string // keys of segments that the ledger says were deleted unsent
	Local   []string // files that are left in the agent's directory
}

// Frame is a picture that a camera has sent.
type Frame struct {
	Number int
	At     time.Time
}

// Kind is what an outage was.
type Kind string

// The kinds of outages that may cost frames. Neither a store nor a central server
// that is away is among them: the disk is the queue.
const (
	AgentDown  Kind = "agent down" // from its end until it said that it is ready again
	CameraDown Kind = "camera down"
	DiskFull   Kind = "disk full"
)

// Outage is an entry of the driver's log.
type Outage struct {
	Kind     Kind      `json:"kind"`
	Camera   string    `json:"camera,omitempty"` // empty: all
	From, To time.Time // by the real clock
}

// Step is a moment at which the agent's clock was set: from At on it is ahead of
// the real one by Offset.
type Step struct {
	At     time.Time
	Offset time.Duration
}

// Gap is a row of the agent's ledger, by the agent's clock.
type Gap struct {
	Camera   string
	From, To time.Time // To is zero while it is open
	Cause    string
}

// Object is what is in the bucket under one key.
type Object struct {
	Key    string
	Camera string
	Size   int64
	Frames []int  // in the order of the file
	Damage string // empty: none
}

// Row is a recording at central.
type Row struct {
	ID       string // central's
	Segment  string // the agent's
	Camera   string
	Key      string
	Size     int64
	Statuses []string // that were reported, in their order
	Lost     bool     // the answer to its registration may not have arrived
}

// Settled says whether nothing more is to come of it.
func (r Row) Settled() bool { return r.status() == "completed" || r.status() == "failed" }

func (r Row) status() string {
	if len(r.Statuses) == 0 {
		return "scheduled"
	}
	return r.Statuses[len(r.Statuses)-1]
}

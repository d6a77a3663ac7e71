// Package status serves the agent's state on a local HTTP port: the endpoints
// that dashboards of the predecessor poll, with their exact keys, and what the
// agent adds under keys of its own. A Snapshot enters, JSON leaves.
package status

import "time"

// Snapshot is the agent's state at one moment.
type Snapshot struct {
	Version      string
	ClientName   string
	Started      time.Time
	Disk         Disk
	Clock        Clock
	Ledger       *LedgerTrouble // nil: it is read
	HeldBack     int            // segments that wait for the clock
	TakingIn     TakingIn
	Cameras      []Camera
	Destinations []Destination
	Schedules    []Schedule
	Central      *Central // nil: not configured
	Sync         *Sync    // nil: central's cameras are not recorded
}

// LedgerTrouble is why the ledger cannot be read. What a snapshot has from it is what
// was known then: backlogs, coverage, gaps, losses, what central has yet to be told.
type LedgerTrouble struct {
	Cause, Remedy string
	Known         time.Time // zero: nothing is
}

// TakingIn is what of the last run is still to be taken in.
type TakingIn struct {
	Files       int   // without a row in the ledger
	Bytes       int64 // of these, as far as it is known
	Unread      int   // segments that have yet to be read whole, before they are uploaded
	UnreadBytes int64
}

// Disk is what there is of the disk that segments are written to.
type Disk struct {
	FreeBytes, TotalBytes uint64
	FillRate              float64 // bytes per second, by all programs
	Trouble               string  // it is nearly full, and nothing makes room
	LostSegments          int     // deleted before any destination had them, ever
	LostBytes             int64
	LastLoss              time.Time // the end of the newest of them
}

// FullIn is when the disk will be full if it goes on to fill as it does; not if it
// does not fill, or nobody knows.
func (d Disk) FullIn() (in time.Duration, fills bool) {
	const longest = 10 * 365 * 24 * time.Hour
	if d.FillRate <= 0 || d.TotalBytes == 0 {
		return 0, false
	}
	seconds := float64(d.FreeBytes) / d.FillRate
	return time.Duration(min(seconds, longest.Seconds()) * float64(time.Second)), seconds < longest.Seconds()
}

// Clock is the state of the host's clock.
type Clock struct {
	State           string // set, unset, doubted
	Message, Remedy string // empty while it is set
}

// Camera is one camera's state.
type Camera struct {
	ID, Name      string
	State         string // connecting, recording, waiting
	Codec         string
	AudioCodec    string
	Width         int
	Height        int
	Bitrate       float64 // bits per second
	FrameRate     float64 // pictures per second
	LastFrame     time.Time
	Segment       string // id of the one being recorded
	SegmentStart  time.Time
	SegmentFrames int64  // pictures of the segment so far
	RecordingID   string // central's, of that segment
	Frames        int64
	Bytes         int64          // of pictures and sound since the agent was started
	Unsafe        *time.Duration // footage that some required destination does not have yet; nil: there is none
	Reconnects    int64
	Damages       int64          // stretches that were lost to missing or broken packets
	Dropped       int64          // pictures that the disk was too slow for
	Panics        int64          // of the agent's code for this camera
	Queued        int64          // bytes that have come and are not written yet
	ClockOffset   *time.Duration // of the camera's clock from the host's; nil: the camera does not say
	LastHour      Coverage
	LastDay       Coverage
	Gaps          []Gap // the last ones, the newest first
	LastError     string
	LastErrorAt   time.Time
}

// Coverage is how much of what was to be recorded there is.
type Coverage struct {
	Scheduled, Recorded time.Duration
	Share               float64 // 0 to 1; 1 when nothing was to be recorded
}

// Gap is a stretch of scheduled time without footage.
type Gap struct {
	Start, End    time.Time // End is zero while it lasts
	Cause, Detail string
}

// Destination is one destination's state.
type Destination struct {
	Name           string
	Required       bool // local files stay until it has them
	Bucket         string
	Location       string
	Connected      bool
	BacklogSegs    int
	BacklogBytes   int64
	BacklogSeconds float64
	Throughput     float64 // bytes per second, over the last minute
	InFlight       int
	LastSuccess    time.Time
	LastError      string
	Remedy         string
	Totals         DestinationTotals
}

// DestinationTotals are what a destination has had since the agent was started.
type DestinationTotals struct {
	Segments, Bytes int64 // that it has confirmed
	Sent            int64 // bytes that were sent to it, whatever came of them
	Failures        int64 // attempts that have failed
}

// Central is the state of the way to the central server.
type Central struct {
	URL         string
	Connected   bool
	Pending     int // segments that it has yet to be told of
	LastSuccess time.Time
	LastError   string
	Remedy      string
}

// Schedule is a schedule that is in force.
type Schedule struct {
	ID, Name   string        // of central's; one of the configuration has neither
	Type       string        // once, daily, weekly, continuous
	Camera     string        // its name
	Start, End time.Duration // since midnight
}

// Sync is how the agent follows the cameras that central assigns.
type Sync struct {
	Interval    time.Duration
	LastSuccess time.Time
	LastError   string
	Remedy      string
	Complaints  []string // what of the last answer cannot be used
}

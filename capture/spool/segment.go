package spool

import (
	"time"
)

// State is how far a segment has come on this host.
type State string

// The states of a segment. Each verb on the Ledger is one transition.
const (
	Recording State = "recording" // its file is being appended to
	Finished  State = "finished"  // its file is complete and will not change
	Deleted   State = "deleted"   // its file was safe elsewhere and is gone
	Missing   State = "missing"   // its file is gone and was not safe: nobody here removed it, or it was given up
	Empty     State = "empty"     // its file held no whole part and was removed
)

// CentralState is how far a segment has come at the central server, as that
// server has acknowledged it.
type CentralState string

// The states of a segment at central, in their order.
const (
	CentralNone       CentralState = "none"       // nothing has been acknowledged
	CentralRegistered CentralState = "registered" // it has a recording id there
	CentralRecording  CentralState = "recording"  // "recording" was acknowledged
	CentralCompleted  CentralState = "completed"  // "completed" was acknowledged
	CentralFailed     CentralState = "failed"     // "failed" was acknowledged
	CentralRefused    CentralState = "refused"    // refused for good (403, 404), after a day of asking
)

// Segment is one recorded file: its identity, its media, and how far it has come.
type Segment struct {
	ID         string // UUID, also in the file's metadata
	CameraID   string
	CameraName string
	ClientName string
	ScheduleID string // that it was recorded for, central's; may be empty
	Path       string // relative to the data directory, with slashes

	State    State
	Dated    Dating        // what Start and End are worth
	Start    time.Time     // wall-clock time of the first picture
	End      time.Time     // wall-clock time of the end of the last picture; zero while recording
	Duration time.Duration // of the media
	Recorded time.Duration // of that, without holes between pictures

	Size     int64  // bytes; zero while recording
	Checksum string // CRC64NVME of the file, base64 of 8 bytes big-endian; empty while recording

	VideoCodec string // RFC 6381, for example avc1.64001f
	AudioCodec string // RFC 6381; empty without sound
	Width      int
	Height     int
	FrameRate  float64
	Frames     int64 // video samples

	GivenUp     string         // why its file was deleted though it was not safe; empty: it was not
	ClockOffset *time.Duration // of the camera's clock from the host's; nil: not known

	Central Central
}

// Central is what the ledger knows about a segment at the central server.
type Central struct {
	State       CentralState
	RecordingID string // given by central
	Attempts    int    // register calls begun; more than one means that an answer was lost
	LastError   string
	RefusedAt   time.Time // first 403 or 404; zero when never refused
	NextTry     time.Time // it is not asked before; zero: at once
}

// DeliveryState is how far a segment has come at one destination.
type DeliveryState string

// The states of a delivery.
const (
	Pending  DeliveryState = "pending"  // to be uploaded
	Stored   DeliveryState = "stored"   // the store has accepted it; not yet looked at
	Verified DeliveryState = "verified" // the store has confirmed size and checksum
	Missed   DeliveryState = "missed"   // the local file went before an optional destination had it
)

// Delivery is the way of one segment to one destination. Its key is rendered once,
// and changes only when another object lies under it.
type Delivery struct {
	SegmentID   string
	Destination string
	Bucket      string
	Key         string
	State       DeliveryState
	VerifiedBy  string // what the confirmation rests on, for example "size, crc64nvme"
	VerifiedAt  time.Time
	Attempts    int
	LastError   string
	NextTry     time.Time // not tried before; zero: at once

	Upload *Upload // the multipart upload that is open, nil when none is
}

// Upload is an open multipart upload. Its part size and checksum algorithm belong
// to it: a changed configuration touches only new uploads.
type Upload struct {
	ID        string
	PartSize  int64
	Algorithm string // for example CRC64NVME; empty when the store takes none
	Parts     []UploadPart
}

// UploadPart is one part that the store has acknowledged.
type UploadPart struct {
	Number   int // from 1
	Size     int64
	Checksum string // base64, of Upload.Algorithm; hex MD5 when that is empty
	ETag     string
}

// Gap is a stretch of a camera's scheduled time without footage.
type Gap struct {
	ID       int64
	CameraID string
	Start    time.Time
	End      time.Time // zero while it lasts
	Cause    Cause
	Detail   string // for people; may be empty
}

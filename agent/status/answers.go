package status

import (
	"fmt"
	"math"
	"time"
)

// moment is a time as JSON: ISO 8601 in UTC, or null.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// statusAnswer is the answer of GET /status. The first block is the
// predecessor's contract; dashboards rely on its keys and types.
type statusAnswer struct {
	Status           string          `json:"status"`
	ActiveRecordings int             `json:"active_recordings"`
	Schedules        int             `json:"schedules"`
	Cameras          int             `json:"cameras"`
	SyncStatus       syncStatus      `json:"sync_status"`
	BucketStatus     bucketStatus    `json:"bucket_status"`
	RecordingInfo    []recordingInfo `json:"recording_info"`

	Agent        agentAnswer         `json:"agent"`
	Disk         diskAnswer          `json:"disk"`
	Clock        clockAnswer         `json:"clock"`
	Ledger       *ledgerAnswer       `json:"ledger_trouble"`
	TakingIn     takingInAnswer      `json:"taking_in"`
	CameraStatus []cameraAnswer      `json:"camera_status"`
	Destinations []destinationAnswer `json:"destinations"`
	Central      *centralAnswer      `json:"central"`
	CameraSync   *cameraSyncAnswer   `json:"camera_sync"`
}

type takingInAnswer struct {
	Files       int   `json:"files"`
	Bytes       int64 `json:"bytes"`
	Unread      int   `json:"unread_segments"`
	UnreadBytes int64 `json:"unread_bytes"`
}

type syncStatus struct {
	Running             bool `json:"running"`
	LastSync            any  `json:"last_sync"`
	PendingUpdates      int  `json:"pending_updates"`
	ActiveSchedules     int  `json:"active_schedules"`
	SyncIntervalSeconds int  `json:"sync_interval_seconds"`
}

type bucketStatus struct {
	Connected  bool   `json:"connected"`
	BucketName string `json:"bucket_name"`
}

type recordingInfo struct {
	CameraID    string `json:"camera_id"`
	CameraName  string `json:"camera_name"`
	RecordingID string `json:"recording_id"`
	Frames      int64  `json:"frames"`
	Started     any    `json:"started"`
}

type agentAnswer struct {
	Version    string `json:"version"`
	ClientName string `json:"client_name"`
	Started    any    `json:"started"`
	FreeBytes  uint64 `json:"free_bytes"`
}

type diskAnswer struct {
	FreeBytes      uint64 `json:"free_bytes"`
	TotalBytes     uint64 `json:"total_bytes"`
	BytesPerSecond int64  `json:"fill_bytes_per_second"`
	Trouble        any    `json:"trouble"`
	LostSegments   int    `json:"lost_segments"`
	LostBytes      int64  `json:"lost_bytes"`
	LastLoss       any    `json:"last_loss"`
}

func answerDisk(d Disk) diskAnswer {
	return diskAnswer{d.FreeBytes, d.TotalBytes, int64(d.FillRate), orNull(d.Trouble), d.LostSegments, d.LostBytes, moment(d.LastLoss)}
}

type clockAnswer struct {
	State    string `json:"state"`
	HeldBack int    `json:"segments_held_back"`
	Message  any    `json:"message"`
	Remedy   any    `json:"remedy"`
}

// ledgerAnswer is why the ledger cannot be read; what follows from it in the answer
// was so at known_at.
type ledgerAnswer struct {
	Cause   string `json:"cause"`
	Remedy  any    `json:"remedy"`
	KnownAt any    `json:"known_at"`
}

type cameraAnswer struct {
	ID             string  `json:"id"`
	Name           string  `json:"name"`
	State          string  `json:"state"`
	Codec          string  `json:"codec"`
	AudioCodec     string  `json:"audio_codec"`
	Width          int     `json:"width"`
	Height         int     `json:"height"`
	BitsPerSecond  int64   `json:"bits_per_second"`
	FrameRate      float64 `json:"frames_per_second"`
	LastFrame      any     `json:"last_frame"`
	Segment        any     `json:"segment"`
	SegmentStarted any     `json:"segment_started"`
	Frames         int64   `json:"frames"`
	Bytes          int64   `json:"bytes"`
	Unsafe         any     `json:"unsafe_seconds"`
	Reconnects     int64   `json:"reconnects"`
	Damages        int64   `json:"damages"`
	Dropped        int64   `json:"dropped_frames"`
	ClockOffset    any     `json:"clock_offset_seconds"`

	Coverage coverageAnswers `json:"coverage"`
	Gaps     []GapAnswer     `json:"gaps"`

	LastError   any `json:"last_error"`
	LastErrorAt any `json:"last_error_at"`
}

type coverageAnswers struct {
	LastHour coverageAnswer `json:"last_hour"`
	LastDay  coverageAnswer `json:"last_day"`
}

type coverageAnswer struct {
	ScheduledSeconds float64 `json:"scheduled_seconds"`
	RecordedSeconds  float64 `json:"recorded_seconds"`
	Share            float64 `json:"share"`
}

// GapAnswer is a gap as JSON.
type GapAnswer struct {
	Start  any    `json:"start"`
	End    any    `json:"end"` // null while it lasts
	Cause  string `json:"cause"`
	Detail any    `json:"detail"`
}

type destinationAnswer struct {
	Name            string  `json:"name"`
	Required        bool    `json:"required"`
	Bucket          string  `json:"bucket"`
	Location        string  `json:"location"`
	Connected       bool    `json:"connected"`
	BacklogSegments int     `json:"backlog_segments"`
	BacklogBytes    int64   `json:"backlog_bytes"`
	BacklogSeconds  float64 `json:"backlog_seconds"`
	InFlight        int     `json:"in_flight"`
	LastSuccess     any     `json:"last_success"`
	LastError       any     `json:"last_error"`
	Remedy          any     `json:"remedy"`
	Confirmed       int64   `json:"confirmed_segments"`
	ConfirmedBytes  int64   `json:"confirmed_bytes"`
	SentBytes       int64   `json:"sent_bytes"`
	Failures        int64   `json:"failures"`
}

type centralAnswer struct {
	URL            string `json:"url"`
	Connected      bool   `json:"connected"`
	PendingUpdates int    `json:"pending_updates"`
	LastSuccess    any    `json:"last_success"`
	LastError      any    `json:"last_error"`
	Remedy         any    `json:"remedy"`
}

type cameraSyncAnswer struct {
	LastSuccess any      `json:"last_success"`
	LastError   any      `json:"last_error"`
	Remedy      any      `json:"remedy"`
	Complaints  []string `json:"complaints"`
}

// orNull is a text, or null when it is empty.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// secondsOrNull is a length of time in seconds, or null when it is not known.
func secondsOrNull(d *time.Duration) any {
	if d == nil {
		return nil
	}
	return round(d.Seconds(), 3)
}

func answerStatus(s Snapshot) statusAnswer {
	a := statusAnswer{
		Status: "running", Schedules: len(s.Schedules), Cameras: len(s.Cameras), RecordingInfo: []recordingInfo{}, CameraStatus: []cameraAnswer{}, Destinations: []destinationAnswer{},
		Agent: agentAnswer{Version: s.Version, ClientName: s.ClientName, Started: moment(s.Started), FreeBytes: s.Disk.FreeBytes}, Disk: answerDisk(s.Disk),
		TakingIn: takingInAnswer(s.TakingIn), Clock: clockAnswer{s.Clock.State, s.HeldBack, orNull(s.Clock.Message), orNull(s.Clock.Remedy)},
	}
	if l := s.Ledger; l != nil {
		a.Ledger = &ledgerAnswer{l.Cause, orNull(l.Remedy), moment(l.Known)}
	}
	for _, c := range s.Cameras {
		if c.State == "recording" {
			a.ActiveRecordings++
			a.RecordingInfo = append(a.RecordingInfo, recordingInfo{c.ID, c.Name, c.RecordingID, c.SegmentFrames, moment(c.SegmentStart)})
		}
		a.CameraStatus = append(a.CameraStatus, answerCamera(c))
	}
	for i, d := range s.Destinations {
		if i == 0 { // the predecessor knew one bucket: the primary
			a.BucketStatus = bucketStatus{Connected: d.Connected, BucketName: d.Bucket}
		}
		a.Destinations = append(a.Destinations, destinationAnswer{
			d.Name, d.Required, d.Bucket, d.Location, d.Connected, d.BacklogSegs, d.BacklogBytes, round(d.BacklogSeconds, 1), d.InFlight,
			moment(d.LastSuccess), orNull(d.LastError), orNull(d.Remedy),
			d.Totals.Segments, d.Totals.Bytes, d.Totals.Sent, d.Totals.Failures,
		})
	}
	a.SyncStatus = syncStatus{ActiveSchedules: len(s.Schedules), SyncIntervalSeconds: 30}
	if c := s.Central; c != nil {
		a.SyncStatus.Running, a.SyncStatus.LastSync, a.SyncStatus.PendingUpdates = true, moment(c.LastSuccess), c.Pending
		a.Central = &centralAnswer{c.URL, c.Connected, c.Pending, moment(c.LastSuccess), orNull(c.LastError), orNull(c.Remedy)}
	}
	if c := s.Sync; c != nil {
		a.SyncStatus.LastSync, a.SyncStatus.SyncIntervalSeconds = moment(c.LastSuccess), int(c.Interval.Seconds())
		a.CameraSync = &cameraSyncAnswer{moment(c.LastSuccess), orNull(c.LastError), orNull(c.Remedy), append([]string{}, c.Complaints...)}
	}
	return a
}

func answerCamera(c Camera) cameraAnswer {
	return cameraAnswer{
		ID: c.ID, Name: c.Name, State: c.State, Codec: c.Codec, AudioCodec: c.AudioCodec, Width: c.Width, Height: c.Height,
		BitsPerSecond: int64(c.Bitrate), FrameRate: round(c.FrameRate, 2), LastFrame: moment(c.LastFrame),
		Damages: c.Damages, Dropped: c.Dropped, ClockOffset: secondsOrNull(c.ClockOffset), Gaps: GapsAnswer(c.Gaps),
		Coverage: coverageAnswers{answerCoverage(c.LastHour), answerCoverage(c.LastDay)},
		Segment:  orNull(c.Segment), SegmentStarted: moment(c.SegmentStart), Frames: c.Frames, Bytes: c.Bytes, Unsafe: secondsOrNull(c.Unsafe), Reconnects: c.Reconnects,
		LastError: orNull(c.LastError), LastErrorAt: moment(c.LastErrorAt),
	}
}

func answerCoverage(c Coverage) coverageAnswer {
	// Rounded down: what is not whole must not look it.
	return coverageAnswer{round(c.Scheduled.Seconds(), 1), round(c.Recorded.Seconds(), 1), math.Floor(c.Share*1e4) / 1e4}
}

// GapsAnswer is how gaps are told, here and in heartbeats.
func GapsAnswer(gaps []Gap) []GapAnswer {
	out := []GapAnswer{}
	for _, g := range gaps {
		out = append(out, GapAnswer{moment(g.Start), moment(g.End), g.Cause, orNull(g.Detail)})
	}
	return out
}

func round(v float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(v*scale) / scale
}

type schedulesAnswer struct {
	Count     int              `json:"count"`
	Schedules []scheduleAnswer `json:"schedules"`
}

type scheduleAnswer struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Camera    string `json:"camera"`
	StartTime string `json:"start_time"`
	EndTime   string `json:"end_time"`
}

func answerSchedules(s Snapshot) schedulesAnswer {
	a := schedulesAnswer{Count: len(s.Schedules), Schedules: []scheduleAnswer{}}
	for _, one := range s.Schedules {
		a.Schedules = append(a.Schedules, scheduleAnswer{one.ID, one.Name, one.Type, one.Camera, clock(one.Start), clock(one.End)})
	}
	return a
}

// clock is a time of day like 08:00:00; the end of a day is 24:00:00.
func clock(d time.Duration) string {
	s := int(d / time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

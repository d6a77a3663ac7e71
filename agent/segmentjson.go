package main

import (
	"encoding/json"
	"io"
	"time"

	"recording-agent/capture/spool"
)

// segmentJSON is a segment for programs. Its names are kept; what is not known is
// null.
type segmentJSON struct {
	ID         string   `json:"id"`
	CameraID   string   `json:"camera_id"`
	CameraName string   `json:"camera_name"`
	ClientName string   `json:"client_name"`
	ScheduleID *string  `json:"schedule_id"`
	State      string   `json:"state"`
	Start      *string  `json:"start"`
	End        *string  `json:"end"`
	Dated      string   `json:"dated"` // yes; later or never: the host's clock was not set
	Seconds    *float64 `json:"duration_seconds"`
	Size       *int64   `json:"size"`
	Checksum   *string  `json:"checksum_crc64nvme"`
	VideoCodec *string  `json:"video_codec"`
	AudioCodec *string  `json:"audio_codec"`
	Width      *int     `json:"width"`
	Height     *int     `json:"height"`
	FrameRate  *float64 `json:"frames_per_second"`
	Frames     *int64   `json:"frames"`
	Clock      *float64 `json:"clock_offset_seconds"` // of the camera's from the host's

	File        string `json:"file"`
	FilePresent bool   `json:"file_present"`
	FileSize    *int64 `json:"file_size"`

	Deliveries []deliveryJSON `json:"deliveries"`
	Central    centralJSON    `json:"central"`
}

type deliveryJSON struct {
	Destination string      `json:"destination"`
	Bucket      string      `json:"bucket"`
	Key         string      `json:"key"`
	State       string      `json:"state"`
	VerifiedBy  *string     `json:"verified_by"`
	VerifiedAt  *string     `json:"verified_at"`
	Attempts    int         `json:"attempts"`
	Error       *string     `json:"error"`
	NextTry     *string     `json:"next_try"`
	Upload      *uploadJSON `json:"upload"`
}

// uploadJSON is a multipart upload that is open.
type uploadJSON struct {
	ID        string `json:"id"`
	PartSize  int64  `json:"part_size"`
	PartsSent int    `json:"parts_sent"`
	BytesSent int64  `json:"bytes_sent"`
}

type centralJSON struct {
	State       string  `json:"state"`
	RecordingID *string `json:"recording_id"`
	Attempts    int     `json:"register_attempts"`
	Error       *string `json:"error"`
	RefusedAt   *string `json:"refused_at"`
	NextTry     *string `json:"next_try"`
}

// known is a value, or nil for none.
func known[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}

func knownTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return known(t.UTC().Format("2006-01-02T15:04:05.000000Z"))
}

func jsonOf(s sighting) segmentJSON {
	seg := s.Segment
	out := segmentJSON{
		ID: seg.ID, CameraID: seg.CameraID, CameraName: seg.CameraName, ClientName: seg.ClientName, ScheduleID: known(seg.ScheduleID), State: string(seg.State),
		Start: knownTime(seg.Start), End: knownTime(seg.End), Dated: string(seg.Dated), Seconds: known(seg.Duration.Seconds()), Size: known(seg.Size), Checksum: known(seg.Checksum),
		VideoCodec: known(seg.VideoCodec), AudioCodec: known(seg.AudioCodec), Width: known(seg.Width), Height: known(seg.Height),
		FrameRate: known(seg.FrameRate), Frames: known(seg.Frames),
		File: s.file, FilePresent: s.info != nil, Deliveries: []deliveryJSON{},
		Central: centralJSON{
			State: string(seg.Central.State), RecordingID: known(seg.Central.RecordingID), Attempts: seg.Central.Attempts,
			Error: known(seg.Central.LastError), RefusedAt: knownTime(seg.Central.RefusedAt),
		},
	}
	if seg.ClockOffset != nil {
		seconds := seg.ClockOffset.Seconds()
		out.Clock = &seconds
	}
	switch seg.Central.State {
	case spool.CentralNone, spool.CentralRegistered, spool.CentralRecording:
		out.Central.NextTry = knownTime(seg.Central.NextTry)
	}
	if s.info != nil {
		size := s.info.Size()
		out.FileSize = &size
	}
	for _, d := range s.Deliveries {
		out.Deliveries = append(out.Deliveries, jsonOfDelivery(d))
	}
	return out
}

func jsonOfDelivery(d spool.Delivery) deliveryJSON {
	out := deliveryJSON{
		Destination: d.Destination, Bucket: d.Bucket, Key: d.Key, State: string(d.State), VerifiedBy: known(d.VerifiedBy), VerifiedAt: knownTime(d.VerifiedAt),
		Attempts: d.Attempts, Error: known(d.LastError),
	}
	if d.State == spool.Pending || d.State == spool.Stored {
		out.NextTry = knownTime(d.NextTry)
	}
	if u := d.Upload; u != nil {
		out.Upload = &uploadJSON{ID: u.ID, PartSize: u.PartSize, PartsSent: len(u.Parts), BytesSent: bytesSent(u)}
	}
	return out
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

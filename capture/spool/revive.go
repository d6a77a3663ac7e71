package spool

import (
	"context"
	"time"

	"github.com/google/uuid"

	"recording-agent/capture/mp4"
)

// revive takes up a segment whose file was missing and is there again: a disk that
// was not mounted, a file that somebody had moved.
func (s *Spool) revive(ctx context.Context, seg Segment, name string, r *Recovery) error {
	switch seg.State {
	case Missing:
	case Empty: // a crash came before it was removed
		if footage, err := holdsFootage(name); err != nil || footage {
			return err
		}
		return removeFile(name)
	default:
		return nil
	}
	result, err := s.readFile(name, seg.ID, hurried)
	if err != nil {
		return err
	}
	err = s.ledger.one(ctx, "revived", seg.ID, `UPDATE segments SET state = 'recording',
		central_state = CASE central_state WHEN 'failed' THEN 'recording' ELSE central_state END
		WHERE id = ? AND state = 'missing'`, seg.ID)
	if err != nil {
		return err
	}
	r.Adopted++
	s.opts.Log.Info().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", seg.Path).Msg("the file of a missing segment is there again")
	return s.Finished(ctx, seg.ID, seg.Start, result)
}

// take fills in what a recovered file says of itself. Its camera and id are those
// of its place: the metadata only adds what the name does not say.
func (seg *Segment) take(r mp4.Result) {
	if r.CameraName != "" {
		seg.CameraName = r.CameraName
	}
	if r.ClientName != "" {
		seg.ClientName = r.ClientName
	}
	seg.ScheduleID = r.ScheduleID
	if !r.Start.IsZero() && r.Start.Sub(seg.Start).Abs() < time.Second {
		seg.Start = r.Start
	}
	if _, err := uuid.Parse(seg.ID); err != nil && plainID.MatchString(r.SegmentID) {
		seg.ID = r.SegmentID
	}
	seg.State, seg.End, seg.Duration, seg.Recorded = Finished, seg.Start.Add(pictures(r)), r.Duration, r.Recorded
	seg.Size, seg.Checksum = r.Size, r.Checksum
	seg.VideoCodec, seg.AudioCodec, seg.Width, seg.Height = r.VideoCodec, r.AudioCodec, r.Width, r.Height
	seg.FrameRate, seg.Frames = r.FrameRate, r.Frames
}

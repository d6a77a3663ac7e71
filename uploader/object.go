package uploader

import (
	"os"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

// object is what a segment becomes in a store.
func object(job spool.Job, body *os.File) s3.Object {
	seg := job.Segment
	return s3.Object{
		Key: job.Delivery.Key, Size: seg.Size, Checksum: seg.Checksum, Segment: seg.ID, Metadata: metadata(seg), Body: body,
	}
}

// metadata is fixed when an upload is opened: that of a segment that is still
// being recorded has no end.
func metadata(seg spool.Segment) map[string]string {
	const stamp = "2006-01-02T15:04:05.000000Z"
	m := map[string]string{
		"client":      seg.ClientName,
		"camera-id":   seg.CameraID,
		"camera-name": seg.CameraName,
		"start":       seg.Start.UTC().Format(stamp),
	}
	if !seg.End.IsZero() {
		m["end"] = seg.End.UTC().Format(stamp)
	}
	if seg.Dated == spool.Undated {
		m["undated"] = "true"
	}
	return m
}

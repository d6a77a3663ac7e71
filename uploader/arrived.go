package uploader

import (
	"context"
	"errors"
	"time"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

const (
	arrivedWithin = 10 * time.Second // whoever asks has other things to do
	arrivedAgain  = time.Minute      // a store that has not answered is not asked sooner
)

var errUnderWay = errors.New("the segment is still being sent")

// Arrived asks the store whether it has a segment whose file is gone: an upload may have
// been completed without its answer having come. If it has, that is noted, and what was
// taken for lost is not. An error says that it is not known yet: the store does not
// answer, or the segment is on its way.
func (u *Uploader) Arrived(ctx context.Context, segmentID string) (bool, error) {
	job, err := u.opts.Ledger.LostDelivery(ctx, segmentID, u.opts.Destination)
	if err != nil || job == nil {
		return false, err
	}
	seg := job.Segment
	if seg.Size == 0 || seg.Checksum == "" { // it was never finished, nor then uploaded
		return false, nil
	}
	if u.flying(segmentID) { // whoever sends it has the file open
		return false, errUnderWay
	}
	if err := u.unanswered(); err != nil {
		return false, err
	}
	asking, cancel := context.WithTimeout(ctx, arrivedWithin)
	defer cancel()
	by, err := u.opts.Store.Verify(asking, s3.Object{Key: job.Delivery.Key, Size: seg.Size, Checksum: seg.Checksum, Segment: seg.ID}, job.Delivery.Upload)
	if err != nil {
		if s3.Classify(err).Again { // it has nothing, or something else
			return false, nil
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.askAfter, u.askError = u.opts.Now().Add(arrivedAgain), errors.New(s3.Classify(err).Cause)
		return false, u.askError
	}
	err = u.opts.Ledger.Verified(ctx, seg.ID, u.opts.Destination, by, u.opts.Now())
	if err != nil && !errors.Is(err, spool.ErrTransition) { // that has been noted meanwhile
		return false, err
	}
	u.log.Warn().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("key", job.Delivery.Key).Str("verified_by", by).
		Msg("a segment whose file is gone has arrived all the same: it is not lost")
	return true, nil
}

// unanswered is why the store was not asked the last time, while that is recent.
func (u *Uploader) unanswered() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.opts.Now().Before(u.askAfter) {
		return u.askError
	}
	return nil
}

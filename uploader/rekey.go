package uploader

import (
	"context"
	"strings"

	"recording-agent/capture/spool"
)

// rekey has a segment go to a key of its own, because what lies under its key is
// something else and must not be overwritten.
func (u *Uploader) rekey(ctx context.Context, job spool.Job, reason string) {
	old, segment := job.Delivery.Key, job.Segment.ID
	key := spool.OwnKey(old, segment)
	if strings.Contains(old, segment) {
		u.log.Error().Str("segment", segment).Str("key", old).Msg("another object lies under the key that only this segment can have; it is tried again")
		if err := u.opts.Ledger.DeliveryDeferred(ctx, segment, u.opts.Destination, reason, u.opts.Now().Add(longestDefer)); err != nil {
			u.log.Error().Err(err).Str("segment", segment).Msg("a failed upload could not be noted")
		}
		return
	}
	u.log.Error().Str("segment", segment).Str("camera", job.Segment.CameraID).Str("key", old).Str("new_key", key).
		Msg("another object lies under the key of a segment: it is left alone, the segment goes elsewhere; do two agents have the same client_name?")
	if err := u.opts.Ledger.Rekeyed(ctx, segment, u.opts.Destination, key, reason); err != nil {
		u.log.Error().Err(err).Str("segment", segment).Msg("the new key of a segment could not be noted")
	}
}

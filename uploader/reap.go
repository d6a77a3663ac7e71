package uploader

import (
	"context"
	"time"

	"recording-agent/capture/spool"
)

// reap deletes what is safe and of which the configuration says that it need not
// be here any more.
func (r *Retention) reap(ctx context.Context) error {
	keep := r.opts.Keep
	if !keep.AfterUpload {
		if err := r.reapUploaded(ctx); err != nil {
			return err
		}
	}
	if keep.MaxAge > 0 {
		doubted, err := r.agesDoubted(ctx)
		if err == nil && !doubted {
			err = r.reapOld(ctx, r.opts.Now().Add(-keep.MaxAge))
		}
		if err != nil {
			return err
		}
	}
	if keep.MaxBytes > 0 {
		return r.reapSurplus(ctx)
	}
	return nil
}

// reapUploaded deletes what has been safe elsewhere for as long as it was to stay.
func (r *Retention) reapUploaded(ctx context.Context) error {
	for more := true; more && r.fails < maxFails && ctx.Err() == nil; {
		limit := reapBatch + len(r.stuck)
		segs, err := r.opts.Files.Safe(ctx, r.opts.CentralConfigured, r.opts.Now(), r.opts.Keep.For, limit)
		if err != nil {
			return err
		}
		for _, seg := range segs {
			r.delete(ctx, seg, "the segment is safe elsewhere")
		}
		more = len(segs) == limit
	}
	return nil
}

// reapOld deletes what is safe and ended before a moment.
func (r *Retention) reapOld(ctx context.Context, before time.Time) error {
	return r.reapSafe(ctx, before, func(int64) (why string) { return "it is older than retention.max_age" })
}

// reapSurplus deletes what is safe, oldest first, until all files together are not
// larger than they may be.
func (r *Retention) reapSurplus(ctx context.Context) error {
	bytes, err := r.opts.Files.LocalBytes(ctx)
	if err != nil {
		return err
	}
	return r.reapSafe(ctx, time.Time{}, func(deleted int64) (why string) {
		if bytes-deleted <= r.opts.Keep.MaxBytes {
			return ""
		}
		return "all files together are larger than retention.max_size"
	})
}

// reapSafe goes through what is safe, oldest first, and deletes it for as long as
// there is a reason, when so many bytes are deleted.
func (r *Retention) reapSafe(ctx context.Context, endedBefore time.Time, why func(deleted int64) string) error {
	deleted := int64(0)
	for more := true; more && r.fails < maxFails && ctx.Err() == nil; {
		limit := reapBatch + len(r.stuck)
		locals, err := r.opts.Files.Locals(ctx, r.opts.CentralConfigured, endedBefore, limit)
		if err != nil {
			return err
		}
		for _, l := range locals {
			reason := ""
			if l.Worth == spool.Safe {
				reason = why(deleted)
			}
			if reason == "" {
				return nil
			}
			if r.delete(ctx, l.Segment, reason) {
				deleted += l.Size
			}
		}
		more = len(locals) == limit
	}
	return nil
}

// delete deletes a file that is safe.
func (r *Retention) delete(ctx context.Context, seg spool.Segment, why string) bool {
	gone := r.remove(ctx, seg, func(ctx context.Context) error { return r.opts.Files.Delete(ctx, seg.ID) })
	if gone {
		log := r.logOf(seg)
		log.Info().Msg("local file deleted: " + why)
	}
	return gone
}

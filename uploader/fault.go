package uploader

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

// succeeded notes a success, after so many failed attempts at the same.
func (u *Uploader) succeeded(ctx context.Context, attempts int) {
	u.outage.Recovered()
	u.mu.Lock()
	now := u.opts.Now()
	if since := u.status.Since; !since.IsZero() && now.Sub(since) >= forgiveAfter {
		u.forgive = true
	}
	// What has failed and now succeeds shows that the failures were the outage's. Bad
	// segments, which only looked like one, are not forgiven.
	forgive := u.forgive && attempts > 0
	if forgive {
		u.forgive = false
	}
	u.pause.Reset()
	u.until = time.Time{}
	u.status.Connected, u.status.LastSuccess = true, now
	u.status.LastError, u.status.Remedy, u.status.Since = "", "", time.Time{}
	u.mu.Unlock()
	if !forgive {
		return
	}
	// Whoever probed in vain is not to wait behind the others: the oldest goes first.
	if err := u.opts.Ledger.DeliveriesForgiven(ctx, u.opts.Destination); err != nil {
		u.log.Error().Err(err).Msg("the waiting times of an outage that is over could not be cleared")
	}
}

// failed decides who has to wait: the segment, or the whole destination. In
// either case the segment gives way to others, so that one that only looks like
// an outage of its destination does not hold them up.
func (u *Uploader) failed(ctx context.Context, job spool.Job, err error) {
	fault, wait := u.fault(err, job.Delivery.Attempts)
	var taken *s3.TakenError
	if errors.As(err, &taken) {
		u.rekey(ctx, job, fault.Cause)
		return
	}
	if fault.Damaged {
		u.rehash(ctx, job.Segment)
	}
	note := u.opts.Ledger.DeliveryDeferred
	if fault.Again {
		note = u.opts.Ledger.DeliveryRejected
	}
	if err := note(ctx, job.Segment.ID, u.opts.Destination, fault.Cause, u.opts.Now().Add(wait)); err != nil && ctx.Err() == nil {
		u.fault(&ledgerError{err}, 0) // without a note it would be tried again at once
	}
}

// fault tells of a failure, and says for how long the segment that met it has to
// wait after so many attempts.
func (u *Uploader) fault(err error, attempts int) (s3.Fault, time.Duration) {
	fault := s3.Classify(err)
	var ledger *ledgerError
	if errors.As(err, &ledger) {
		fault = s3.Fault{Cause: "the ledger cannot be written: " + ledger.Error(), Remedy: "make room on the disk of agent.data_dir, or mend it", Scope: s3.ScopeDestination}
	}
	if errors.Is(err, spool.ErrAway) || errors.Is(err, spool.ErrReplaced) {
		fault = s3.Fault{Cause: err.Error(), Remedy: "mount the disk of agent.data_dir", Scope: s3.ScopeDestination}
	}
	if u.opts.Section != "" {
		fault.Remedy = strings.ReplaceAll(fault.Remedy, "s3.", u.opts.Section+".")
	}
	now := u.opts.Now()
	u.outage.Failed(fault.Cause, fault.Remedy)
	wait := deferral(attempts)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.LastError, u.status.Remedy = fault.Cause, fault.Remedy
	u.status.Totals.Failures++
	if u.status.Since.IsZero() {
		u.status.Since = now
	}
	if fault.Scope == s3.ScopeDestination {
		u.status.Connected = false
		u.until = now.Add(u.pause.NextBackOff())
		wait = min(wait, longestPause) // once the destination is back, none is to wait for long
	}
	return fault, wait
}

// deferral grows from 5 s to 10 min with the attempts, jittered by a third.
func deferral(attempts int) time.Duration {
	d := longestDefer
	if attempts < 7 {
		d = firstDefer << attempts
	}
	return d - rand.N(d/3)
}

// fileMissing notes that the file of a segment is gone. While that cannot be noted, the
// destination waits: the same segment would be found again at once.
func (u *Uploader) fileMissing(ctx context.Context, job spool.Job, err error) {
	noted := u.opts.Ledger.FileMissing(ctx, job.Segment.ID)
	switch {
	case noted == nil:
		u.log.Error().Err(err).Str("segment", job.Segment.ID).Str("camera", job.Segment.CameraID).
			Msg("the file of a segment is gone before it was uploaded: somebody removed it, or the disk lost it")
	case errors.Is(noted, spool.ErrGivenUp), errors.Is(noted, spool.ErrTransition): // whoever has noted it has said it
	case ctx.Err() == nil:
		u.fault(&ledgerError{noted}, 0)
	}
}

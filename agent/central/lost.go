package central

import (
	"context"
	"errors"
	"slices"
	"time"

	"recording-agent/capture/spool"
)

const (
	// How long after its end, and after how many attempts, a segment is told as failed
	// though the store could not be asked for it.
	askStore    = 24 * time.Hour
	askStoreFor = 24
)

// unknownError says that it is not known yet whether a segment is lost.
type unknownError struct{ err error }

func (e *unknownError) Error() string {
	return "the local file is gone; whether the store has the segment is not known yet: " + e.err.Error()
}
func (e *unknownError) Unwrap() error { return e.err }

// missing reports a segment whose file is gone: it is lost, unless a store has it.
// Central plays from the primary one alone.
func (r *Reconciler) missing(ctx context.Context, seg spool.Segment) error {
	asked, err := r.askStore(ctx, seg)
	if err != nil {
		return err
	}
	deliveries, err := r.ledger.Deliveries(ctx, seg.ID)
	if err != nil {
		return err
	}
	if len(deliveries) > 0 && verified(deliveries[0]) {
		return r.report(ctx, seg, completed(seg, deliveries), spool.CentralCompleted)
	}
	message := "the local file was lost before it was uploaded"
	if seg.GivenUp != "" {
		message = "the local file was deleted before it was uploaded: " + seg.GivenUp
	}
	if !asked {
		message += "; the store could not be asked whether it has arrived all the same"
	}
	i := slices.IndexFunc(deliveries, verified)
	if i >= 0 {
		message += "; mirror " + deliveries[i].Destination + " has it: " + deliveries[i].Bucket + "/" + deliveries[i].Key
	}
	err = r.report(ctx, seg, Update{Status: "failed", ErrorMessage: message}, spool.CentralFailed)
	if errors.Is(err, spool.ErrTransition) {
		return nil // it has arrived while that was told: the next call takes it back
	}
	if err != nil {
		return err
	}
	if i < 0 {
		r.log.Error().Str("segment", seg.ID).Str("camera", seg.CameraID).Time("start", seg.Start).Msg("FOOTAGE LOST: " + message)
	}
	return nil
}

// askStore has the store asked for a segment that no destination has confirmed. It gives
// up, and says so, where the store has not answered for very long.
func (r *Reconciler) askStore(ctx context.Context, seg spool.Segment) (asked bool, err error) {
	if r.Arrived == nil {
		return true, nil
	}
	if _, err := r.Arrived(ctx, seg.ID); err == nil {
		return true, nil
	} else if r.tries[seg.ID] < askStoreFor || r.now().Sub(seg.End) < askStore {
		return false, &unknownError{err}
	}
	return false, nil
}

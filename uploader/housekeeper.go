package uploader

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

// Leftovers is what housekeeping needs of a destination.
type Leftovers interface {
	Leftovers(ctx context.Context, prefix string, wanted func(key string) bool) ([]s3.Leftover, error)
	CompleteLeftover(ctx context.Context, l s3.Leftover) error
	AbortEmpty(ctx context.Context, l s3.Leftover) error
}

// Known is what housekeeping needs of the spool.
type Known interface {
	Claim(ctx context.Context, destination, key, uploadID string, opened time.Time) (spool.Claim, error)
}

// Housekeeper settles multipart uploads under this agent's keys that nobody here
// works on: those of a predecessor whose host was lost or of a file that was, and
// what a crash between opening an upload and noting it leaves. What can be played is made an
// object, since it may be the only copy; only what holds nothing is aborted.
type Housekeeper struct {
	Store       Leftovers
	Ledger      Known
	Destination string
	Prefix      string // that all keys of this agent have
	// Owner tells the keys that this agent could have made, and no other client, by
	// the cameras that it has or has had.
	Owner func(ctx context.Context) (owns func(key string) bool, err error)
	Log   zerolog.Logger
	Now   func() time.Time
	First time.Duration // after the start, which has more urgent things to do; then once a day
}

const (
	housekeepingEvery = 24 * time.Hour
	housekeepingAgain = time.Hour      // after a failure
	leftAfter         = 24 * time.Hour // an upload that idle has been left
)

// Run looks once a day until ctx ends.
func (h *Housekeeper) Run(ctx context.Context) error {
	log := h.Log.With().Str("destination", h.Destination).Logger()
	next := time.NewTimer(h.First)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		again := housekeepingEvery
		if err := h.look(ctx, log); err != nil && ctx.Err() == nil {
			again = housekeepingAgain
			fault := s3.Classify(err)
			if errors.Is(err, s3.ErrNoListing) {
				log.Info().Msg("the store cannot list incomplete uploads: what a lost host has left is not looked for")
				return nil
			}
			log.Warn().Str("cause", fault.Cause).Msg("incomplete uploads could not be looked through; it is tried again in an hour")
		}
		next.Reset(again)
	}
}

func (h *Housekeeper) look(ctx context.Context, log zerolog.Logger) error {
	owns, err := h.Owner(ctx)
	if err != nil {
		return err
	}
	leftovers, err := h.Store.Leftovers(ctx, h.Prefix, owns)
	if err != nil {
		return err
	}
	for _, l := range leftovers {
		if l.Idle(h.Now()) < leftAfter {
			continue
		}
		claim, err := h.Ledger.Claim(ctx, h.Destination, l.Key, l.ID, l.Opened)
		if err != nil {
			return err
		}
		if claim != spool.UploadClaimed {
			h.settle(ctx, log.With().Str("key", l.Key).Int("parts", l.Parts).Int64("bytes", l.Size).Logger(), l, claim)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (h *Housekeeper) settle(ctx context.Context, log zerolog.Logger, l s3.Leftover, claim spool.Claim) {
	var taken *s3.TakenError
	switch {
	case l.Trouble != nil:
		log.Warn().Str("cause", s3.Classify(l.Trouble).Cause).Msg("the parts of an upload that nobody knows could not be listed; it is tried again tomorrow")
	case l.Parts == 0:
		if err := h.Store.AbortEmpty(ctx, l); err != nil && ctx.Err() == nil {
			log.Warn().Str("cause", s3.Classify(err).Cause).Msg("an empty upload could not be aborted; it is tried again tomorrow")
		} else if err == nil {
			log.Info().Msg("an empty upload that nobody knows was aborted")
		}
	case claim == spool.KeyClaimed:
		log.Info().Msg("a second upload for a segment of ours is left to the bucket's lifecycle rule: the whole segment is uploaded from here")
	case claim == spool.Forgotten:
		log.Info().Time("opened", l.Opened).Msg("an upload that is older than what the ledger remembers is left to the bucket's lifecycle rule: its segment was uploaded otherwise; if it was another host's, salvage completes it")
	case !l.Playable():
		log.Warn().Int("missing_part", l.Missing).Msg("an upload that nobody knows cannot be put together; it is left to the bucket's lifecycle rule")
	default:
		switch err := h.Store.CompleteLeftover(ctx, l); {
		case errors.As(err, &taken):
			log.Warn().Int64("object_bytes", taken.Size).Msg("an upload that nobody knows is left to the bucket's lifecycle rule: there is an object under its key")
		case err != nil && ctx.Err() == nil:
			fault := s3.Classify(err)
			log.Warn().Str("cause", fault.Cause).Str("remedy", fault.Remedy).Msg("an upload that nobody knows could not be completed; it is tried again tomorrow")
		case err == nil:
			log.Warn().Msg("an upload that nobody knows was completed: it may be the only copy of what a lost host has recorded")
		}
	}
}

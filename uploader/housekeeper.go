package uploader

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/uploader/s3"
)

// Leftovers is what housekeeping needs of a destination.
type Leftovers interface {
	Leftovers(ctx context.Context, prefix string) ([]s3.Leftover, error)
	CompleteLeftover(ctx context.Context, l s3.Leftover) error
	AbortEmpty(ctx context.Context, l s3.Leftover) error
}

// Known is what housekeeping needs of the spool.
type Known interface {
	KnowsUpload(ctx context.Context, destination, uploadID string) (bool, error)
}

// Housekeeper settles multipart uploads under this agent's keys that no row of the
// ledger knows: those of a predecessor whose host was lost, and what a crash
// between opening an upload and noting it leaves. What can be played is made an
// object, since it may be the only copy; only what holds nothing is aborted.
type Housekeeper struct {
	Store       Leftovers
	Ledger      Known
	Destination string
	Prefix      string                // that all keys of this agent have
	Owns        func(key string) bool // a key that this agent could have made, and no other client
	Log         zerolog.Logger
	Now         func() time.Time
}

const (
	firstHousekeeping = 10 * time.Minute // after the start, which has more urgent things to do
	housekeepingEvery = 24 * time.Hour
	leftAfter         = 24 * time.Hour // an upload that idle has been left
)

// Run looks once a day until ctx ends.
func (h *Housekeeper) Run(ctx context.Context) error {
	log := h.Log.With().Str("destination", h.Destination).Logger()
	next := time.NewTimer(firstHousekeeping)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		if err := h.look(ctx, log); err != nil && ctx.Err() == nil {
			fault := s3.Classify(err)
			if errors.Is(err, s3.ErrNoListing) {
				log.Info().Msg("the store cannot list incomplete uploads: what a lost host has left is not looked for")
				return nil
			}
			log.Warn().Str("cause", fault.Cause).Msg("incomplete uploads could not be looked through; it is tried again tomorrow")
		}
		next.Reset(housekeepingEvery)
	}
}

func (h *Housekeeper) look(ctx context.Context, log zerolog.Logger) error {
	leftovers, err := h.Store.Leftovers(ctx, h.Prefix)
	if err != nil {
		return err
	}
	for _, l := range leftovers {
		if !h.Owns(l.Key) || l.Idle(h.Now()) < leftAfter {
			continue
		}
		known, err := h.Ledger.KnowsUpload(ctx, h.Destination, l.ID)
		if err != nil {
			return err
		}
		if !known {
			h.settle(ctx, log.With().Str("key", l.Key).Int("parts", l.Parts).Int64("bytes", l.Size).Logger(), l)
		}
	}
	return ctx.Err()
}

func (h *Housekeeper) settle(ctx context.Context, log zerolog.Logger, l s3.Leftover) {
	var taken *s3.TakenError
	switch {
	case l.Parts == 0:
		if err := h.Store.AbortEmpty(ctx, l); err != nil {
			log.Warn().Err(err).Msg("an empty upload could not be aborted; it is tried again tomorrow")
			return
		}
		log.Info().Msg("an empty upload that nobody knows was aborted")
	case !l.Playable():
		log.Warn().Int("missing_part", l.Missing).Msg("an upload that nobody knows cannot be put together; it is left to the bucket's lifecycle rule")
	default:
		err := h.Store.CompleteLeftover(ctx, l)
		switch {
		case errors.As(err, &taken):
			log.Info().Msg("an upload that nobody knows is left to the bucket's lifecycle rule: there is an object under its key")
		case err != nil:
			log.Warn().Str("cause", s3.Classify(err).Cause).Msg("an upload that nobody knows could not be completed; it is tried again tomorrow")
		default:
			log.Warn().Msg("an upload that nobody knows was completed: it may be the only copy of what a lost host has recorded")
		}
	}
}

package uploader

import (
	"context"
	"fmt"
	"time"

	"recording-agent/capture/spool"
)

const (
	// ahead is how long before it is needed room is made.
	ahead = 30 * time.Second
	// brinkAhead is how long before recording would have to stop footage is given up
	// that is not safe.
	brinkAhead = time.Minute
	brinkBytes = 32 << 20 // at least
)

// makeRoom deletes files before the disk is full: those that are safe as soon as
// less is free than there should be, others only when recording would soon have to
// stop. Oldest first.
func (r *Retention) makeRoom(ctx context.Context) error {
	free, total, err := r.opts.Disk()
	if err != nil {
		return fmt.Errorf("ask how much of the disk is free: %w", err)
	}
	rate, lasting := r.fill.measure(r.opts.Now(), free)
	brink := spool.KeptFree + max(brinkBytes, uint64(min(lasting*brinkAhead.Seconds(), float64(total)/10)))
	edge := spool.KeptFree + max(urgentEdge, uint64(min(lasting*2*retainEvery.Seconds(), float64(total)/10)))
	wanted := max(r.opts.Keep.MinFree(total), brink) + uint64(min(rate*ahead.Seconds(), float64(total)/10))
	r.owed.seen(free)
	trouble := ""
	if n := (need{free: free, wanted: wanted, brink: brink, edge: edge, gain: sizeOf, left: "%d MB are free", unit: 1e6}); free < wanted {
		trouble, err = r.evictSeen(ctx, n, free)
	}
	if trouble == "" && err == nil {
		trouble, err = r.makeOtherRoom(ctx)
	}
	if trouble == "" {
		r.brink.Recovered()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = DiskStatus{Free: free, Total: total, FillRate: rate, Trouble: trouble}
	return err
}

// need is something that the disk is short of.
type need struct {
	free, wanted, brink uint64
	edge                uint64                     // below it recording stops before the next look
	gain                func(l spool.Local) uint64 // with a file
	left                string                     // how much is free, as a format
	unit                uint64                     // that it is told in
}

func sizeOf(l spool.Local) uint64 { return uint64(l.Size) }

func (n need) String() string { return fmt.Sprintf(n.left, n.free/n.unit) }

// evict deletes until as much is free as is wanted, or at least the brink is not
// near. trouble says why there is less.
func (r *Retention) evict(ctx context.Context, n need) (trouble string, err error) {
	spare := true // what is being sent
	for r.fails < maxFails && ctx.Err() == nil {
		limit := reapBatch + len(r.stuck)
		locals, err := r.opts.Files.Locals(ctx, r.opts.CentralConfigured, time.Time{}, limit)
		if err != nil {
			return "", err
		}
		some := false
		for _, l := range locals {
			if n.free >= n.wanted || l.Worth != spool.Safe && n.free >= n.brink {
				return "", nil
			}
			if l.Worth > spool.Unreported && r.opts.Keep.StopRecording {
				return r.nearlyFull(n, "nothing on it may be deleted before it is uploaded", `recording stops when it is full (retention.on_full = "stop_recording"); make room, or look why uploads are behind`), nil
			}
			if spare && l.Worth > spool.Unreported && r.opts.Sending(l.ID) {
				continue
			}
			here := r.opts.Files.Here(l.Segment) // else somebody has taken it away, and it makes no room
			if !r.evictOne(ctx, l, n) {
				continue
			}
			if some = true; here {
				n.free += n.gain(l)
				r.given += r.onlyHere(l)
			}
		}
		if !some && !spare {
			break
		}
		spare = spare && some
	}
	if n.free >= n.brink || ctx.Err() != nil {
		return "", nil
	}
	if r.opts.TakingIn() {
		r.soon = true
		return n.String() + ", and what the last run has left is still being taken in", nil
	}
	return r.nearlyFull(n, "there is nothing more to delete", "something else fills it: look for large files, or very many, or give the agent a larger disk"), nil
}

// evictSeen is evict of what is seen to make room, by the bytes of the disk that are free.
// Where it does not, no more that has no other copy goes for a while.
func (r *Retention) evictSeen(ctx context.Context, n need, free uint64) (trouble string, err error) {
	now, brink := r.opts.Now(), n.brink
	held := r.owed.holds(now)
	switch {
	case held && n.free < n.edge && r.owed.urgent(now): // so much that recording goes on
		n.wanted, n.brink, held = n.edge, n.edge, false
	case held && !r.opts.Anywhere: // what is safe has no other copy either
		n.wanted, n.brink = 0, 0
	case held:
		n.brink = 0
	}
	r.given = 0
	trouble, err = r.evict(ctx, n)
	if held && err == nil && trouble == "" && n.free < brink {
		return r.nearlyFull(n, "what was deleted last has not made room yet", "a snapshot, a second name or a program that reads them keeps the bytes of deleted files; recording goes on while there is room"), nil
	}
	if r.given > 0 {
		if left, _, derr := r.opts.Disk(); derr == nil {
			r.owed.note(now, free, left, r.given)
		}
	}
	return trouble, err
}

func (r *Retention) nearlyFull(n need, why, remedy string) string {
	r.brink.Failed(why, remedy)
	return n.String() + ", and " + why
}

// onlyHere is how many bytes of a file have no other copy.
func (r *Retention) onlyHere(l spool.Local) uint64 {
	if l.Worth == spool.Safe && r.opts.Anywhere {
		return 0
	}
	return uint64(l.Size)
}

// evictOne deletes one file to make room. What is lost with it is said loudly.
func (r *Retention) evictOne(ctx context.Context, l spool.Local, n need) bool {
	if l.Worth == spool.Safe {
		return r.delete(ctx, l.Segment, "room is needed, and it is safe")
	}
	reason := fmt.Sprintf("the disk was nearly full (%s) and it was the oldest that was left", n)
	var lost spool.Worth // it may have arrived since it was listed
	gone := r.remove(ctx, l.Segment, func(ctx context.Context) (err error) {
		lost, err = r.opts.Files.GiveUp(ctx, l, reason)
		return err
	})
	if !gone {
		return false
	}
	log := r.logOf(l.Segment)
	switch {
	case r.opts.Anywhere && (lost == spool.Safe || lost == spool.Unreported && !r.opts.CentralConfigured):
		log.Info().Msg("local file deleted: room was needed, and it has become safe meanwhile")
	case lost == spool.Unreported:
		log.Warn().Msg("local file deleted to make room: central has yet to be told of the segment")
	case lost == spool.Copied:
		log.Error().Msg("local file deleted to make room before every required destination had it; a mirror has it")
	case r.opts.Anywhere:
		log.Error().Str("remedy", "a larger disk or a faster uplink; look why uploads are behind").
			Msg("FOOTAGE GIVEN UP: the disk was nearly full, and the oldest segment was deleted before a destination had confirmed it")
	default:
		log.Info().Msg("local file deleted: room is needed")
	}
	return true
}

// fill measures how fast the disk fills, by whichever program.
type fill struct {
	at    time.Time
	free  uint64
	rates [12]float64 // of the last minute, from looks retainEvery apart
	next  int
}

// left notes what is free once files were deleted. That a file system may free their
// bytes only later makes the disk no fuller.
func (f *fill) left(free uint64) {
	if !f.at.IsZero() {
		f.free = free
	}
}

// measure returns the fastest of the last minute, in bytes per second, and at what rate
// the disk fills lastingly: as fast as over the last minute, and no faster than at
// present. One large copy is no reason to give up footage that nothing else has.
func (f *fill) measure(now time.Time, free uint64) (fastest, lasting float64) {
	passed := now.Sub(f.at)
	switch {
	case f.at.IsZero() || passed <= 0:
		f.at, f.free = now, free
	case passed >= retainEvery*9/10: // looks may follow each other faster
		f.next = (f.next + 1) % len(f.rates)
		f.rates[f.next] = max(0, (float64(f.free)-float64(free))/passed.Seconds())
		f.at, f.free = now, free
	}
	for _, r := range f.rates {
		fastest = max(fastest, r)
		lasting += r / float64(len(f.rates))
	}
	return fastest, min(lasting, f.rates[f.next])
}

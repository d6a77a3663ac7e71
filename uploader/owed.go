package uploader

import "time"

// How long nothing else is given up where deleting does not make room, longer each time.
// Of the file systems that free late btrfs takes longest: half a minute. Where recording
// would stop meanwhile, a little more goes sooner: perhaps it was an upload that still
// had the file open, or what was recorded since took the room that was made.
const (
	owedFirst  = 35 * time.Second
	owedLast   = 5 * time.Minute
	urgentEdge = 16 << 20 // bytes, at least, above where recording stops
)

// owed is room that what was given up should have made. Some file systems make it only
// later; a snapshot, a hard link or a reader keeps it. To give up more and more would
// cost all that is not uploaded, for nothing.
type owed struct {
	bytes uint64 // 0: none
	free  uint64 // when they were deleted
	until time.Time
	wait  time.Duration

	urgentAt   time.Time // from then on a little more may go
	urgentWait time.Duration
}

// seen notes how much is free: what was owed may have been made.
func (o *owed) seen(free uint64) {
	if o.bytes > 0 && free >= o.free+o.bytes/4 { // others write meanwhile
		*o = owed{}
	}
}

// holds says whether it has to be waited for.
func (o *owed) holds(now time.Time) bool { return o.bytes > 0 && now.Before(o.until) }

// note takes how much was free before and after so many bytes were deleted.
func (o *owed) note(now time.Time, before, after, bytes uint64) {
	if after >= before+bytes/4 {
		*o = owed{}
		return
	}
	next := owed{bytes: bytes, free: after, until: o.until, wait: o.wait}
	if !now.Before(o.until) { // else it was urgent, and what is waited for stays that
		wait := max(o.wait, owedFirst)
		next.until, next.wait = now.Add(wait), min(2*wait, owedLast)
	}
	urgent := max(o.urgentWait, retainEvery)
	next.urgentAt, next.urgentWait = now.Add(urgent), min(2*urgent, owedLast)
	*o = next
}

// urgent says whether a little more may go although it is waited for room.
func (o *owed) urgent(now time.Time) bool { return !now.Before(o.urgentAt) }

// sawRoom notes how much is free behind a look at which files were deleted: from there
// the disk fills.
func (r *Retention) sawRoom() {
	if !r.fewer {
		return
	}
	if free, _, err := r.opts.Disk(); err == nil {
		r.fill.left(free)
		r.fewer = false
	}
}

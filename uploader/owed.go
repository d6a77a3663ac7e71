package uploader

import "time"

// How long nothing else is given up where deleting does not make room, longer each time.
// Of the file systems that free late btrfs takes longest: half a minute.
const (
	owedFirst = 35 * time.Second
	owedLast  = 5 * time.Minute
)

// owed is room that what was given up should have made. Some file systems make it only
// later; a snapshot, a hard link or a reader keeps it. To give up more and more would
// cost all that is not uploaded, for nothing.
type owed struct {
	bytes uint64 // 0: none
	free  uint64 // when they were deleted
	until time.Time
	wait  time.Duration
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
	wait := max(o.wait, owedFirst)
	*o = owed{bytes: bytes, free: after, until: now.Add(wait), wait: min(2*wait, owedLast)}
}

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

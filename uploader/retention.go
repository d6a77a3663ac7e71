package uploader

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// Files is what retention needs of the spool.
type Files interface {
	Safe(ctx context.Context, centralConfigured bool, now time.Time, keepFor time.Duration, limit int) ([]spool.Segment, error)
	Locals(ctx context.Context, centralConfigured bool, endedBefore time.Time, limit int) ([]spool.Local, error)
	LocalBytes(ctx context.Context) (int64, error)
	AgesDoubtedUntil(ctx context.Context, now time.Time, least, most time.Duration) (time.Time, error)
	Delete(ctx context.Context, segmentID string) error
	GiveUp(ctx context.Context, l spool.Local, reason string) (lost spool.Worth, err error)
	Here(seg spool.Segment) bool
}

// Keep is how long local files are kept. All but the last two concern files that
// are safe elsewhere, or go nowhere else.
type Keep struct {
	AfterUpload   bool                      // until something else has them go
	For           time.Duration             // after verification
	MaxAge        time.Duration             // after the segment's end; 0: no limit
	MaxBytes      int64                     // of all files; 0: no limit
	MinFree       func(total uint64) uint64 // bytes of the disk
	StopRecording bool                      // at the brink, instead of losing footage that was not uploaded
}

// RetentionOptions configure a Retention.
type RetentionOptions struct {
	Files             Files
	CentralConfigured bool // safe then includes central's word
	Anywhere          bool // there are destinations
	Keep              Keep
	Disk              func() (free, total uint64, err error) // where the files are
	Inodes            func() (free, total uint64, err error) // files that there is room for; nil: no limit is known
	Refused           func() spool.Refusal                   // of room for footage since it was last asked; nil: that is not known
	TakingIn          func() bool                            // there are files that are not listed yet; nil: there never are
	Sending           func(segmentID string) bool            // it is on its way, and perhaps safe in a moment; nil: none is
	Log               zerolog.Logger
	Now               func() time.Time
}

// Retention deletes local files: those that are safe when their time has come or
// room is needed, and others only at the brink of a full disk.
type Retention struct {
	opts  RetentionOptions
	fill  fill
	owed  owed
	given uint64 // bytes of what went at this look and has no other copy
	brink *outage.Outage
	held  *outage.Outage
	blind *outage.Outage
	stuck map[string]waiting // files that could not be deleted
	fails int                // of this look, of files that had not failed before
	again int                // the same, of those that had
	soon  bool               // in a moment there will be more that can be deleted
	fewer bool               // files are there than when it was last asked how much is free

	step         func(before, now time.Time) time.Duration // by which the host's clock was set
	seen         time.Time                                 // by it, at the last look
	doubtedUntil time.Time
	doubted      bool // as was said

	mu     sync.Mutex
	status DiskStatus
}

// waiting is when something is tried again.
type waiting struct {
	until time.Time
	again time.Duration // how long after that
}

// DiskStatus is the present condition of the disk that the files are on.
type DiskStatus struct {
	Free, Total uint64         // bytes; 0: the system does not tell
	FillRate    float64        // bytes per second by which all programs fill it
	Trouble     string         // it is nearly full, and why nothing makes room
	Full        outage.Trouble // the same, with what to do
	Stuck       outage.Trouble // local files cannot be deleted
}

const (
	retainEvery = 5 * time.Second
	retainSoon  = 200 * time.Millisecond
	// reapShare bounds what looking for files costs where there are very many: a
	// fiftieth of the time.
	reapShare = 50
	firstWait = 30 * time.Second // before a file is tried again; doubled each time
	lastWait  = 10 * time.Minute
	// At one look, where nothing can be deleted, not all is tried. Those that have failed
	// before are counted apart: however many they are, they hold up no others.
	maxFails  = 32
	maxAgain  = 8
	reapBatch = 64
)

// NewRetention prepares a Retention.
func NewRetention(o RetentionOptions) *Retention {
	if o.Sending == nil {
		o.Sending = func(string) bool { return false }
	}
	if o.TakingIn == nil {
		o.TakingIn = func() bool { return false }
	}
	if o.Inodes == nil {
		o.Inodes = func() (uint64, uint64, error) { return 0, 0, nil }
	}
	if o.Refused == nil {
		o.Refused = func() spool.Refusal { return spool.NotRefused }
	}
	return &Retention{
		opts: o, step: media.ClockStep, stuck: map[string]waiting{},
		brink: outage.New(o.Log, "the disk is nearly full", o.Now), held: outage.New(o.Log, "local files cannot be deleted", o.Now),
		blind: outage.New(o.Log, "it cannot be known which local files may go", o.Now),
	}
}

// Status is the present condition of the disk.
func (r *Retention) Status() DiskStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Full, s.Stuck = r.brink.Trouble(), r.held.Trouble()
	return s
}

// Run deletes until ctx ends.
func (r *Retention) Run(ctx context.Context) error {
	next := time.NewTimer(0)
	defer next.Stop()
	var reapAt time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		r.fails, r.again, r.soon = 0, 0, false
		err := r.makeRoom(ctx)
		next.Reset(retainEvery)
		if r.soon {
			next.Reset(retainSoon)
		}
		if began := time.Now(); began.After(reapAt) {
			err = errors.Join(err, r.reap(ctx))
			reapAt = began.Add(reapShare * time.Since(began))
		}
		r.sawRoom()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			r.blind.Failed(err.Error(), "look at the disk that agent.data_dir is on; until then nothing makes room")
		default:
			r.blind.Recovered()
		}
	}
}

// remove tries to delete a file. One that cannot be (read-only, or open on Windows)
// is left for a while, so that it does not keep the others.
func (r *Retention) remove(ctx context.Context, seg spool.Segment, do func(ctx context.Context) error) bool {
	now := r.opts.Now()
	wait, stuck := r.stuck[seg.ID]
	if stuck && (now.Before(wait.until) || r.again >= maxAgain) || !stuck && r.fails >= maxFails {
		return false
	}
	err := do(ctx)
	if err == nil {
		delete(r.stuck, seg.ID)
		r.held.Recovered()
		r.fewer = true
		return true
	}
	if ctx.Err() == nil {
		pause := max(wait.again, firstWait)
		r.stuck[seg.ID] = waiting{now.Add(pause), min(2*pause, lastWait)}
		if stuck {
			r.again++
		} else {
			r.fails++
		}
		r.held.Failed(withoutFile(err, seg.ID), "close what has them open, and look whether the disk and "+seg.Path+" can be written to")
	}
	return false
}

// withoutFile is what an operation on a segment's file, or its row, failed of: the same
// for all segments, or each would be another trouble, and said.
func withoutFile(err error, segmentID string) string {
	var file *fs.PathError
	if errors.As(err, &file) {
		return file.Op + ": " + file.Err.Error()
	}
	return strings.ReplaceAll(err.Error(), segmentID, "a segment")
}

func (r *Retention) logOf(seg spool.Segment) zerolog.Logger {
	return r.opts.Log.With().Str("segment", seg.ID).Str("camera", seg.CameraID).Time("start", seg.Start).Int64("bytes", seg.Size).Logger()
}

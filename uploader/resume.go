package uploader

import (
	"context"
	"slices"
	"sync"
	"time"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/spool"
)

// resume is one segment's multipart upload, in memory as it is in the ledger.
// The store sends parts concurrently.
type resume struct {
	ledger               Ledger
	segment, destination string
	gate                 *gate
	lane                 lane
	sent                 func(began time.Time, bytes int64) // a body is over with
	now                  func() time.Time

	mu   sync.Mutex
	open *spool.Upload
}

func (u *Uploader) resume(job spool.Job, l lane) *resume {
	return &resume{
		ledger: u.opts.Ledger, destination: u.opts.Destination, segment: job.Segment.ID, open: job.Delivery.Upload, gate: u.gate, lane: l, sent: u.sent, now: u.opts.Now,
	}
}

// Turn waits at the gate.
func (r *resume) Turn(ctx context.Context, size int64) (done func(), err error) {
	leave, err := r.gate.enter(ctx, r.lane, size)
	if err != nil {
		return nil, err
	}
	began := r.now()
	return sync.OnceFunc(func() {
		leave()
		r.sent(began, size)
	}), nil
}

// Open returns a copy of what is known.
func (r *resume) Open() *spool.Upload {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		return nil
	}
	u := *r.open
	u.Parts = slices.Clone(u.Parts)
	return &u
}

// Opened notes a new upload.
func (r *resume) Opened(ctx context.Context, u spool.Upload) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	crashpoint.Here("upload created")
	if err := r.ledger.UploadOpened(ctx, r.segment, r.destination, u); err != nil {
		return &ledgerError{err}
	}
	crashpoint.Here("upload opened")
	r.open = &u
	return nil
}

// PartSent notes a part; one that was sent before is replaced.
func (r *resume) PartSent(ctx context.Context, p spool.UploadPart) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	crashpoint.Here("part arrived")
	if err := r.ledger.PartSent(ctx, r.segment, r.destination, p); err != nil {
		return &ledgerError{err}
	}
	crashpoint.Here("part sent")
	r.open.Parts = append(slices.DeleteFunc(r.open.Parts, func(q spool.UploadPart) bool { return q.Number == p.Number }), p)
	return nil
}

// Abandoned forgets the upload.
func (r *resume) Abandoned(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ledger.UploadAbandoned(ctx, r.segment, r.destination); err != nil {
		return &ledgerError{err}
	}
	r.open = nil
	return nil
}

// PartLost forgets a part that the store does not have any more.
func (r *resume) PartLost(ctx context.Context, number int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ledger.PartLost(ctx, r.segment, r.destination, number); err != nil {
		return &ledgerError{err}
	}
	r.open.Parts = slices.DeleteFunc(r.open.Parts, func(p spool.UploadPart) bool { return p.Number == number })
	return nil
}

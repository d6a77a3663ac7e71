package uploader

import (
	"context"
	"errors"
	"time"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

// live is a segment that is uploaded while it is being recorded: whenever a whole
// part of its file lies below the watermark, that part is sent. What is left is
// sent when it is finished, like any other upload that has been begun.
type live struct {
	job    spool.Job
	resume *resume
	doubt  bool      // the store may not know the upload any more
	tries  int       // failed in a row
	next   time.Time // not tried before
}

// launchLive starts sending the parts that are due, as far as there is room.
func (u *Uploader) launchLive(ctx, uploads context.Context, f *flight) {
	if u.opts.Bandwidth.paused(newest) {
		return
	}
	growing := u.opts.Ledger.Growing()
	u.forgetSettled(growing)
	now := u.opts.Now()
	for _, g := range growing {
		if g.Watermark < u.opts.Store.PartSize() || u.flying(g.SegmentID) {
			continue
		}
		l, err := u.liveOf(ctx, g.SegmentID)
		if err != nil {
			u.log.Error().Err(err).Str("segment", g.SegmentID).Msg("the ledger could not be read; its parts are sent later")
			return
		}
		if l == nil || now.Before(l.next) {
			continue
		}
		number := nextPart(l.resume.Open(), u.opts.Store.PartSize(), g.Watermark, !u.behind)
		if number == 0 || !u.claim(g.SegmentID, newest) {
			continue
		}
		f.Go(func() {
			defer f.landed()
			defer u.release(g.SegmentID, newest)
			u.sendLive(uploads, l, number)
		})
	}
}

// liveOf returns what is known of a live upload; nil when there is to be none.
func (u *Uploader) liveOf(ctx context.Context, segmentID string) (*live, error) {
	if l, ok := u.live[segmentID]; ok {
		return l, nil
	}
	job, err := u.opts.Ledger.LiveDelivery(ctx, segmentID, u.opts.Destination)
	if err != nil {
		return nil, err
	}
	var l *live
	if job != nil {
		l = &live{job: *job, resume: u.resume(*job, newest), doubt: job.Delivery.Upload != nil}
	}
	u.live[segmentID] = l
	return l, nil
}

func (u *Uploader) forgetSettled(growing []spool.Growth) {
	here := make(map[string]bool, len(growing))
	for _, g := range growing {
		here[g.SegmentID] = true
	}
	for id := range u.live {
		if !here[id] && !u.flying(id) {
			delete(u.live, id)
		}
	}
}

// nextPart is the number of the next whole part to be sent; 0 when there is none.
// The first is sent, although it will change and go again, because without it
// what the store holds of a lost host is worth nothing; but not at the expense of
// footage that has not been sent at all.
func nextPart(open *spool.Upload, partSize, watermark int64, first bool) int {
	var parts []spool.UploadPart
	if open != nil {
		partSize, parts = open.PartSize, open.Parts
	}
	sent := make(map[int]bool, len(parts))
	for _, p := range parts {
		sent[p.Number] = true
	}
	for n := 1; int64(n)*partSize <= watermark; n++ {
		if !sent[n] && (n > 1 || first) {
			return n
		}
	}
	return 0
}

// sendLive sends one part.
func (u *Uploader) sendLive(ctx context.Context, l *live, number int) {
	err := u.safely("sending a part ahead", func() error { return u.livePart(ctx, l, number) })
	if err == nil {
		u.succeeded(ctx, l.tries)
		l.doubt, l.tries = false, 0
		return
	}
	l.doubt = true
	if ctx.Err() != nil || errors.Is(err, errPaused) {
		return
	}
	_, wait := u.fault(err, l.tries)
	l.tries++
	l.next = u.opts.Now().Add(wait)
}

func (u *Uploader) livePart(ctx context.Context, l *live, number int) error {
	f, err := u.opts.Ledger.Open(l.job.Segment)
	if err != nil {
		return &s3.FileError{Err: err}
	}
	defer f.Close()
	o := object(l.job, f)
	if l.doubt {
		if err := u.opts.Store.Check(ctx, o, l.resume); err != nil {
			return err
		}
		if l.resume.Open() == nil && number > 1 {
			return nil // the store has forgotten the upload: which part is next is asked again
		}
	}
	if err := u.opts.Store.SendPart(ctx, o, number, l.resume); err != nil {
		return err
	}
	u.log.Debug().Str("segment", l.job.Segment.ID).Int("part", number).Msg("part of the open segment sent")
	return nil
}

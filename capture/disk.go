package capture

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/mp4"
	"recording-agent/capture/outage"
	"recording-agent/capture/panics"
	"recording-agent/capture/spool"
)

// Spool is what recording needs of the spool.
type Spool interface {
	Room() error
	Refused(err error)
	Create(seg spool.Segment) (*os.File, error)
	Begun(ctx context.Context, seg spool.Segment) error
	Grown(segmentID string, watermark int64)
	Finished(ctx context.Context, id string, start time.Time, r mp4.Result) error
	ClockOffset(ctx context.Context, id string, offset time.Duration) error
	GapOpened(ctx context.Context, cameraID string, start time.Time, cause spool.Cause, detail string) error
	GapBetween(ctx context.Context, cameraID string, start, end time.Time, cause spool.Cause, detail string) error
	GapClosed(ctx context.Context, cameraID string, end time.Time) error
	AccountedUntil(ctx context.Context, cameraID string) (time.Time, error)
	AccountedBefore(ctx context.Context, cameraID string, moment time.Time) (time.Time, error)
	Alive()
}

// disk carries out a recorder's jobs, one after the other, in one goroutine.
type disk struct {
	spool   Spool
	account account
	log     zerolog.Logger
	now     func() time.Time
	sync    time.Duration
	meter   *meter
	panics  *panics.Page
	outage  *outage.Outage
	buffers *Buffers

	hints   chan struct{} // one slot: there is something to do
	live    func()        // footage is on the disk again
	written *segment      // the one that is being appended to
	late    []*segment    // could not be finished yet
	lateAt  time.Time
	wrong   bool // the camera's clock, as was said
	ledger  *outage.Outage
}

// openFile is a segment's file while it is recorded.
type openFile struct {
	file   *os.File
	writer *mp4.Writer
	begun  bool // its row is in the ledger
	synced time.Time
	panics int         // while it was being finished
	failed atomic.Bool // the recorder is to begin another segment
	// doubtful: a sync failed. The kernel may have forgotten what it could not write, and
	// call the next one a success: the recorder is to begin another segment as well.
	doubtful atomic.Bool
}

const finishLateEvery = 30 * time.Second

func (d *disk) wake() {
	select {
	case d.hints <- struct{}{}:
	default:
	}
}

// do carries out a job. The error is that of a panic: what was to be written then is
// lost, and accounted for.
func (d *disk) do(ctx context.Context, j job) error {
	err := d.panics.Guard("writing to the disk", func() { d.carryOut(ctx, j) })
	if err == nil {
		return nil
	}
	_ = d.panics.Guard("accounting for what was to be written", func() {
		switch {
		case j.gap != nil:
			d.note(ctx, *j.gap) // the ledger is told last of all: nothing is noted twice
		case j.part != nil:
			j.segment.open.failed.Store(true)
			d.lost(ctx, j, err)
		}
	})
	return err
}

func (d *disk) carryOut(ctx context.Context, j job) {
	switch {
	case j.gap != nil:
		d.note(ctx, *j.gap)
	case j.part == nil:
		d.finish(ctx, j.segment)
	case j.segment.open.failed.Load():
	default:
		if err := d.append(ctx, j.segment, j.part); err != nil {
			j.segment.open.failed.Store(true)
			d.lost(ctx, j, err)
		}
	}
}

// note notes a gap, behind those that could not be noted before.
func (d *disk) note(ctx context.Context, g gap) {
	d.account.note(ctx, g)
	if g.kind == lasting && g.cause == spool.DiskSlow {
		d.outage.Failed(g.detail, "use a faster disk, fewer cameras or a lower bit rate; look for what else uses the disk")
	}
}

// append writes a part, creating the file with the first one.
func (d *disk) append(ctx context.Context, seg *segment, p *mp4.Part) error {
	o := &seg.open
	if o.file == nil || d.now().Sub(o.synced) >= d.sync {
		if err := d.spool.Room(); err != nil {
			return err
		}
	}
	if o.file == nil {
		d.account.begins(ctx, seg)
		if err := d.create(seg); err != nil {
			return err
		}
	}
	if err := o.writer.Append(p); err != nil {
		return err
	}
	d.written = seg
	crashpoint.Here("part appended")
	if !o.begun {
		d.begun(ctx, seg)
	}
	d.noteClock(ctx, seg)
	if d.now().Sub(o.synced) >= d.sync {
		d.syncNow(seg)
	}
	return nil
}

func (d *disk) create(seg *segment) error {
	f, err := d.spool.Create(seg.Segment)
	if err != nil {
		return err
	}
	info := mp4.Info{
		SegmentID: seg.ID, CameraID: seg.CameraID, CameraName: seg.CameraName, ClientName: seg.ClientName, Start: seg.Start,
		ScheduleID: seg.ScheduleID,
	}
	w, err := mp4.NewWriter(f, info, seg.tracks, seg.reserve)
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	seg.open.file, seg.open.writer = f, w
	return nil
}

// begun makes the segment's row once its first part is on the disk. When the
// ledger cannot be written the file is recorded all the same; it would be
// adopted at the next start.
func (d *disk) begun(ctx context.Context, seg *segment) {
	d.syncNow(seg)
	crashpoint.Here("first part synced")
	err := d.spool.Begun(ctx, seg.Segment)
	d.account.begun(ctx, seg)
	if err != nil {
		d.ledger.Failed(err.Error(), ledgerRemedy)
		return
	}
	seg.open.begun = true
	d.ledger.Recovered()
	crashpoint.Here("segment begun")
	d.outage.Recovered()
	d.live()
	d.log.Info().Str("segment", seg.ID).Time("start", seg.Start).Str("codec", seg.VideoCodec).
		Int("width", seg.Width).Int("height", seg.Height).Msg("segment begun")
}

func (d *disk) syncNow(seg *segment) {
	seg.open.synced = d.now()
	if err := seg.open.writer.Sync(); err != nil {
		seg.open.doubtful.Store(true)
		d.outage.Failed(withoutPath(err), "look at the disk: it does not take what is written")
		return
	}
	if seg.open.begun {
		d.spool.Grown(seg.ID, seg.open.writer.Watermark())
	}
}

// syncDue syncs what a stalled camera left unsynced.
func (d *disk) syncDue() {
	seg := d.written
	if seg != nil && seg.open.file != nil && seg.open.writer.Watermark() < seg.open.writer.Size() && d.now().Sub(seg.open.synced) >= d.sync {
		d.syncNow(seg)
	}
}

// finish turns the file into an ordinary MP4.
func (d *disk) finish(ctx context.Context, seg *segment) {
	o := &seg.open
	if d.written == seg {
		d.written = nil
	}
	if o.file == nil {
		return // nothing could be written of it
	}
	defer d.account.ended(seg)
	begun := o.begun
	err := d.tryFinish(ctx, seg)
	if !begun && o.begun { // the ledger could not be written until now
		d.account.begun(ctx, seg)
	}
	if err != nil {
		d.log.Error().Err(err).Str("segment", seg.ID).Msg("segment could not be finished; it is tried again, and recovered at the next start")
		d.late = append(d.late, seg)
		d.lateAt = d.now()
	}
}

// maxFinishPanics is how often finishing a segment may panic: its file would be kept
// open for ever.
const maxFinishPanics = 3

// tryFinish finishes a segment, whatever the code panics over: that is an error like any
// other, a few times.
func (d *disk) tryFinish(ctx context.Context, seg *segment) (err error) {
	o := &seg.open
	panicked := d.panics.Guard("finishing a segment", func() { err = d.finishFile(ctx, seg) })
	if panicked == nil {
		return err
	}
	if o.panics++; o.panics < maxFinishPanics {
		return panicked
	}
	d.log.Error().Str("segment", seg.ID).Str("remedy", panics.Remedy).Msg("segment cannot be finished; its file stays, and is recovered at the next start")
	_ = o.file.Close()
	return nil
}

func (d *disk) finishFile(ctx context.Context, seg *segment) error {
	o := &seg.open
	d.noteClock(ctx, seg)
	result, err := o.writer.Finish()
	if errors.Is(err, mp4.ErrEmpty) {
		if err := errors.Join(o.file.Close(), os.Remove(o.file.Name())); err != nil {
			d.log.Warn().Err(err).Str("segment", seg.ID).Msg("an empty segment could not be removed; the next start does it")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if !o.begun {
		if err := d.spool.Begun(ctx, seg.Segment); err != nil {
			return err
		}
		o.begun = true
	}
	if o.failed.Load() { // its end could not be written, and is missing already
		seg.end = earlier(seg.end, later(seg.Start, d.account.until))
	}
	result.Pictures = max(seg.end.Sub(seg.Start), time.Microsecond) // by the host's clock, as gaps are
	if err := d.spool.Finished(ctx, seg.ID, seg.Start, result); err != nil {
		return err
	}
	crashpoint.Here("segment finished")
	d.log.Info().Str("segment", seg.ID).Dur("duration", result.Duration).Int64("bytes", result.Size).
		Int64("frames", result.Frames).Msg("segment finished")
	if err := o.file.Close(); err != nil { // it was synced before
		d.log.Warn().Err(err).Str("segment", seg.ID).Msg("the file of a finished segment could not be closed")
	}
	return nil
}

// finishLate tries the segments again that could not be finished, and the gaps that
// could not be noted.
func (d *disk) finishLate(ctx context.Context) {
	if d.now().Sub(d.lateAt) < finishLateEvery {
		return
	}
	d.lateAt = d.now()
	d.account.noteAll(ctx)
	d.late = append(d.late, d.buffers.left()...)
	d.tryLate(ctx)
}

func (d *disk) tryLate(ctx context.Context) {
	var still []*segment
	for _, seg := range d.late {
		if err := d.tryFinish(ctx, seg); err != nil {
			still = append(still, seg)
		}
	}
	d.late = still
}

// leave tries once more what could not be finished, and leaves the rest to others.
func (d *disk) leave(ctx context.Context) {
	d.tryLate(ctx)
	d.buffers.leave(d.late)
	d.late = nil
}

// lost accounts for footage that could not be written.
func (d *disk) lost(ctx context.Context, j job, err error) {
	why, remedy := withoutPath(err), "make room on the disk, or mend it; recording goes on with the next key frame that fits"
	cause := spool.DiskFailed
	var panicked *panics.Error
	switch {
	case errors.As(err, &panicked):
		cause, remedy = spool.AgentFault, panics.Remedy
	case spool.NoRoom(err):
		cause = spool.DiskFull
		if !errors.Is(err, spool.ErrNoRoom) { // who makes room does not see it by what is free
			d.spool.Refused(err)
		}
	}
	d.meter.failed(why)
	d.outage.Failed(why, remedy)
	d.account.lost(ctx, j.segment, j.from, cause, why)
}

// withoutPath is what an operation on a file failed of: with the file's name each
// would be another trouble, and said anew.
func withoutPath(err error) string {
	var file *fs.PathError
	if errors.As(err, &file) {
		return file.Op + ": " + file.Err.Error()
	}
	return err.Error()
}

package central

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// Ledger is what reconciling needs of the spool.
type Ledger interface {
	Unreported(ctx context.Context, now time.Time, limit int) ([]spool.Segment, error)
	Deliveries(ctx context.Context, segmentID string) ([]spool.Delivery, error)
	RegisterAttempted(ctx context.Context, segmentID string) error
	Registered(ctx context.Context, segmentID, recordingID string) error
	CentralAcknowledged(ctx context.Context, segmentID string, state spool.CentralState) error
	CentralRefused(ctx context.Context, segmentID, reason string, at time.Time, forGood bool, next time.Time) error
	CentralDeferred(ctx context.Context, segmentID, reason string, next time.Time) error
}

// Server is the central server.
type Server interface {
	Register(ctx context.Context, r Recording) (recordingID string, err error)
	Report(ctx context.Context, u Update) error
}

const (
	callsPerSecond = 5
	batch          = 32
	lookEvery      = 10 * time.Second
	firstPause     = time.Second
	longestPause   = time.Minute
	deferFirst     = 30 * time.Second
	deferLongest   = time.Hour
	deferGeneral   = 5 * time.Minute // when central does not work for anybody: then none is to wait for long
	askAgain       = time.Hour       // after a refusal
	refusalLasts   = 24 * time.Hour  // then it is for good
	refusalsWanted = 12              // within that time: a day without central proves nothing

	// callGrace is what a call under way gets when the agent stops: one that is
	// cut off may have made a row of which nobody knows.
	callGrace = 10 * time.Second
)

// Reconciler makes the state that central has acknowledged follow the ledger's,
// for as long as it takes. There is no queue that could be lost.
type Reconciler struct {
	// Arrived asks the primary destination whether it has a segment whose file is gone:
	// before that is told to central as failed. An error says that it is not known yet.
	// nil: nobody can be asked.
	Arrived func(ctx context.Context, segmentID string) (bool, error)
	Latency Observer // told how long after its last picture a segment was completed, in seconds; nil: nobody is

	ledger  Ledger
	changed <-chan struct{}
	server  Server
	log     zerolog.Logger
	now     func() time.Time

	poked    chan struct{} // one slot
	limiter  *rate.Limiter
	outage   *outage.Outage
	refused  map[string]*outage.Outage // by camera
	pause    *backoff.ExponentialBackOff
	tries    map[string]int // failed attempts of a segment since the start
	refusals map[string]int // 403 and 404 about a segment since the start

	mu     sync.Mutex
	status Status
}

// Observer takes one number of a statistic.
type Observer interface{ Observe(v float64) }

// NewReconciler prepares a reconciler. changed is a hint that there may be
// something to say.
func NewReconciler(l Ledger, changed <-chan struct{}, s Server, log zerolog.Logger, now func() time.Time) *Reconciler {
	r := &Reconciler{
		ledger: l, changed: changed, server: s, log: log, now: now,
		poked:   make(chan struct{}, 1),
		limiter: rate.NewLimiter(callsPerSecond, callsPerSecond),
		outage:  outage.New(log, "central server gets no reports", now),
		refused: map[string]*outage.Outage{}, tries: map[string]int{}, refusals: map[string]int{}, pause: backoff.NewExponentialBackOff(),
	}
	r.pause.InitialInterval, r.pause.MaxInterval, r.pause.Multiplier, r.pause.RandomizationFactor = firstPause, longestPause, 2, 0.3
	return r
}

// Status is the present condition of the way to the central server.
type Status struct {
	Connected   bool
	LastSuccess time.Time
	LastError   string
	Remedy      string
	Since       time.Time // of the trouble; zero when there is none
}

// Status is the present condition.
func (r *Reconciler) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Again ends the pause of a server that works for nobody: it is asked at once.
func (r *Reconciler) Again() {
	select {
	case r.poked <- struct{}{}:
	default:
	}
}

// Run reconciles until ctx ends; a call under way then gets its grace.
func (r *Reconciler) Run(ctx context.Context) error {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(callGrace, cancel) })
	defer stop()

	for ctx.Err() == nil {
		progress, err := r.round(ctx, calls)
		switch {
		case err != nil && general(err):
			wait(ctx, r.pause.NextBackOff(), r.poked) // nothing else would fare better
		case err != nil && ctx.Err() == nil:
			r.log.Error().Err(err).Msg("reports to central are held up by the ledger; trying again")
			wait(ctx, lookEvery, nil)
		case !progress:
			wait(ctx, lookEvery, r.changed)
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration, hint <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-hint:
	}
}

// round brings each segment that is due one step further. It returns an error
// only for trouble that concerns all of them. When ctx ends it begins no other
// call; calls is the life of those under way.
func (r *Reconciler) round(ctx, calls context.Context) (progress bool, err error) {
	segs, err := r.ledger.Unreported(ctx, r.now(), batch)
	if err != nil {
		return false, err
	}
	for _, seg := range segs {
		if err := r.limiter.Wait(ctx); err != nil {
			return progress, nil
		}
		err := r.step(calls, seg)
		if err == nil {
			r.succeeded(seg)
			progress = true
			continue
		}
		if calls.Err() != nil {
			return progress, nil
		}
		if err := r.failed(calls, seg, err); err != nil {
			return progress, err
		}
	}
	return progress, nil
}

// step makes the one call that a segment needs next.
func (r *Reconciler) step(ctx context.Context, seg spool.Segment) error {
	if seg.Central.State == spool.CentralNone {
		if seg.State == spool.Empty { // nothing was ever seen of it, here or there
			return r.ledger.CentralAcknowledged(ctx, seg.ID, spool.CentralFailed)
		}
		return r.register(ctx, seg)
	}
	switch seg.State {
	case spool.Recording:
		return r.report(ctx, seg, Update{Status: "recording"}, spool.CentralRecording)
	case spool.Finished, spool.Deleted:
		return r.complete(ctx, seg)
	case spool.Empty:
		return r.report(ctx, seg, Update{Status: "failed", ErrorMessage: "cut off before its first whole part"}, spool.CentralFailed)
	default:
		return r.missing(ctx, seg)
	}
}

func (r *Reconciler) register(ctx context.Context, seg spool.Segment) error {
	if err := r.ledger.RegisterAttempted(ctx, seg.ID); err != nil {
		return err
	}
	crashpoint.Here("register attempted")
	id, err := r.server.Register(ctx, Recording{CameraID: seg.CameraID, ScheduleID: seg.ScheduleID, Name: recordingName(seg), SegmentID: seg.ID})
	if err != nil {
		return err
	}
	crashpoint.Here("registered at central")
	return r.ledger.Registered(ctx, seg.ID, id)
}

// recordingName is unique per segment: two may begin within one second after a
// camera has come back, so that it has milliseconds.
func recordingName(seg spool.Segment) string {
	const stamp = " 2006-01-02 15:04:05.000 UTC"
	suffix := seg.Start.UTC().Format(stamp)
	if seg.Dated == spool.Undated { // such times may come again
		suffix += " (undated, " + seg.ID[len(seg.ID)-min(8, len(seg.ID)):] + ")"
	}
	return clip(seg.CameraName, maxName-len(suffix)) + suffix
}

// complete reports a segment that the primary destination has confirmed, or that
// is to go nowhere.
func (r *Reconciler) complete(ctx context.Context, seg spool.Segment) error {
	deliveries, err := r.ledger.Deliveries(ctx, seg.ID)
	if err != nil {
		return err
	}
	return r.report(ctx, seg, completed(seg, deliveries), spool.CentralCompleted)
}

func completed(seg spool.Segment, deliveries []spool.Delivery) Update {
	const stamp = "2006-01-02T15:04:05.000000Z"
	u := Update{
		Status: "completed", Frames: seg.Frames, FileSize: seg.Size, StorageType: "local", FilePath: seg.Path,
		StartTime: seg.Start.UTC().Format(stamp), EndTime: seg.End.UTC().Format(stamp), Duration: seg.Duration.Seconds(),
		Codec: seg.VideoCodec, FrameRate: seg.FrameRate, ClientName: seg.ClientName,
		Undated: seg.Dated == spool.Undated,
	}
	if seg.Width > 0 {
		u.Resolution = fmt.Sprintf("%dx%d", seg.Width, seg.Height)
	}
	if seg.Checksum != "" {
		u.Checksum = "crc64nvme:" + seg.Checksum
	}
	if i := slices.IndexFunc(deliveries, verified); i >= 0 { // the primary destination is the first
		u.StorageType, u.Bucket, u.Key, u.FilePath = "aws", deliveries[i].Bucket, deliveries[i].Key, deliveries[i].Key
	}
	return u
}

func verified(d spool.Delivery) bool { return d.State == spool.Verified }

func (r *Reconciler) report(ctx context.Context, seg spool.Segment, u Update, state spool.CentralState) error {
	u.RecordingID = seg.Central.RecordingID
	if err := r.server.Report(ctx, u); err != nil {
		return err
	}
	crashpoint.Here("report taken")
	r.log.Info().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("recording", u.RecordingID).Msg("central has acknowledged: " + u.Status)
	if err := r.ledger.CentralAcknowledged(ctx, seg.ID, state); err != nil {
		return err
	}
	// Of one that no clock has dated it is not known when its last picture came.
	if state == spool.CentralCompleted && r.Latency != nil && seg.Dated == spool.Dated {
		r.Latency.Observe(max(0, r.now().Sub(seg.End).Seconds()))
	}
	return nil
}

func (r *Reconciler) succeeded(seg spool.Segment) {
	r.outage.Recovered()
	if o := r.refused[seg.CameraID]; o != nil {
		o.Recovered()
	}
	delete(r.tries, seg.ID)
	delete(r.refusals, seg.ID)
	r.pause.Reset()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = Status{Connected: true, LastSuccess: r.now()}
}

// failed decides what a failed call means. It returns the error when the others
// would fail as well.
func (r *Reconciler) failed(ctx context.Context, seg spool.Segment, err error) error {
	var unknown *unknownError
	if errors.As(err, &unknown) { // central has nothing to do with it
		r.tries[seg.ID]++
		return r.ledger.CentralDeferred(ctx, seg.ID, unknown.Error(), r.now().Add(min(deferral(r.tries[seg.ID]), deferGeneral)))
	}
	cause, remedy := explain(err)
	now := r.now()
	r.mu.Lock()
	r.status.LastError, r.status.Remedy = cause, remedy
	if r.status.Since.IsZero() {
		r.status.Since = now
	}
	r.status.Connected = r.status.Connected && !general(err)
	r.mu.Unlock()

	kind, fromServer := kindOf(err)
	switch {
	case !fromServer:
		return err // the ledger
	case general(err):
		r.outage.Failed(cause, remedy)
		// The next attempt is about another segment, if there is one: what looks like an
		// outage may be the server's trouble with this one alone.
		r.tries[seg.ID]++
		next := now.Add(min(time.Second<<min(r.tries[seg.ID], 10), deferGeneral))
		return errors.Join(err, r.ledger.CentralDeferred(ctx, seg.ID, err.Error(), next))
	case kind == Refused:
		return r.refuse(ctx, seg, err.Error(), now)
	}
	r.outage.Failed(cause, remedy)
	r.tries[seg.ID]++
	return r.ledger.CentralDeferred(ctx, seg.ID, err.Error(), now.Add(deferral(r.tries[seg.ID])))
}

// refuse takes a 403 or 404. About a camera it may change its mind, and is asked
// hourly for a day; about a recording it has cleaned up it is final at once.
func (r *Reconciler) refuse(ctx context.Context, seg spool.Segment, reason string, now time.Time) error {
	registered := seg.Central.State != spool.CentralNone
	since := seg.Central.RefusedAt
	r.refusals[seg.ID]++
	forGood := registered || !since.IsZero() && now.Sub(since) >= refusalLasts && r.refusals[seg.ID] >= refusalsWanted
	if forGood {
		delete(r.refusals, seg.ID)
	}
	o := r.refused[seg.CameraID]
	if o == nil {
		o = outage.New(r.log.With().Str("camera", seg.CameraID).Logger(), "central refuses the recordings of a camera", r.now)
		r.refused[seg.CameraID] = o
	}
	switch {
	case registered:
		r.log.Warn().Str("segment", seg.ID).Str("recording", seg.Central.RecordingID).Msg("central does not know the recording any more; it is not registered again")
	case forGood:
		r.log.Error().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("reason", reason).Msg("central has refused the segment for a day; it is not asked again")
	default:
		o.Failed(reason, "assign the camera to this client at central, with recording mode local_client")
	}
	return r.ledger.CentralRefused(ctx, seg.ID, reason, now, forGood, now.Add(askAgain))
}

// deferral grows from 30 s to an hour, jittered by a third.
func deferral(tries int) time.Duration {
	d := deferLongest
	if tries < 8 {
		d = min(deferFirst<<(tries-1), deferLongest)
	}
	return d - rand.N(d/3)
}

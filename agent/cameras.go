package main

import (
	"context"
	"math"
	"path/filepath"

	"recording-agent/agent/config"
	"recording-agent/capture"
	"recording-agent/capture/inbox"
	"recording-agent/capture/panics"
	"recording-agent/capture/rtsp"
	"recording-agent/capture/spool"
)

// maxUploadParts is how many parts a segment may have: S3's limit.
const maxUploadParts = 10_000

// assignedFile is where, in data_dir, the cameras are kept that central has assigned.
const assignedFile = "central-cameras.json"

func (a *agent) buildFleet() {
	a.fleet = newFleet(a.log, a.now)
	buffers, book := capture.NewBuffers(), a.fleet.panics
	a.fleet.build = func(s settings, plan *capture.Plan, away spool.Cause) (*capture.Camera, error) {
		stream, err := a.stream(s.camera, book.Of(s.camera.ID))
		if err != nil {
			return nil, err
		}
		return capture.New(capture.Options{
			ID: s.camera.ID, Name: s.camera.Name, ClientName: a.cfg.Agent.ClientName, Segmenting: s.cut, Plan: plan, Away: away,
			Spool: a.spool, Buffers: buffers, Panics: book, Log: a.log, Now: a.now, Stream: stream,
		}), nil
	}
	a.fleet.ended = func(cameraID string) {
		// Nothing is missing of a camera that is not wanted.
		if err := a.spool.GapClosed(context.Background(), cameraID, a.now()); err != nil {
			a.log.Error().Err(err).Str("camera", cameraID).Msg("the end of a gap could not be noted")
		}
	}
	a.configure(a.cfg)
}

// stream is how a camera's footage is got.
func (a *agent) stream(c config.Camera, page *panics.Page) (capture.Stream, error) {
	o := sessionOptions(c)
	o.Log, o.Now, o.Panics = a.log.With().Str("camera", c.ID).Logger(), a.now, page
	session, err := rtsp.NewSession(o)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, r *capture.Recorder) error { return session.Run(ctx, r) }, nil
}

// sessionOptions are what a camera's settings mean for its sessions.
func sessionOptions(c config.Camera) rtsp.Options {
	return rtsp.Options{
		URL: c.StreamURL().Reveal(), CAFile: c.CAFile, Fingerprint: c.Fingerprint, Video: c.Video,
		Transport: rtsp.Transport(c.Transport), Audio: c.Audio,
		KeepAlive: rtsp.KeepAlive(c.KeepAlive), DialTimeout: c.Timeout, RequestTimeout: c.Timeout,
		StallTimeout: c.StallTimeout, KeyframeTimeout: c.KeyframeTimeout,
	}
}

// configure lets the cameras follow a configuration. Segments are bounded by the
// destinations that are in force.
func (a *agent) configure(cfg *config.Config) {
	cut := capture.Segmenting{Duration: cfg.Segment.Duration, Part: cfg.Segment.Part, Sync: cfg.Segment.Sync, MaxBytes: a.maxSegment()}
	a.fleet.configure(cfg.Cameras, cut, cfg.Agent.Zone)
}

// maxSegment is the most bytes that each destination takes as one object.
func (a *agent) maxSegment() int64 {
	bytes := int64(math.MaxInt64)
	for _, d := range a.cfg.Destinations() {
		bytes = min(bytes, d.PartSize*(maxUploadParts-100))
	}
	return bytes
}

func (a *agent) buildInbox() {
	maxAge := a.cfg.Retention.MaxAge
	if len(a.cfg.Destinations()) > 0 {
		maxAge = 0 // it is uploaded first
	}
	a.inbox = inbox.New(inbox.Options{
		Dir: filepath.Join(a.cfg.Agent.DataDir, "inbox"), ClientName: a.cfg.Agent.ClientName, MaxBytes: a.maxSegment(), MaxAge: maxAge, Zone: a.fleet.zoneNow,
		Cameras: func() (out []inbox.Camera) {
			for _, c := range a.fleet.known() {
				out = append(out, inbox.Camera{ID: c.ID, Name: c.Name})
			}
			return out
		},
		Spool: a.spool, Log: a.log, Now: a.now, ClockSet: a.clockSet,
	})
}

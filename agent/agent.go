package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"recording-agent/agent/central"
	"recording-agent/agent/config"
	"recording-agent/agent/journal"
	"recording-agent/agent/page"
	"recording-agent/agent/status"
	"recording-agent/capture/inbox"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
	"recording-agent/uploader"
	"recording-agent/uploader/s3"
)

// agent is the wiring: what there is, and who is told what. cfg is the
// configuration of the start: what can change since then is with whom it concerns.
type agent struct {
	cfg     *config.Config
	hangup  <-chan os.Signal
	log     zerolog.Logger
	now     func() time.Time
	started time.Time

	spool      *spool.Spool
	inbox      *inbox.Inbox
	fleet      *fleet
	level      *logLevel
	uploaders  []*uploader.Uploader // by destination, as in cfg.Destinations
	keepers    []*uploader.Housekeeper
	reconciler *central.Reconciler // nil without a central server
	heartbeat  *central.Heartbeat
	assigned   *central.Assignments // nil unless central's cameras are recorded
	retention  *uploader.Retention
	disk       *outage.Outage // of the data directory and its ledger
	reader     ledgerReader
	leftovers  *outage.Outage // of the last run
	unset      *outage.Outage // of the host's clock
	journal    *journal.Journal
	status     *status.Server
	latencies  *status.Latencies
	counts     *counts
	stage      atomic.Pointer[string] // of start and stop; nil: it runs
	page       *page.Page
}

// runAgent runs the agent from start to drain. What is logged goes to events as well,
// unless that is nil.
func runAgent(ctx context.Context, cfg *config.Config, events zerolog.LevelWriter) error {
	hangup, stop := catchHangup() // a start can take minutes
	defer stop()
	log, level, closer := newLog(cfg.Log, events)
	defer closer.Close()
	defer countFinely()()
	log.Info().Str("version", version()).Str("config", cfg.Path).Str("data_dir", cfg.Agent.DataDir).Int("cameras", len(cfg.Cameras)).Msg("agent starts")
	for _, w := range cfg.Warnings {
		log.Warn().Msg(w)
	}
	happened, starting := journal.New(), func() {}
	defer func() { starting() }()
	start := func(after error) error {
		return startAndRun(ctx, cfg, systemClock(), hangup, log, level, past{happened, after, starting})
	}
	err := start(nil)
	var failing failedStart
	for renewed := renewable(err); renewed && err != nil && ctx.Err() == nil; err = start(err) {
		starting()
		starting = tellStarting(ctx, log)
		log.Warn().Err(err).Msg("agent starts anew")
		if renewable(err) {
			failing = failedStart{}
		} else if failing = failing.again(err, time.Now()); !failing.serveFailure(ctx, cfg, log) {
			break
		}
		cfg = loadAgain(cfg, log)
	}
	if err != nil {
		log.Error().Err(err).Msg("agent failed")
		return err
	}
	log.Info().Msg("agent has stopped; what is not uploaded yet waits on the disk")
	return nil
}

// renewAgain is the pause between attempts to start anew.
const renewAgain = 10 * time.Second

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// loadAgain reads the configuration for a new start; one that is not valid changes
// nothing.
func loadAgain(cfg *config.Config, log zerolog.Logger) *config.Config {
	now, err := loadIn(config.System(), cfg.Path)
	if err != nil {
		log.Error().Err(err).Msg("the configuration is not valid: the agent goes on with the one that it has")
		return cfg
	}
	return now
}

// startAndRun keeps to an order: lock and ledger, a look at what the last run has left, and
// only then cameras and uploads. What takes long of the rest goes on behind them. before is
// what is known of the runs before in this process.
func startAndRun(ctx context.Context, cfg *config.Config, clock spool.HostClock, hangup <-chan os.Signal, log zerolog.Logger, level *logLevel, before past) (err error) {
	a := &agent{cfg: cfg, hangup: hangup, log: log, level: level, now: clock.Now, started: clock.Now(), latencies: status.NewLatencies(), journal: before.journal}
	a.at("the ledger is opened")
	stopStatus := a.serveStatus(ctx)
	defer stopStatus()
	options := a.spoolOptions()
	options.Clock, options.Wanted, options.LedgerDamaged = &clock, a.wanted, errors.Is(before.failed, spool.ErrLedgerDamaged)
	if a.spool, err = spool.Open(ctx, options); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() {
		stopStatus() // its answers need the ledger
		err = errors.Join(err, a.spool.Close())
	}()
	a.at("it is looked what the last run left")
	found, err := a.spool.Prepare(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("look what the last run left: %w", err)
	}
	a.sayFound(found)
	a.noteStart(found, before.failed)
	a.unset = outage.New(log, "the host's clock is not set", a.now)
	a.disk = outage.New(log, "the data directory cannot be used", a.now)
	a.reader.trouble = outage.New(log, "the ledger cannot be read: the state is told as it was last known", a.now)
	a.leftovers = a.newLeftovers()
	a.build()
	before.over()
	return a.run(ctx)
}

func (a *agent) spoolOptions() spool.Options {
	o := spool.Options{Dir: a.cfg.Agent.DataDir, ClientName: a.cfg.Agent.ClientName, CameraName: a.cameraName, Log: a.log, Now: a.now}
	for _, d := range a.cfg.Destinations() {
		o.Destinations = append(o.Destinations, spool.Destination{Name: d.Name, Bucket: d.Bucket, Optional: !d.Required, Key: func(s spool.Segment) string {
			return config.RenderKey(d.Key, config.KeyValues{
				CameraID: s.CameraID, CameraName: s.CameraName, Client: s.ClientName, Segment: s.ID, Start: s.Start,
			})
		}})
	}
	return o
}

// cameraName is what the configuration calls a camera, or central.
func (a *agent) cameraName(id string) string {
	for _, c := range a.cfg.Cameras {
		if c.ID == id {
			return c.Name
		}
	}
	return central.KeptName(filepath.Join(a.cfg.Agent.DataDir, assignedFile), id)
}

// build makes the parts; none of them runs yet.
func (a *agent) build() {
	a.buildFleet()
	a.buildInbox()
	a.buildPage(a.buildUploaders())
	a.buildRetention()
	if a.cfg.Central.URL != "" {
		a.buildCentral()
	}
}

func (a *agent) buildUploaders() (stores []*s3.Store) {
	bandwidth := uploader.NewBandwidth(uploadLimits(a.cfg.Upload), a.now)
	for _, d := range a.cfg.Destinations() {
		stores = append(stores, a.buildUploader(d, bandwidth))
	}
	return stores
}

func (a *agent) buildRetention() {
	c := a.cfg.Retention
	a.retention = uploader.NewRetention(uploader.RetentionOptions{
		Files: a.spool, CentralConfigured: a.cfg.Central.URL != "", Anywhere: len(a.uploaders) > 0, Disk: a.spool.Disk, Log: a.log, Now: a.now,
		Inodes: a.spool.Inodes, Refused: a.spool.WasRefused, TakingIn: a.spool.TakingIn,
		Sending: func(id string) bool {
			return slices.ContainsFunc(a.uploaders, func(u *uploader.Uploader) bool { return u.Sending(id) })
		},
		Keep: uploader.Keep{
			AfterUpload: !c.DeleteAfterUpload, For: c.KeepFor, MaxAge: c.MaxAge, MaxBytes: c.MaxSize, MinFree: c.MinFree.Of, StopRecording: c.OnFull == "stop_recording",
		},
	})
}

func (a *agent) buildUploader(d config.Destination, bandwidth *uploader.Bandwidth) *s3.Store {
	so := storeOptions(d)
	so.Throttle, so.Now, so.Panics = bandwidth, a.now, a.fleet.panics.Own()
	store := s3.New(so)
	o := uploader.Options{
		Ledger: a.spool, Changed: a.spool.Subscribe(), Store: store, Destination: d.Name, Section: d.Section, Grace: uploadGrace, Log: a.log, Now: a.now,
		Parallel: a.cfg.Upload.Parallel, Backlog: float64(a.cfg.Upload.BacklogShare) / 100, Bandwidth: bandwidth,
		Latency: a.latencies.Verified(d.Name), Panics: a.fleet.panics.Own(),
	}
	if d.Live {
		o.Grown = a.spool.SubscribeGrowth()
	}
	a.uploaders = append(a.uploaders, uploader.New(o))
	a.keepers = append(a.keepers, &uploader.Housekeeper{
		Store: store, Ledger: a.spool, Destination: d.Name, Prefix: config.KeyPrefix(d.Key), Owner: a.ownKeys(d.Key), Log: a.log, Now: a.now,
		First: firstHousekeeping,
	})
	return store
}

// ownKeys tells the keys of this agent from those of others, by the cameras that it
// has when it is asked, whoever has assigned them, and those that its ledger knows.
func (a *agent) ownKeys(template string) func(ctx context.Context) (func(key string) bool, error) {
	return func(ctx context.Context) (func(key string) bool, error) {
		recorded, err := a.spool.Cameras(ctx)
		if err != nil {
			return nil, err
		}
		cameras := a.fleet.known()
		for id, name := range recorded {
			cameras = append(cameras, config.Camera{ID: id, Name: name})
		}
		return config.KeyOwner(template, a.cfg.Agent.ClientName, cameras), nil
	}
}

func storeOptions(d config.Destination) s3.Options {
	return s3.Options{
		Bucket: d.Bucket, Region: d.Region, Endpoint: d.Endpoint, PathStyle: d.PathStyle, CAFile: d.CAFile,
		AccessKeyID: d.AccessKeyID.Reveal(), Keys: func() (id, secret, token string) {
			return d.AccessKeyID.Current(), d.SecretAccessKey.Current(), d.SessionToken.Current()
		},
		PartSize: d.PartSize, Checksum: s3.Checksum(d.Checksum),
		StorageClass: d.StorageClass, Encryption: d.Encryption, KMSKeyID: d.KMSKeyID, LockMode: d.LockMode, LockDays: d.LockDays,
	}
}

func uploadLimits(c config.Upload) uploader.Limits {
	l := uploader.Limits{BytesPerSecond: c.MaxBandwidth}
	for _, w := range c.Windows {
		l.Windows = append(l.Windows, uploader.Window{
			From: w.From, To: w.To, BytesPerSecond: w.MaxBandwidth, PauseBacklog: w.PauseBacklog, PauseLive: w.PauseLive,
		})
	}
	return l
}

func (a *agent) buildCentral() {
	client := central.NewClient(central.Options{URL: a.cfg.Central.URL, Token: a.cfg.Central.Token.Reveal()})
	a.reconciler = central.NewReconciler(a.spool, a.spool.Subscribe(), client, a.log, a.now)
	a.reconciler.Latency = a.latencies.Completed()
	if len(a.uploaders) > 0 {
		a.reconciler.Arrived = a.uploaders[0].Arrived
	}
	a.heartbeat = &central.Heartbeat{
		Send: client.Heartbeat, Pulse: a.pulse, ClientID: a.cfg.Central.ClientID, Version: version(), Interval: a.cfg.Central.HeartbeatInterval, Log: a.log, Now: a.now,
	}
	if a.cfg.Central.Cameras {
		a.assigned = &central.Assignments{
			Fetch: client.Assigned, Deliver: a.fleet.assign, Zone: a.fleet.zoneNow, File: filepath.Join(a.cfg.Agent.DataDir, assignedFile),
			Interval: a.cfg.Central.SyncInterval, Log: a.log, Now: a.now, ClockSet: a.clockSet,
		}
		a.assigned.Load()
	}
}

// run lets the parts run until ctx ends, then stops them in order: the cameras
// finish their segments first, the rest follows. The error is renewable when the
// parts have to be started anew.
func (a *agent) run(stop context.Context) error {
	ctx, renew := context.WithCancelCause(stop)
	defer renew(nil)
	behind, stopBehind := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopBehind(nil)
	var rest errgroup.Group
	rest.Go(a.part(behind, "following what pages show", func() error { return a.page.Run(behind) }))
	rest.Go(a.part(behind, "telling systemd", func() error { return a.watchdog(behind) }))
	rest.Go(a.part(behind, "following the clock", func() error { return a.followClock(behind) }))
	rest.Go(a.part(behind, "following troubles", func() error { return a.followTroubles(behind) }))
	rest.Go(a.part(ctx, "following the host's sleep", func() error { return a.followSleep(ctx) }))
	rest.Go(a.part(ctx, "looking after the inbox", func() error { return a.runInbox(ctx) }))
	rest.Go(a.part(behind, "following the configuration", func() error { return watchConfig(behind, a.cfg.Path, a.cfg.Sum, a.hangup, a.log, a.apply) }))
	for _, u := range a.uploaders {
		rest.Go(a.part(behind, "uploading", func() error { return u.Run(behind) }))
	}
	for _, k := range a.keepers {
		rest.Go(a.part(behind, "keeping a store in order", func() error { return k.Run(behind) }))
	}
	rest.Go(a.part(behind, "making room", func() error { return a.retention.Run(behind) }))
	rest.Go(a.part(ctx, "watching the disk", func() error { return a.watchDisk(ctx, renew) }))
	rest.Go(a.part(ctx, "taking in what the last run has left", func() error { return a.takeIn(ctx) }))
	rest.Go(a.part(ctx, "reading what the last run has left", func() error { return a.spool.ReadThrough(ctx) }))
	rest.Go(a.part(behind, "deleting old rows of the ledger", func() error { return a.prune(behind) }))
	if a.reconciler != nil {
		rest.Go(a.part(behind, "reporting to central", func() error { return a.reconciler.Run(behind) }))
		rest.Go(a.part(behind, "sending heartbeats", func() error { return a.heartbeat.Run(behind) }))
	}
	if a.assigned != nil {
		rest.Go(a.part(behind, "following what central assigns", func() error { return a.assigned.Run(behind) }))
	}
	var cameras sync.WaitGroup
	cameras.Go(func() { a.fleet.run(ctx) })
	a.status.Started()
	a.at("")
	a.ready()
	<-ctx.Done()
	a.at("the agent stops")
	if stop.Err() != nil {
		a.stopping()
	}
	a.log.Info().Msg("agent stops: finishing open segments")
	cameras.Wait()
	stopBehind(context.Cause(ctx)) // uploads get their grace by it
	err := rest.Wait()
	if stop.Err() == nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}

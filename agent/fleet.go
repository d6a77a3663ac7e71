package main

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/agent/config"
	"recording-agent/capture"
	"recording-agent/capture/outage"
	"recording-agent/capture/panics"
	"recording-agent/capture/schedule"
	"recording-agent/capture/spool"
)

// fleet owns the cameras: what is wanted is one thing, what runs another, and it
// makes the second follow the first. A camera whose settings have not changed is
// never touched, and no two of the same id ever run at once.
type fleet struct {
	build func(s settings, plan *capture.Plan, away spool.Cause) (*capture.Camera, error)
	ended func(cameraID string) // a camera is not wanted any more, and has finished
	log   zerolog.Logger
	now   func() time.Time

	panics *panics.Book // of the cameras' code

	mu      sync.Mutex
	file    []config.Camera // of the configuration
	central []config.Camera // assigned by the central server
	cut     capture.Segmenting
	zone    *time.Location
	twice   map[string]bool // ids that are in both
	wanted  []wanted        // in the order in which cameras are shown
	resting chan struct{}   // no camera is to run while the host sleeps; closed when none does; nil: it is awake
	berths  map[string]*berth
	changed chan struct{} // one slot: there may be something to do
}

// settings are what a camera is built from: when they change, another is built.
type settings struct {
	camera config.Camera // without its schedules: a plan can change while its camera runs
	cut    capture.Segmenting
}

// hours are when a camera is to be recorded.
type hours struct {
	always    bool
	schedules []schedule.Schedule
	zone      *time.Location
}

// wanted is a camera as it should be.
type wanted struct {
	settings
	hours
}

// berth is where a camera of one id runs, one at a time.
type berth struct {
	wanted  wanted
	is      bool // wanted at all
	dropped bool // what runs or ran last was told to end, or had ended, because it was not
	plan    *capture.Plan
	camera  *capture.Camera // the last one; nil: none, or the end of it has been noted
	runs    settings        // what it was built from
	rests   bool            // what runs or ran last was told to end because the host is to sleep
	stop    func()          // it runs, though it may have been told to end, or its end is being noted; nil: nothing does
	away    spool.Cause     // why nothing runs
	fault   string          // why it cannot be built from these settings
	faulty  time.Time       // since when
}

func newFleet(log zerolog.Logger, now func() time.Time) *fleet {
	return &fleet{log: log, now: now, panics: panics.NewBook(log, now), berths: map[string]*berth{}, changed: make(chan struct{}, 1)}
}

// configure sets what the configuration says of cameras.
func (f *fleet) configure(cameras []config.Camera, cut capture.Segmenting, zone *time.Location) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.file, f.cut, f.zone = cameras, cut, zone
	f.want()
}

// assign sets the cameras that the central server has assigned.
func (f *fleet) assign(cameras []config.Camera) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.central = cameras
	f.want()
}

// zoneNow is whose clock the schedules mean.
func (f *fleet) zoneNow() *time.Location {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.zone
}

// berthOf names the berth of an id: UUIDs can be written in several ways, and on
// Windows directories that differ in case only are one.
func berthOf(id string) string {
	if u, err := uuid.Parse(id); err == nil {
		return u.String()
	}
	return strings.ToLower(id)
}

// want puts the two sources together: what is in both is as the configuration
// says, as a whole. The mutex is held.
func (f *fleet) want() {
	f.wanted = f.wanted[:0:0]
	seen, twice := map[string]bool{}, map[string]bool{}
	add := func(c config.Camera, always bool) {
		w := wanted{settings{c, f.cut}, hours{always, c.Schedules, f.zone}}
		w.camera.Schedules = nil
		f.wanted = append(f.wanted, w)
		seen[berthOf(c.ID)] = true
	}
	for _, c := range f.file {
		add(c, len(c.Schedules) == 0)
	}
	for _, c := range f.central {
		if !seen[berthOf(c.ID)] {
			add(c, false)
			continue
		}
		twice[c.ID] = true
		if !f.twice[c.ID] {
			f.log.Info().Str("camera", c.ID).Msg("camera is in the configuration and assigned by central: the configuration's settings and schedules are taken")
		}
	}
	f.twice = twice
	f.moor()
	f.hint()
}

// moor gives each wanted camera a berth and the plan that it should have. The
// mutex is held.
func (f *fleet) moor() {
	is := map[string]bool{}
	for _, w := range f.wanted {
		id := berthOf(w.camera.ID)
		is[id] = true
		b, known := f.berths[id]
		if !known {
			b = &berth{plan: capture.NewPlan(nil), away: capture.NotWanted}
			f.berths[id] = b
		}
		if !reflect.DeepEqual(b.wanted.settings, w.settings) {
			b.fault = ""
		}
		f.plan(b, w, known && b.is)
		b.wanted, b.is = w, true
	}
	for id, b := range f.berths {
		if !is[id] && b.is {
			b.is = false
			b.plan.Forget()
			f.log.Info().Str("camera", b.wanted.camera.ID).Str("name", b.wanted.camera.Name).Msg("camera is not wanted any more: its segment is finished")
		}
	}
}

// plan lets a berth's plan follow its hours. before says that it had others.
func (f *fleet) plan(b *berth, w wanted, before bool) {
	was, is := b.wanted.hours, w.hours
	if before && was.always == is.always && was.zone.String() == is.zone.String() && slices.Equal(was.schedules, is.schedules) {
		return
	}
	log := f.log.With().Str("camera", w.camera.ID).Str("name", w.camera.Name).Logger()
	var set *schedule.Set
	if !is.always {
		var err error
		if set, err = schedule.NewSet(is.zone, is.schedules); err != nil { // they have been validated
			log.Error().Err(err).Msg("the camera's schedules cannot be used; it keeps those it has")
			return
		}
	}
	b.plan.Set(set)
	if before {
		log.Info().Int("schedules", len(is.schedules)).Bool("always", is.always).Msg("camera has other schedules")
	}
}

// run lets the cameras run until ctx ends, and waits until each has finished.
func (f *fleet) run(ctx context.Context) {
	f.mu.Lock()
	for _, b := range f.berths {
		b.away = "" // those of the start: the agent was away
	}
	f.mu.Unlock()
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		_ = f.panics.Own().Guard("following what is to be recorded", func() { f.follow(ctx, &running) }) // the cameras that run go on
		select {
		case <-ctx.Done():
		case <-f.changed:
		}
	}
}

// follow ends and starts what has to be.
func (f *fleet) follow(ctx context.Context, running *sync.WaitGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, b := range f.berths {
		switch {
		case b.stop != nil && !(b.is && f.resting == nil && reflect.DeepEqual(b.runs, b.wanted.settings)):
			b.stop() // left makes room for what is to come
			b.dropped, b.rests = b.dropped || !b.is, b.rests || f.resting != nil
		case b.stop == nil && !b.is && b.camera != nil:
			b.dropped = true
			f.end(b, running)
		case b.stop == nil && !b.is:
			delete(f.berths, id)
		}
	}
	if f.rested() {
		return
	}
	for _, w := range f.wanted {
		if b := f.berths[berthOf(w.camera.ID)]; b.stop == nil && b.fault == "" {
			f.start(ctx, b, running)
		}
	}
}

// start lets the camera of a berth run. The mutex is held.
func (f *fleet) start(ctx context.Context, b *berth, running *sync.WaitGroup) {
	s := b.wanted.settings
	camera, err := f.buildSafely(s, b.plan, b.away)
	if err != nil {
		b.fault, b.faulty = err.Error(), f.now()
		f.log.Error().Err(err).Str("camera", s.camera.ID).Str("name", s.camera.Name).Msg("camera cannot be recorded; correct its settings")
		if panicked := (*panics.Error)(nil); errors.As(err, &panicked) { // perhaps not the next time
			f.buildAgain(ctx, b, running)
		}
		return
	}
	switch b.away {
	case capture.NotWanted:
		f.log.Info().Str("camera", s.camera.ID).Str("name", s.camera.Name).Msg("camera is new")
	case spool.Reconfigured:
		f.log.Info().Str("camera", s.camera.ID).Str("name", s.camera.Name).Msg("camera has other settings: it is connected to anew")
	}
	ctx, stop := context.WithCancel(ctx)
	b.camera, b.runs, b.stop, b.dropped, b.rests = camera, s, stop, false, false
	running.Go(func() {
		_ = f.panics.Of(s.camera.ID).Guard("running the camera", func() { camera.Run(ctx) }) // it lets none out; if it did, the next one takes its berth
		stop()
		f.left(b)
	})
}

// end has it noted that the camera of a berth is not wanted any more. The ledger
// may be slow: only the next camera of the same id waits for it. The mutex is held.
func (f *fleet) end(b *berth, running *sync.WaitGroup) {
	b.camera, b.stop = nil, func() {}
	running.Go(func() {
		id := b.runs.camera.ID
		_ = f.panics.Of(id).Guard("noting the end of a camera", func() { f.ended(id) })
		f.left(b)
	})
}

// left notes that the camera of a berth has finished.
func (f *fleet) left(b *berth) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b.stop, b.away = nil, spool.Reconfigured
	switch {
	case b.dropped:
		b.away = capture.NotWanted
	case b.rests:
		b.away = spool.HostAsleep
	}
	f.hint()
}

func (f *fleet) hint() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// statuses are the conditions of the wanted cameras.
func (f *fleet) statuses() (out []capture.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.wanted {
		out = append(out, f.status(w))
	}
	return out
}

func (f *fleet) status(w wanted) capture.Status {
	b := f.berths[berthOf(w.camera.ID)]
	s := capture.Status{State: capture.Waiting, LastError: b.fault}
	switch {
	case b.fault != "":
		s.Trouble = outage.Trouble{Cause: b.fault, Remedy: "correct the camera's settings", Since: b.faulty}
	case b.camera != nil:
		s = b.camera.Status()
	}
	s.ID, s.Name = w.camera.ID, w.camera.Name
	return s
}

// camera is the one that runs, or ran last, under an id; nil if none ever did.
func (f *fleet) camera(id string) *capture.Camera {
	f.mu.Lock()
	defer f.mu.Unlock()
	if b := f.berths[berthOf(id)]; b != nil {
		return b.camera
	}
	return nil
}

// found is one of the wanted cameras.
type found struct {
	always bool
	plan   *capture.Plan
	shown  capture.Status
}

func (f *fleet) find(id string) (found, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.wanted {
		if berthOf(w.camera.ID) == berthOf(id) {
			return found{w.always, f.berths[berthOf(id)].plan, f.status(w)}, true
		}
	}
	return found{}, false
}

// known are the settings of the wanted cameras.
func (f *fleet) known() (out []config.Camera) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.wanted {
		out = append(out, w.camera)
	}
	return out
}

// scheduled is a schedule that is in force, and whose it is.
type scheduled struct {
	schedule.Schedule
	camera config.Camera
}

// schedules are those that are in force.
func (f *fleet) schedules() (out []scheduled) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.wanted {
		for _, s := range w.hours.schedules {
			if s.Active {
				out = append(out, scheduled{s, w.camera})
			}
		}
	}
	return out
}

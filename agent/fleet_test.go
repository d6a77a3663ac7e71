package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/config"
	"recording-agent/capture"
	"recording-agent/capture/media"
	"recording-agent/capture/schedule"
	"recording-agent/capture/spool"
)

var testParams = media.ParameterSets{
	SPS: []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20},
	PPS: []byte{0x68, 0xcb, 0x8c, 0xb2},
}

// yard is a fleet whose cameras are scripts, on a real spool.
type yard struct {
	t     *testing.T
	fleet *fleet
	spool *spool.Spool
	log   bytes.Buffer

	mu       sync.Mutex
	running  map[string]int // sessions, by berth
	sessions map[string]int
	sent     map[string]int64 // pictures
	lasting  time.Duration    // how long a session takes to end
}

func newYard(t *testing.T) *yard {
	t.Helper()
	y := &yard{t: t, running: map[string]int{}, sessions: map[string]int{}, sent: map[string]int64{}}
	var err error
	if y.spool, err = spool.Open(t.Context(), spool.Options{Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	log := zerolog.New(zerolog.SyncWriter(&y.log))
	y.fleet = newFleet(log, time.Now)
	buffers := capture.NewBuffers()
	y.fleet.build = func(s settings, plan *capture.Plan, away spool.Cause) (*capture.Camera, error) {
		if strings.Contains(s.camera.Name, "impossible") {
			return nil, errors.New("no such camera")
		}
		return capture.New(capture.Options{
			ID: s.camera.ID, Name: s.camera.Name, ClientName: "host", Plan: plan, Away: away, Segmenting: s.cut, Spool: y.spool, Buffers: buffers, Log: log, Now: time.Now,
			Stream: func(ctx context.Context, r *capture.Recorder) error { return y.play(ctx, r, s.camera.ID) },
		}), nil
	}
	y.fleet.ended = func(id string) {
		if err := y.spool.GapClosed(context.Background(), id, time.Now()); err != nil {
			t.Error(err)
		}
	}
	return y
}

// play is a session: 25 pictures a second, each fifth a key frame.
func (y *yard) play(ctx context.Context, r *capture.Recorder, id string) error {
	y.mu.Lock()
	y.running[berthOf(id)]++
	y.sessions[id]++
	if y.running[berthOf(id)] > 1 {
		y.t.Errorf("camera %s runs twice at once", id)
	}
	y.mu.Unlock()
	defer func() {
		time.Sleep(y.lasting)
		y.mu.Lock()
		y.running[berthOf(id)]--
		y.mu.Unlock()
	}()
	if err := r.Start([]media.Track{{Codec: media.H264, ClockRate: 90000, Video: testParams}}); err != nil {
		return err
	}
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for i := int64(0); ; i++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		s := &media.Sample{DTS: i * 3600, PTS: i * 3600, Wall: time.Now(), Sync: i%5 == 0, Units: [][]byte{bytes.Repeat([]byte{0x41, byte(i)}, 100)}}
		if err := r.Write(s); err != nil {
			return err
		}
		y.mu.Lock()
		y.sent[id]++
		y.mu.Unlock()
	}
}

// run runs the fleet during something.
func (y *yard) run(during func()) {
	y.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { y.fleet.run(ctx) })
	during()
	stop()
	running.Wait()
	for id, n := range y.running {
		if n != 0 {
			y.t.Errorf("camera %s runs on", id)
		}
	}
}

func (y *yard) configure(cameras ...config.Camera) {
	y.fleet.configure(cameras, capture.Segmenting{Duration: 10 * time.Second, Part: time.Second, Sync: 2 * time.Second}, time.UTC)
}

// recorded counts the pictures in a camera's finished segments.
func (y *yard) recorded(id string) (n int64) {
	y.t.Helper()
	segments, err := y.spool.Segments(y.t.Context(), spool.Finished)
	if err != nil {
		y.t.Fatal(err)
	}
	for _, s := range segments {
		if s.CameraID == id {
			n += s.Frames
		}
	}
	return n
}

func (y *yard) gaps(id string) []spool.Gap {
	y.t.Helper()
	gaps, err := y.spool.Gaps(y.t.Context(), id)
	if err != nil {
		y.t.Fatal(err)
	}
	return gaps
}

func (y *yard) states() (out []string) {
	for _, s := range y.fleet.statuses() {
		out = append(out, s.ID+": "+string(s.State))
	}
	return out
}

func camera(id, name string, schedules ...schedule.Schedule) config.Camera {
	return config.Camera{ID: id, Name: name, Transport: "tcp", Audio: true, Schedules: schedules}
}

// hourly is a daily schedule of one hour, in UTC; the bubble's time begins at midnight.
func hourly(id string, hour int) schedule.Schedule {
	start := time.Duration(hour) * time.Hour
	return schedule.Schedule{ID: id, Kind: schedule.Daily, Start: start, End: start + time.Hour, Active: true}
}

func inBubble(t *testing.T, test func(t *testing.T, y *yard)) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t)
		defer func() {
			if err := y.spool.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(t, y)
	})
}

// A camera whose settings change is connected to anew; the others lose nothing.
func TestOnlyWhatChangedIsTouched(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		y.lasting = 2 * time.Second
		y.configure(camera("gate", "Gate"), camera("lane", "Lane"), camera("shed", "Shed"))
		y.run(func() {
			time.Sleep(15 * time.Second)
			changed := camera("lane", "Lane")
			changed.Audio = false
			for range 3 { // the last one counts
				changed.Name += "!"
				y.configure(camera("gate", "Gate"), changed, camera("barn", "Barn"))
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(15 * time.Second)
			if got, want := y.states(), []string{"gate: recording", "lane: recording", "barn: recording"}; !slices.Equal(got, want) {
				t.Errorf("states %v, want %v", got, want)
			}
		})
		for id, sessions := range map[string]int{"gate": 1, "lane": 2, "shed": 1, "barn": 1} {
			if y.sessions[id] != sessions || y.recorded(id) != y.sent[id] {
				t.Errorf("camera %s: %d sessions, want %d; %d pictures recorded, %d sent", id, y.sessions[id], sessions, y.recorded(id), y.sent[id])
			}
		}
		if sent := y.sent["gate"]; sent < 740 {
			t.Errorf("%d pictures sent", sent)
		}
		for _, g := range y.gaps("gate") {
			if g.End.Sub(g.Start) > time.Second {
				t.Errorf("gap of the camera that did not change: %+v", g)
			}
		}
		gaps := y.gaps("lane")
		if g := gaps[len(gaps)-1]; g.Cause != spool.Reconfigured || g.End.Sub(g.Start) < time.Second || g.End.Sub(g.Start) > 3*time.Second {
			t.Errorf("gap of the camera that changed: %+v", g)
		}
		if status := y.fleet.statuses()[1]; status.Name != "Lane!!!" {
			t.Errorf("the changed camera: %+v", status)
		}
	})
}

// A camera that is not wanted finishes its segment, and while it is away nothing
// is missing of it.
func TestCameraGoesAndComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		y.lasting = 3 * time.Second
		gate, lane := camera("gate", "Gate"), camera("lane", "Lane")
		y.configure(gate, lane)
		y.run(func() {
			time.Sleep(15 * time.Second)
			y.configure(gate)
			time.Sleep(5 * time.Second)
			y.mu.Lock()
			sent := y.sent["lane"]
			y.mu.Unlock()
			if y.recorded("lane") != sent {
				t.Errorf("%d pictures recorded, %d sent", y.recorded("lane"), sent)
			}
			time.Sleep(5 * time.Minute)
			y.configure(gate, lane)
			time.Sleep(15 * time.Second)
			y.configure(gate) // and again at once: the old one still finishes
			time.Sleep(time.Second)
			y.configure(gate, lane)
			time.Sleep(15 * time.Second)
		})
		if y.sessions["lane"] != 3 || y.sessions["gate"] != 1 || y.recorded("lane") != y.sent["lane"] || y.recorded("gate") != y.sent["gate"] {
			t.Errorf("sessions %v, sent %v", y.sessions, y.sent)
		}
		for _, g := range y.gaps("lane") {
			if g.End.Sub(g.Start) > time.Second || g.End.IsZero() {
				t.Errorf("gap %+v", g)
			}
		}
	})
}

// Other schedules are another plan, not another camera.
func TestSchedulesChangeWithoutANewSession(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		y.configure(camera("gate", "Gate"))
		y.run(func() {
			time.Sleep(30 * time.Second)
			y.configure(camera("gate", "Gate", hourly("", 0)))
			time.Sleep(30 * time.Second)
			y.configure(camera("gate", "Gate", hourly("", 5)))
			time.Sleep(30 * time.Second)
			if got := y.states(); !slices.Equal(got, []string{"gate: off schedule"}) {
				t.Errorf("states %v", got)
			}
			y.fleet.configure([]config.Camera{camera("gate", "Gate", hourly("", 5))}, y.fleet.cut, time.FixedZone("plus five", 5*3600))
			time.Sleep(30 * time.Second)
			if got := y.states(); !slices.Equal(got, []string{"gate: recording"}) {
				t.Errorf("states %v after the zone has changed", got)
			}
		})
		if y.sessions["gate"] != 2 {
			t.Errorf("%d sessions, want one for each stretch of time", y.sessions["gate"])
		}
	})
}

// What is in both is as the configuration says, whichever came first and however
// the id is written; when it leaves the configuration it is central's.
func TestConfigurationWinsOverCentral(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		const id, other = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
		y.configure(camera(strings.ToUpper(id), "Configured"))
		y.run(func() {
			for range 3 {
				y.fleet.assign([]config.Camera{camera(id, "Assigned", hourly("a", 5)), camera(other, "Other")})
				time.Sleep(10 * time.Second)
			}
			if got, want := y.states(), []string{strings.ToUpper(id) + ": recording", other + ": off schedule"}; !slices.Equal(got, want) {
				t.Errorf("states %v, want %v", got, want)
			}
			y.configure()
			time.Sleep(10 * time.Second)
			if got, want := y.states(), []string{id + ": off schedule", other + ": off schedule"}; !slices.Equal(got, want) {
				t.Errorf("states %v, want %v", got, want)
			}
		})
		if n := strings.Count(y.log.String(), "the configuration's settings and schedules are taken"); n != 1 {
			t.Errorf("said %d times:\n%s", n, y.log.String())
		}
	})
}

// A camera that cannot be built is shown, and does not stop the others.
func TestCameraThatCannotBeBuilt(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		y.configure(camera("gate", "impossible"), camera("lane", "Lane"))
		y.run(func() {
			for range 5 {
				y.fleet.assign(nil)
				time.Sleep(2 * time.Second)
			}
			if got, want := y.states(), []string{"gate: waiting", "lane: recording"}; !slices.Equal(got, want) || y.fleet.statuses()[0].LastError == "" {
				t.Errorf("states %v, want %v", got, want)
			}
			y.configure(camera("gate", "possible"), camera("lane", "Lane"))
			time.Sleep(2 * time.Second)
			if got, want := y.states(), []string{"gate: recording", "lane: recording"}; !slices.Equal(got, want) {
				t.Errorf("states %v, want %v", got, want)
			}
		})
		if n := strings.Count(y.log.String(), "cannot be recorded"); n != 1 {
			t.Errorf("said %d times:\n%s", n, y.log.String())
		}
	})
}

// What is recorded by hand survives other settings and schedules, and not that the
// camera is taken away.
func TestRecordingByHandAcrossChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		later := camera("gate", "Gate", hourly("", 5))
		y.configure(later)
		y.run(func() {
			time.Sleep(time.Second)
			b, known := y.fleet.find("GATE")
			if !known || b.always || !b.plan.Begin(time.Now(), 0) {
				t.Fatalf("found %+v, %v", b, known)
			}
			time.Sleep(5 * time.Second)
			other := later
			other.Audio = false
			other.Schedules = []schedule.Schedule{hourly("", 6)}
			y.configure(other)
			time.Sleep(5 * time.Second)
			if got := y.states(); !slices.Equal(got, []string{"gate: recording"}) {
				t.Errorf("states %v", got)
			}
			y.configure()
			if _, known := y.fleet.find("gate"); known {
				t.Error("a camera that is not wanted is found")
			}
			y.configure(other)
			time.Sleep(5 * time.Second)
			if got := y.states(); !slices.Equal(got, []string{"gate: off schedule"}) {
				t.Errorf("states %v", got)
			}
		})
	})
}

// A slow ledger holds up neither those who ask nor other cameras, and the next
// camera of the same id begins only after what is noted of the last one.
func TestSlowLedgerHoldsUpNobody(t *testing.T) {
	y := newYard(t)
	noting, slow := make(chan struct{}), make(chan struct{})
	note := y.fleet.ended
	y.fleet.ended = func(id string) {
		close(noting)
		<-slow
		note(id)
	}
	sent := func(id string) int64 {
		y.mu.Lock()
		defer y.mu.Unlock()
		return y.sent[id]
	}
	within := func(what string, is func() bool) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for !is() {
				time.Sleep(10 * time.Millisecond)
			}
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			close(slow)
			t.Fatal("not in time: " + what)
		}
	}
	gate, shed := config.Camera{ID: "gate"}, config.Camera{ID: "shed"}
	y.configure(gate)
	y.run(func() {
		within("the camera records", func() bool { return sent("gate") > 0 })
		y.configure()
		<-noting
		within("the state", func() bool { return len(y.fleet.statuses()) == 0 })
		before := sent("gate")
		within("other cameras", func() bool {
			y.configure(gate, shed)
			return sent("shed") > 0
		})
		if sent("gate") != before {
			t.Error("the camera has begun again while the end of the last one was being noted")
		}
		y.fleet.ended = note
		close(slow)
		within("the camera records again", func() bool { return sent("gate") > before })
	})
}

// What is missing of a recording by hand while its camera is connected to anew is
// accounted for as well.
func TestOtherSettingsWhileRecordedByHand(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		y.lasting = 4 * time.Second
		y.configure(camera("a", "Gate", hourly("x", 20)))
		y.run(func() {
			time.Sleep(5 * time.Second)
			if b, _ := y.fleet.find("a"); !b.plan.Begin(time.Now(), 0) {
				t.Error("it is not recorded by hand")
			}
			time.Sleep(30 * time.Second)
			y.configure(camera("a", "Front gate", hourly("x", 20)))
			time.Sleep(30 * time.Second)
		})
		gaps := y.gaps("a")
		if n := len(gaps); n != 2 || gaps[1].Cause != spool.Reconfigured || gaps[1].End.Sub(gaps[1].Start) < 4*time.Second {
			t.Errorf("gaps %+v", gaps)
		}
	})
}

// A camera that is given back before anything was told to end is as if it had never
// been taken away: what is missing of it later is accounted for.
func TestGivenBackAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		y.lasting = 4 * time.Second
		y.configure(camera("a", "Gate"))
		y.run(func() {
			time.Sleep(30 * time.Second)
			y.fleet.mu.Lock()
			file := y.fleet.file
			y.fleet.file = nil
			y.fleet.want()
			y.fleet.file = file
			y.fleet.want()
			y.fleet.mu.Unlock()
			time.Sleep(10 * time.Second)
			if y.sessions["a"] != 1 {
				t.Errorf("%d sessions", y.sessions["a"])
			}
			y.configure(camera("a", "Front gate"))
			time.Sleep(30 * time.Second)
		})
		gaps := y.gaps("a")
		if n := len(gaps); n == 0 || gaps[n-1].Cause != spool.Reconfigured || gaps[n-1].End.Sub(gaps[n-1].Start) < 4*time.Second {
			t.Errorf("gaps %+v", gaps)
		}
	})
}

// The ledger may know of times that are ahead of a clock that was set back.
func TestOtherSettingsBehindTheLedger(t *testing.T) {
	inBubble(t, func(t *testing.T, y *yard) {
		y.lasting = 4 * time.Second
		anew, ahead := time.Now().Add(30*time.Second), time.Now().Add(10*365*24*time.Hour)
		if err := y.spool.GapBetween(t.Context(), "a", ahead, ahead.Add(time.Minute), spool.Stalled, ""); err != nil {
			t.Fatal(err)
		}
		y.configure(camera("a", "Gate"))
		y.run(func() {
			time.Sleep(30 * time.Second)
			y.configure(camera("a", "Front gate"))
			time.Sleep(30 * time.Second)
		})
		gaps := y.gaps("a")
		if !slices.ContainsFunc(gaps, func(g spool.Gap) bool {
			return g.Start.Sub(anew).Abs() < time.Second && g.End.Sub(anew) > 3*time.Second
		}) {
			t.Errorf("gaps %+v", gaps)
		}
	})
}

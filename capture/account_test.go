package capture

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/panics"
	"recording-agent/capture/schedule"
	"recording-agent/capture/spool"
)

var (
	lives     = flag.Int("lives", 3, "how many random lives of a camera are lived")
	firstLife = flag.Uint64("life", 1, "the seed of the first")
)

// Whatever happens to a camera, each moment of its windows is footage or a gap, once:
// sessions that end, stall, are damaged or bring sound only, panics, pictures out of order, few,
// in bursts or late, a disk that stands still or fails, clocks that are set, ends and
// kills of the agent between any two steps.
func TestEachMomentIsFootageOrAGap(t *testing.T) {
	for i := range uint64(*lives) {
		seed := *firstLife + i
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newLife(t, seed).live() })
		})
	}
}

// life is one camera on one host, over several runs of the agent.
type life struct {
	t      *testing.T
	random dice // of the agent and its host
	camera dice // of the camera: it has a goroutine of its own
	dir    string
	booted time.Time
	plan   *schedule.Set // nil: always
	off    atomic.Int64  // by how much the host's clock was set so far
	fuse   atomic.Int64  // times that the camera's code may ask for the time, until it panics; below 1: any number

	mu       sync.Mutex
	steps    []span // of the host's clock: what never was, or was twice
	pictures []time.Time
	story    strings.Builder
	frame    time.Duration // the longest between pictures
	killed   bool
}

type span struct{ from, to time.Time }

// A camera that is taken away and given back within seconds does not record what its
// last picture was to last for a second time.
func TestGivenBackWithinTheLastPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		slow := func(away spool.Cause) {
			p := &script{}
			o := b.options(func(ctx context.Context, r *Recorder) error {
				return p.play(ctx, r, 1<<30, func(i int, s *media.Sample) {
					s.DTS, s.PTS, s.Sync = s.DTS*75, s.PTS*75, true
					if i > 0 {
						sleep(ctx, 3*time.Second-frameTime)
						s.Wall = time.Now()
					}
				})
			})
			o.Away = away
			b.run(New(o))
			sleep(t.Context(), 10*time.Second)
			b.end()
		}
		slow("")
		slow(NotWanted)
		segs := b.segments(spool.Finished)
		for i := 1; i < len(segs); i++ {
			if segs[i].Start.Before(segs[i-1].End) {
				t.Errorf("the segment of %v begins before the one of %v has ended, at %v", segs[i].Start, segs[i-1].Start, segs[i-1].End)
			}
		}
	})
}

func newLife(t *testing.T, seed uint64) *life {
	l := &life{t: t, random: dice{rand.New(rand.NewPCG(seed, 1))}, camera: dice{rand.New(rand.NewPCG(seed, 2))}, dir: t.TempDir(), booted: time.Now()}
	l.off.Store(int64(time.Until(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)))) // that of a bubble begins before the agent's time
	if l.random.IntN(3) > 0 {
		var windows []schedule.Schedule
		for at := l.random.upTo(30 * time.Second); at < 20*time.Minute; {
			length := 2*time.Second + l.random.upTo(time.Minute)
			windows = append(windows, schedule.Schedule{ID: fmt.Sprint(len(windows)), Kind: schedule.Daily, Start: at, End: at + length, Active: true})
			at += length + 500*time.Millisecond + l.random.upTo([]time.Duration{3 * time.Second, 30 * time.Second}[l.random.IntN(2)])
		}
		l.plan = set(t, windows...)
	}
	return l
}

func (l *life) now() time.Time { return time.Now().Add(time.Duration(l.off.Load())) }

// fused is the clock of the camera's code, which panics when its fuse has burnt down.
func (l *life) fused() time.Time {
	if l.fuse.Add(-1) == 0 {
		panic("the fuse has burnt down")
	}
	return l.now()
}

type dice struct{ *rand.Rand }

func (d dice) upTo(limit time.Duration) time.Duration { return time.Duration(d.Int64N(int64(limit))) }
func (d dice) chance(percent int) bool                { return d.IntN(100) < percent }

func (l *life) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.story, "%s %s\n", l.now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}

// live lives several runs, and looks at what is left.
func (l *life) live() {
	for range 1 + l.random.IntN(4) {
		l.run()
		time.Sleep(l.random.upTo(20 * time.Second))
		if l.random.chance(20) {
			l.setClock()
		}
	}
	s := l.open()
	defer s.Close()
	l.check(s, true)
	if l.t.Failed() {
		l.t.Log("\n" + l.story.String())
	}
}

func (l *life) open() *spool.Spool {
	s, err := spool.Open(context.Background(), spool.Options{Dir: l.dir, ClientName: "host", Log: zerolog.Nop(), Now: l.now, Clock: &spool.HostClock{
		Now: l.now, Uptime: func() time.Duration { return time.Since(l.booted) }, Boot: "the only one", Synced: func() (yes, known bool) { return true, true },
	}})
	if err == nil {
		_, err = s.Recover(context.Background())
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// run is one run of the agent.
func (l *life) run() {
	m := &mortal{Spool: l.open(), life: l, left: -1}
	l.say("the agent starts")
	said := l.off.Load()
	c := New(Options{
		ID: testCamera, Name: "Front gate", ClientName: "host", Stream: l.session, Plan: NewPlan(l.plan), Spool: m, Buffers: NewBuffers(),
		Segmenting: Segmenting{Duration: 10 * time.Second, Part: time.Second, Sync: 2 * time.Second}, Log: zerolog.Nop(), Now: l.fused,
		Panics: panics.NewBook(zerolog.Nop(), l.now),
	})
	c.recorder.step = func(time.Time, time.Time) time.Duration {
		step := l.off.Load() - said
		said += step
		return time.Duration(step)
	}
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { c.Run(ctx) })
	done.Go(func() { m.followClock(ctx) })
	for range 1 + l.random.IntN(4) {
		time.Sleep(l.random.upTo(40 * time.Second))
		switch l.random.IntN(8) {
		case 0:
			l.setClock()
		case 1:
			d := l.random.upTo(60 * time.Second)
			l.say("the disk stands still for %v", d)
			m.stall(d)
		case 2:
			d := l.random.upTo(20 * time.Second)
			l.say("the disk fails for %v", d)
			m.fail(d)
		case 3:
			n := 1 + l.random.Int64N(2000)
			l.say("the camera's code panics when it has asked for the time %d times", n)
			l.fuse.Store(n)
		}
	}
	switch l.random.IntN(3) {
	case 0:
		l.say("the agent ends")
	case 1:
		synctest.Wait()
		m.kill()
	case 2:
		m.arm(l.random.IntN(8))
		time.Sleep(l.random.upTo(30 * time.Second))
	}
	stop()
	done.Wait()
	if err := m.Close(); err != nil {
		l.t.Fatal(err)
	}
	if m.copied != "" {
		l.dir = m.copied
	}
}

func (l *life) setClock() {
	by := 200*time.Millisecond + l.random.upTo([]time.Duration{2 * time.Second, time.Minute}[l.random.IntN(2)])
	before := l.now()
	if l.random.chance(40) {
		by = -by
	}
	l.off.Add(int64(by))
	l.mu.Lock()
	l.steps = append(l.steps, span{before, before.Add(by)})
	l.mu.Unlock()
	l.say("the clock was set by %v", by)
}

// session is one session of the camera, of random nature.
func (l *life) session(ctx context.Context, r *Recorder) error {
	if !sleep(ctx, l.camera.upTo(2*time.Second)) {
		return ctx.Err()
	}
	if l.camera.chance(25) {
		l.say("the camera refuses")
		return errors.New("refused")
	}
	tracks := testTracks()
	sound := l.camera.chance(50)
	if sound {
		tracks = append(tracks, media.Track{Codec: media.PCMU, ClockRate: 8000, ChannelCount: 1, SampleRate: 8000})
	}
	if err := r.Start(tracks); err != nil {
		return err
	}
	every := []time.Duration{40 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}[l.camera.IntN(4)]
	l.mu.Lock()
	l.frame = max(l.frame, every)
	l.mu.Unlock()
	c := &cam{life: l, r: r, every: every, group: 1 + l.camera.IntN(int(max(2, 4*time.Second/every))), reorder: l.camera.chance(40), sound: sound, latency: l.camera.upTo(400 * time.Millisecond)}
	l.say("a session: a picture each %v, %d in a group, reordered %v, sound %v, %v late", c.every, c.group, c.reorder, c.sound, c.latency)
	if l.camera.chance(25) {
		l.say("a burst")
		for range 1 + l.camera.IntN(100) {
			if err := c.picture(); err != nil {
				return err
			}
		}
		if l.camera.chance(50) {
			return errors.New("ended after a burst")
		}
	}
	for left := 1 + l.camera.IntN(6); left > 0; left-- {
		for until := time.Now().Add(l.camera.upTo(20 * time.Second)); time.Now().Before(until); {
			if !sleep(ctx, c.every) {
				return ctx.Err()
			}
			if err := c.picture(); err != nil {
				return err
			}
		}
		switch l.camera.IntN(4) {
		case 0:
			d := l.camera.upTo(12 * time.Second)
			l.say("the pictures pause for %v", d)
			for until := time.Now().Add(d); time.Now().Before(until); {
				if !sleep(ctx, 300*time.Millisecond) {
					return ctx.Err()
				}
				if err := c.hear(); err != nil {
					return err
				}
			}
			c.skip(d)
			if l.camera.chance(30) {
				return errors.New("stalled")
			}
		case 1:
			l.say("damage")
			r.Damaged("packets are missing")
			c.torn = true
		case 2:
			l.say("damage, and a pause")
			r.Damaged("packets are missing")
			c.torn = true
			d := l.camera.upTo(8 * time.Second)
			if !sleep(ctx, d) {
				return ctx.Err()
			}
			c.skip(d)
		}
	}
	l.say("the session ends")
	return errors.New("ended")
}

// cam sends pictures.
type cam struct {
	life           *life
	r              *Recorder
	every, latency time.Duration
	group          int
	reorder, sound bool
	torn           bool
	n              int
	dts            time.Duration
	heard          time.Duration
}

func (c *cam) skip(d time.Duration) { c.dts += d }

func (c *cam) hear() error {
	if !c.sound {
		return nil
	}
	c.heard = max(c.heard+20*time.Millisecond, c.dts)
	at := media.Ticks(c.heard, 8000)
	return c.r.Write(&media.Sample{Track: 1, DTS: at, PTS: at, Wall: c.life.now(), Units: [][]byte{make([]byte, 160)}})
}

func (c *cam) picture() error {
	c.dts += c.every
	at := c.n % c.group
	c.n++
	pts := c.dts
	if c.reorder && at > 0 { // decoded P B B, shown B B P; a group's last pictures are not shown behind the next group's first
		switch (at - 1) % 3 {
		case 0:
			pts += 2 * c.every
			if at+2 >= c.group {
				pts = c.dts
			}
		default:
			pts -= c.every
			if at-(at-1)%3+2 >= c.group {
				pts = c.dts
			}
		}
	}
	if at == 0 {
		c.torn = false
	}
	if c.torn {
		return nil
	}
	wall := c.life.now().Add(-c.latency + pts - c.dts)
	s := &media.Sample{
		DTS: media.Ticks(c.dts, 90000), PTS: media.Ticks(c.dts+2*c.every, 90000) + media.Ticks(pts-c.dts, 90000), Wall: wall, Sync: at == 0,
		Units: [][]byte{make([]byte, 300)},
	}
	c.life.mu.Lock()
	c.life.pictures = append(c.life.pictures, wall)
	c.life.mu.Unlock()
	if err := c.r.Write(s); err != nil {
		return err
	}
	return c.hear()
}

// mortal is a spool on a disk that may stand still or fail, and that is killed before
// one of its verbs: what is on the disk then is copied, and is where the next run begins.
type mortal struct {
	*spool.Spool
	life   *life
	mu     sync.Mutex
	left   int // verbs until it is killed; below 0: it is not
	copied string
	still  time.Time
	broken time.Time
}

func (m *mortal) stall(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.still = time.Now().Add(d)
}
func (m *mortal) fail(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = time.Now().Add(d)
}
func (m *mortal) arm(verbs int) { m.mu.Lock(); defer m.mu.Unlock(); m.left = verbs }

func (m *mortal) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.die("now")
}

func (m *mortal) die(when string) {
	if m.copied == "" {
		m.life.say("the agent is killed %s", when)
		m.life.killed = true
		m.copied = m.life.t.TempDir()
		copyTree(m.life.t, m.copied, m.Dir())
	}
}

// followClock is what an agent does each second.
func (m *mortal) followClock(ctx context.Context) {
	for sleep(ctx, time.Second) {
		m.mu.Lock()
		if m.copied == "" {
			if _, err := m.FollowClock(ctx); err != nil && ctx.Err() == nil {
				m.life.t.Error(err)
			}
		}
		m.mu.Unlock()
	}
}

var errKilled = errors.New("killed")

// verb says whether a verb is carried out.
func (m *mortal) verb(name string) error {
	m.mu.Lock()
	wait := time.Until(m.still)
	m.mu.Unlock()
	time.Sleep(max(0, wait))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left == 0 {
		m.die("before " + name)
	}
	m.left = max(-1, m.left-1)
	if m.copied != "" {
		return errKilled
	}
	return nil
}

func (m *mortal) Create(seg spool.Segment) (*os.File, error) {
	if err := m.verb("create"); err != nil {
		return nil, err
	}
	return m.Spool.Create(seg)
}

func (m *mortal) Room() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Now().Before(m.broken) {
		return spool.ErrNoRoom
	}
	return m.Spool.Room()
}

func (m *mortal) Begun(ctx context.Context, seg spool.Segment) error {
	if err := m.verb("begun"); err != nil {
		return err
	}
	m.life.say("  begun %s", seg.Start.Format("15:04:05.000"))
	return m.Spool.Begun(ctx, seg)
}

func (m *mortal) Finished(ctx context.Context, id string, start time.Time, r mp4.Result) error {
	if err := m.verb("finished"); err != nil {
		return err
	}
	m.life.say("  finished %s to %s", start.Format("15:04:05.000"), start.Add(r.Pictures).Format("15:04:05.000"))
	return m.Spool.Finished(ctx, id, start, r)
}

func (m *mortal) GapOpened(ctx context.Context, cameraID string, start time.Time, cause spool.Cause, detail string) error {
	if err := m.verb("gap opened"); err != nil {
		return err
	}
	m.life.say("  gap opened %s %s", start.Format("15:04:05.000"), cause)
	return m.Spool.GapOpened(ctx, cameraID, start, cause, detail)
}

func (m *mortal) GapBetween(ctx context.Context, cameraID string, start, end time.Time, cause spool.Cause, detail string) error {
	if err := m.verb("gap between"); err != nil {
		return err
	}
	m.life.say("  gap %s to %s %s", start.Format("15:04:05.000"), end.Format("15:04:05.000"), cause)
	return m.Spool.GapBetween(ctx, cameraID, start, end, cause, detail)
}

func (m *mortal) GapClosed(ctx context.Context, cameraID string, end time.Time) error {
	if err := m.verb("gap closed"); err != nil {
		return err
	}
	m.life.say("  gap closed %s", end.Format("15:04:05.000"))
	return m.Spool.GapClosed(ctx, cameraID, end)
}

func copyTree(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil || entry.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, rel), 0o750))
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o640)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stretch is time that is accounted for.
type stretch struct {
	span
	footage bool
	what    string
}

// checkLedger wants each moment that the ledger knows to be accounted for once.
func (l *life) checkLedger(s *spool.Spool) { l.check(s, false) }

func (l *life) check(s *spool.Spool, pictures bool) {
	ctx := context.Background()
	seen, err := s.Seen(ctx, testCamera)
	until, err2 := s.AccountedUntil(ctx, testCamera)
	gaps, err3 := s.Gaps(ctx, testCamera)
	segs, err4 := s.Segments(ctx, spool.Finished)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		l.t.Fatal(err)
	}
	var all []stretch
	for _, g := range gaps {
		if g.End.IsZero() {
			l.t.Errorf("the gap from %v, %s, is open", g.Start, g.Cause)
		}
		all = append(all, stretch{span{g.Start, g.End}, false, "gap: " + string(g.Cause)})
		var by string
		if _, err := fmt.Sscanf(g.Detail, "set by %s while the agent did not run", &by); err == nil { // as if it had been when that ended
			back, err := time.ParseDuration(by)
			if err != nil || back >= 0 || !l.wasSet(back) {
				l.t.Errorf("the gap from %v says %q", g.Start, g.Detail)
			}
			l.steps = append(l.steps, span{g.Start.Add(-back), g.Start})
		}
	}
	for _, s := range segs {
		all = append(all, stretch{span{s.Start, s.End}, true, "segment"})
	}
	slices.SortStableFunc(all, func(a, b stretch) int { return a.from.Compare(b.from) })
	l.checkOnce(all)
	l.checkWhole(all, seen, until)
	if pictures {
		l.checkFootage(all)
	}
	if l.t.Failed() {
		for _, a := range all {
			l.t.Logf("%s to %s %s", a.from.Format("15:04:05.000"), a.to.Format("15:04:05.000"), a.what)
		}
	}
}

// checkOnce wants nothing to be accounted for twice, but for time that was there twice
// and for gaps inside of segments.
func (l *life) checkOnce(all []stretch) {
	const slack = 60 * time.Millisecond
	for i, a := range all {
		for _, b := range all[i+1:] {
			from, to := later(a.from, b.from), earlier(a.to, b.to)
			if to.Sub(from) <= slack || l.repeated(span{from, to}) {
				continue
			}
			inside := a.footage != b.footage && (a.footage && !b.to.After(a.to) || b.footage && !a.to.After(b.to)) &&
				(strings.Contains(a.what+b.what, string(spool.BadFootage)) || strings.Contains(a.what+b.what, string(spool.Stalled)))
			if !inside {
				l.t.Errorf("%s from %s and %s from %s share %v", a.what, a.from.Format("15:04:05.000"), b.what, b.from.Format("15:04:05.000"), to.Sub(from))
			}
		}
	}
}

// wasSet says whether the clock was set by so much, at once or over some time.
func (l *life) wasSet(by time.Duration) bool {
	for i := range l.steps {
		var sum time.Duration
		for _, step := range l.steps[i:] {
			if sum += step.to.Sub(step.from); (sum - by).Abs() <= time.Millisecond {
				return true
			}
		}
	}
	return false
}

func (l *life) repeated(s span) bool {
	for _, step := range l.steps {
		// The old time lasts to the end of the group of pictures.
		if step.to.Before(step.from) && s.from.Before(step.from.Add(15*time.Second)) && step.to.Add(-time.Second).Before(s.to) {
			return true
		}
	}
	return false
}

// checkWhole wants all of the windows to be accounted for.
func (l *life) checkWhole(all []stretch, from, to time.Time) {
	const slack = 60 * time.Millisecond
	for _, w := range NewPlan(l.plan).Windows(from, to) {
		at := w.Start
		for _, a := range all {
			// What a kill leaves open in time that comes twice is known the first time.
			if hole := earlier(a.from, w.End).Sub(at); hole > slack && !(l.killed && l.repeated(span{at, a.from})) {
				l.t.Errorf("%v of the window from %s are not accounted for, from %s", hole, w.Start.Format("15:04:05.000"), at.Format("15:04:05.000"))
			}
			at = later(at, a.to)
		}
		if hole := w.End.Sub(at); hole > slack {
			l.t.Errorf("%v of the window from %s are not accounted for, up to its end", hole, w.Start.Format("15:04:05.000"))
		}
	}
}

// wanted is how much of a time is inside of windows.
func (l *life) wanted(from, to time.Time) (sum time.Duration) {
	for _, w := range NewPlan(l.plan).Windows(from, to) {
		sum += w.End.Sub(w.Start)
	}
	return sum
}

// checkFootage wants what is said to be footage to hold pictures.
func (l *life) checkFootage(all []stretch) {
	slices.SortFunc(l.pictures, time.Time.Compare)
	longest := max(firstPause, (maxPauses+1)*l.frame) + time.Second
	for _, a := range all {
		if !a.footage {
			continue
		}
		at := a.from
		miss := func(to time.Time) {
			for _, g := range all {
				if !g.footage && !g.from.After(to) && g.to.After(at) && g.from.Sub(at) < longest {
					at = later(at, g.to)
				}
			}
			if l.wanted(at, to) > longest {
				l.t.Errorf("the segment from %s has no picture from %s to %s", a.from.Format("15:04:05.000"), at.Format("15:04:05.000"), to.Format("15:04:05.000"))
			}
		}
		for _, p := range l.pictures {
			if !p.Before(a.from) && p.Before(a.to) {
				miss(p)
				at = later(at, p)
			}
		}
		miss(a.to)
	}
}

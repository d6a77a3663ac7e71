package page

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"recording-agent/agent/journal"
	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

const (
	lookEvery = 4 * time.Second
	// ledgerShare bounds what reading the ledger costs: a hundredth of the time.
	ledgerShare = 100
	wholeEvery  = time.Minute      // a camera's whole day is read, and what is newer in between
	tailOver    = 15 * time.Minute // what is newer: at least as much is read
	idleAfter   = 30 * time.Second // without anybody who looks
)

// watch keeps what is shown, for all who look at it.
type watch struct {
	page *Page
	id   string        // of this run of the agent
	wake chan struct{} // one slot: somebody has come

	looking sync.Mutex // one look at a time
	lines   map[string]*line
	unsent  []spool.Unsent
	next    time.Time // the ledger is not read before

	mu        sync.Mutex
	shown     *shown
	asked     time.Time // the page was asked for
	over      bool      // run has ended
	listeners map[chan struct{}]bool
}

// line is what the ledger has of a camera's last day.
type line struct {
	footage []spool.Footage
	gaps    []spool.Gap
	whole   time.Time // it was read as a whole
}

// look is what there was to see at one moment.
type look struct {
	at       time.Time
	snap     status.Snapshot
	problems []status.Problem
	lines    map[string]*line
	unsent   []spool.Unsent
	journal  []journal.Entry // the newest first
}

func newWatch(p *Page) *watch {
	return &watch{page: p, id: rand.Text(), wake: make(chan struct{}, 1), lines: map[string]*line{}, listeners: map[chan struct{}]bool{}}
}

// run looks from time to time while somebody is there.
func (w *watch) run(ctx context.Context) error {
	defer w.end()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.wake:
		}
		if w.wanted() {
			_, _ = w.look(ctx, lookEvery/2) // what went wrong is logged, and shown
		}
	}
}

func (w *watch) wanted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.listeners) > 0 || w.page.opts.Now().Sub(w.asked).Abs() < idleAfter && w.shown != nil
}

func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	for c := range w.listeners {
		close(c)
	}
	clear(w.listeners)
}

// look brings what is shown up to date, unless it is not older than age.
func (w *watch) look(ctx context.Context, age time.Duration) (*shown, error) {
	w.looking.Lock()
	defer w.looking.Unlock()
	w.mu.Lock()
	before := w.shown
	w.asked = w.page.opts.Now()
	w.mu.Unlock()
	if before != nil && time.Since(before.made) < age {
		return before, nil
	}
	l, err := w.collect(ctx)
	if err != nil {
		return nil, err
	}
	after, err := show(before, l, w.page.opts.Zone(), w.page.opts.Wanted)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = after
	if before == nil || after.version > before.version {
		for c := range w.listeners {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
	return after, nil
}

// collect reads what there is to see. A ledger that cannot be read is a problem
// among the others: what was read last stays.
func (w *watch) collect(ctx context.Context) (look, error) {
	now := w.page.opts.Now()
	snap, err := w.page.opts.Snapshot(ctx)
	if err == nil && !time.Now().Before(w.next) {
		began := time.Now()
		err = w.read(ctx, snap.Cameras, now)
		w.next = time.Now().Add(ledgerShare * time.Since(began))
		if len(snap.Cameras) == 0 {
			w.next = time.Now()
		}
	}
	if ctx.Err() != nil {
		return look{}, ctx.Err()
	}
	l := look{at: now, snap: snap, problems: w.page.opts.Problems(), lines: w.lines, unsent: w.unsent, journal: w.page.opts.Journal()}
	if err != nil {
		w.page.trouble.Failed(err.Error(), ledgerRemedy)
		l.problems = append(l.problems, status.Problem{What: "this page cannot be brought up to date", Cause: err.Error(), Since: w.page.trouble.Trouble().Since, Remedy: ledgerRemedy})
	} else {
		w.page.trouble.Recovered()
	}
	return l, nil
}

const ledgerRemedy = "look at the disk that agent.data_dir is on"

// read reads the ledger: of each camera the newest part of its line, and of one that
// was not read as a whole for a while all of it. So a whole day of all cameras is
// spread over a minute.
func (w *watch) read(ctx context.Context, cameras []status.Camera, now time.Time) (err error) {
	here := map[string]*line{}
	whole := 0
	for _, c := range cameras {
		l := w.lines[c.ID]
		switch first := l == nil; {
		case first:
			l = &line{}
			err = l.readAll(ctx, w.page.opts.Ledger, c.ID, now)
		case now.Sub(l.whole).Abs() > wholeEvery && whole < 1+len(cameras)/10:
			whole++
			err = l.readAll(ctx, w.page.opts.Ledger, c.ID, now)
		default:
			err = l.readTail(ctx, w.page.opts.Ledger, c.ID, now)
		}
		if err != nil {
			return err
		}
		here[c.ID] = l
	}
	w.lines = here
	w.unsent, err = w.page.opts.Ledger.UnsentByCamera(ctx)
	return err
}

func (l *line) readAll(ctx context.Context, ledger Ledger, cameraID string, now time.Time) (err error) {
	if l.footage, err = ledger.Footage(ctx, cameraID, now.Add(-day-time.Minute), now.Add(time.Hour)); err != nil {
		return err
	}
	l.whole = now
	return l.readGaps(ctx, ledger, cameraID, now)
}

func (l *line) readTail(ctx context.Context, ledger Ledger, cameraID string, now time.Time) error {
	from := now.Add(-tailOver)
	newest, err := ledger.Footage(ctx, cameraID, from, now.Add(time.Hour))
	if err != nil {
		return err
	}
	kept := make([]spool.Footage, 0, len(l.footage)+1)
	for _, f := range l.footage {
		if !f.End.IsZero() && !f.End.After(from) && f.End.After(now.Add(-day-time.Minute)) {
			kept = append(kept, f)
		}
	}
	l.footage = append(kept, newest...)
	return l.readGaps(ctx, ledger, cameraID, now)
}

func (l *line) readGaps(ctx context.Context, ledger Ledger, cameraID string, now time.Time) (err error) {
	l.gaps, err = ledger.GapsWithin(ctx, cameraID, now.Add(-day-time.Minute), now.Add(time.Hour))
	return err
}

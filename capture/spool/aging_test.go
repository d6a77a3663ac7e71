package spool

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
)

// agingBench is a spool on a host that runs for as long as a test says.
type agingBench struct {
	t    *testing.T
	dir  string
	host *testHost
	keep keeping
	*Spool
}

func newAging(t *testing.T) *agingBench {
	b := &agingBench{t: t, dir: t.TempDir(), host: &testHost{boot: "first", up: time.Hour}, keep: keepRows}
	b.host.set(epoch)
	b.open()
	return b
}

func (b *agingBench) open() Recovery {
	b.t.Helper()
	o := testOptions(b.t, b.dir)
	o.Now, o.Clock = b.host.now, b.host.clock()
	var err error
	b.Spool, err = Open(b.t.Context(), o)
	must(b.t, err)
	s := b.Spool
	s.keep = b.keep
	b.t.Cleanup(func() { s.Close() })
	r, err := b.Recover(b.t.Context())
	must(b.t, err)
	return r
}

func (b *agingBench) restart() Recovery {
	b.t.Helper()
	must(b.t, b.Spool.Close())
	return b.open()
}

func unrested(time.Duration) bool { return true }

// days pass while the agent runs.
func (b *agingBench) days(n int) (p Pruned) {
	b.t.Helper()
	for range n {
		b.host.up += day
		_, err := b.Ran(b.t.Context())
		must(b.t, err)
		one, err := b.Prune(b.t.Context(), true, unrested)
		must(b.t, err)
		p.Segments, p.Gaps = p.Segments+one.Segments, p.Gaps+one.Gaps
	}
	return p
}

// row is a segment of five minutes as the ledger has it, whose file is gone.
func (b *agingBench) row(camera string, change string) Segment {
	b.t.Helper()
	seg := Segment{ID: uuid.Must(uuid.NewV7()).String(), CameraID: camera, CameraName: camera, ClientName: "host", Start: b.host.now()}
	var err error
	seg.Path, err = PathFor(camera, seg.ID, seg.Start)
	must(b.t, err)
	must(b.t, b.Begun(b.t.Context(), seg))
	b.host.up += 5 * time.Minute
	seg.End = b.host.now()
	must(b.t, b.Verified(b.t.Context(), seg.ID, "primary", "size", seg.End))
	_, err = b.ledger.db.Exec(`UPDATE segments SET state = 'deleted', end_us = ?2, duration_us = 300e6, size = 1000, central_state = 'completed', central_attempts = 1 WHERE id = ?1`, seg.ID, micros(seg.End))
	must(b.t, err)
	if change != "" {
		_, err = b.ledger.db.Exec(change, seg.ID)
		must(b.t, err)
	}
	return seg
}

func (b *agingBench) has(seg Segment) bool {
	b.t.Helper()
	_, err := b.Segment(b.t.Context(), seg.ID)
	if err != nil && !errors.Is(err, ErrUnknown) {
		b.t.Fatal(err)
	}
	return err == nil
}

// told is what others are told of all time, and what of a camera is known up to where.
func (b *agingBench) told() map[string]any {
	b.t.Helper()
	ctx, out := b.t.Context(), map[string]any{}
	keep := func(name string, value any, err error) {
		must(b.t, err)
		out[name] = value
	}
	losses, err := b.Losses(ctx)
	keep("losses", losses, err)
	gaps, err := b.GapTotals(ctx, b.host.now())
	keep("gaps", gaps, err)
	cameras, err := b.Cameras(ctx)
	keep("cameras", cameras, err)
	for camera := range cameras {
		until, err := b.AccountedUntil(ctx, camera)
		keep("until "+camera, until, err)
		until, err = b.AccountedBefore(ctx, camera, b.host.now())
		keep("before "+camera, until, err)
	}
	must(b.t, b.View(ctx, true, func(v *View) error {
		states, err := v.States(ctx)
		keep("states", states, err)
		return err
	}))
	var last, step, newest, newestGap int64
	keep("last", nil, b.ledger.db.QueryRow(`SELECT max(end_us) FROM segments`).Scan(&last))
	out["last"] = last
	keep("clock", &step, b.ledger.db.QueryRow(`SELECT coalesce(max(segments_before), 0) FROM gaps WHERE cause = ?`, ClockStep).Scan(&step))
	keep("rows", []int64{newest, newestGap}, b.ledger.db.QueryRow(`SELECT (SELECT max(rowid) FROM segments), (SELECT max(id) FROM gaps)`).Scan(&newest, &newestGap))
	out["clock"], out["rows"] = step, []int64{newest, newestGap}
	return out
}

// months fill a ledger with all kinds of rows of two cameras, of which one is gone.
func (b *agingBench) months() {
	b.t.Helper()
	ctx := b.t.Context()
	b.row("yard", "")
	b.row("yard", `UPDATE segments SET camera_name = 'The yard' WHERE id = ?`)
	must(b.t, b.GapBetween(ctx, "yard", b.host.now(), b.host.now().Add(time.Minute), Stalled, ""))
	for i := range 200 {
		switch i {
		case 20, 30:
			b.row("gate", `UPDATE deliveries SET state = 'pending', verified_us = 0 WHERE segment_id = ?1; UPDATE segments SET state = 'missing', given_up = 'full', central_state = 'failed' WHERE id = ?1`)
		case 40:
			b.row("gate", `UPDATE segments SET state = 'empty', central_state = 'failed' WHERE id = ?`)
		case 100: // the clock was an hour ahead
			at := b.host.now()
			b.host.set(at.Add(-time.Hour))
			must(b.t, b.GapBetween(ctx, "gate", b.host.now(), b.host.now(), ClockStep, ""))
		default:
			b.row("gate", "")
		}
		must(b.t, b.GapBetween(ctx, "gate", b.host.now(), b.host.now().Add(time.Second), []Cause{Stalled, DiskFull}[i%2], ""))
		b.host.up += time.Second
	}
	must(b.t, b.GapOpened(ctx, "gate", b.host.now(), Unreachable, ""))
	must(b.t, b.GapClosed(ctx, "gate", b.host.now().Add(time.Second)))
}

// ages has two stretches pass in which the agent runs: what is there is as old then.
func (b *agingBench) ages(each time.Duration) {
	b.t.Helper()
	for range 2 {
		_, err := b.Ran(b.t.Context())
		must(b.t, err)
		b.host.up += each
	}
	_, err := b.Ran(b.t.Context())
	must(b.t, err)
}

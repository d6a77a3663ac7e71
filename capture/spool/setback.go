package spool

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// A clock that is set back while the agent runs is told of by the cameras. One that is
// set back while it does not shows times again that the ledger has: without a row of
// the step, what is missing from then on would lie in footage from before. Of a host that
// has not been booted since, it can be told by how much: its uptime goes on evenly.

const (
	// slewed is by how much NTP slows a clock down without setting it.
	slewed = 500e-6
	// tellSteps is how long cameras have to note that the clock was set before it is
	// remembered that it was: whoever is killed in between has to find it out.
	tellSteps = 3 * time.Second
)

// setBack is by how much the clock was set back since the last run, as a time below
// zero; zero if it was not, or nobody knows. It is the first look's.
func (c *clock) setBack(last clockMemory) time.Duration {
	if c.state != ClockSet || last.uptime == 0 || last.boot != c.host.Boot {
		return 0
	}
	passed := c.uptime - last.uptime
	step := c.now.Sub(last.trusted) - passed
	if -step < minStep+time.Duration(slewed*float64(passed)) {
		return 0
	}
	return step
}

// thenNow is the present by the clock as it was when the last run ended: what that left
// is judged by it.
func (s *Spool) thenNow() time.Time { return s.opts.Now().Add(-s.setBack) }

// toldOfStep are the cameras that have noted that the clock was set, and were killed
// before that was remembered.
const toldOfStep = `SELECT camera_id FROM gaps WHERE cause = '` + string(ClockStep) + `' AND id > (SELECT gaps_before FROM clock)`

// noteSetBack ends the time before the clock was set back, for each camera: where it is
// known up to, by the clock as it is. It follows all that is judged by the old time.
func (s *Spool) noteSetBack(ctx context.Context) error {
	if s.setBack == 0 {
		return nil
	}
	cameras, err := idsOf(s.ledger.db.QueryContext(ctx, `SELECT camera_id FROM segments UNION SELECT camera_id FROM gaps
		EXCEPT `+toldOfStep))
	if err != nil {
		return fmt.Errorf("ledger: list cameras: %w", err)
	}
	until, then := map[string]time.Time{}, s.thenNow()
	for _, camera := range cameras {
		at, err := s.accounted(ctx, camera, then, then.Add(maxLast))
		if err != nil {
			return err
		}
		if !at.IsZero() {
			until[camera] = at.Add(s.setBack)
		}
	}
	err = s.ledger.tx(ctx, func(tx *sql.Tx) error {
		for camera, at := range until {
			if err := gapBetween(ctx, tx, camera, at, at, ClockStep, "set by "+s.setBack.Round(time.Millisecond).String()+" while the agent did not run", stamp{}); err != nil {
				return err
			}
		}
		return rememberClock(ctx, tx, s.clock.report())
	})
	if err != nil {
		return fmt.Errorf("ledger: note that the host's clock was set back: %w", err)
	}
	s.opts.Log.Warn().Str("by", s.setBack.Round(time.Millisecond).String()).Msg("the host's clock was set back while the agent did not run")
	s.setBack = 0
	return nil
}

package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"recording-agent/agent/central"
	"recording-agent/uploader/s3"
)

const (
	clockWithin = 15 * time.Second

	worthAWord = 2 * time.Second
	tooFar     = 5 * time.Minute // S3 refuses what is signed a quarter of an hour off
)

const clockRemedy = "let a time server set the clock (NTP; on Linux: timedatectl set-ntp true), or set it by hand"

// reading is what another clock showed when this host's showed Asked.
type reading struct {
	date  time.Time // in whole seconds; zero when it was not said
	asked time.Time
	took  time.Duration
}

// offset is by how much this host's clock is ahead, and how wrong that can be: the
// other one says whole seconds, at some moment between question and answer.
func (r reading) offset() (ahead, doubt time.Duration) {
	const half = time.Second / 2
	return r.asked.Add(r.took / 2).Sub(r.date.Add(half)), half + r.took/2
}

// Clock compares the host's clock with those of the stores and of central.
func (c *Checks) Clock(ctx context.Context) {
	g := c.group("clock", "", "")
	if c.Synced != nil {
		switch yes, known := c.Synced(); {
		case yes:
			g.ok("time server", "the system says that a time server keeps the clock")
		case known:
			g.warn("time server", "the system says that no time server keeps the clock", clockRemedy)
		}
	}
	asked := 0
	for _, d := range c.Config.Destinations() {
		asked++
		c.compare(ctx, g, "against "+d.Section, func(ctx context.Context) (reading, string, string, error) {
			f, err := c.Store(d).Front(ctx)
			fault := s3.Fault{}
			if err != nil {
				fault = s3.Classify(err)
			}
			return reading{f.Date, f.Asked, f.Took}, fault.Cause, fault.Remedy, err
		})
	}
	if c.Config.Central.URL != "" {
		asked++
		c.compare(ctx, g, "against central", func(ctx context.Context) (reading, string, string, error) {
			now := c.Now()
			t, err := c.client().Time(ctx)
			cause, remedy := explainCentral(err)
			return reading{t.Date, now, t.Took}, cause, remedy, err
		})
	}
	if asked == 0 {
		g.ok("time", "this host's clock shows %s; there is neither S3 nor central to compare it with", c.Now().Format("2006-01-02 15:04:05 -07:00"))
	}
}

// compare takes one reading. A peer that cannot be asked is a warning here: what is
// wrong with it is its own check's to judge.
func (c *Checks) compare(ctx context.Context, g group, step string, read func(ctx context.Context) (r reading, cause, remedy string, err error)) {
	ctx, cancel := context.WithTimeout(ctx, clockWithin)
	defer cancel()
	r, cause, remedy, err := read(ctx)
	if err != nil {
		g.warn(step, "cannot be compared: "+cause, remedy)
		return
	}
	if r.date.IsZero() {
		g.warn(step, "cannot be compared: the answer has no Date", "")
		return
	}
	c.judge(g, step, r)
}

func (c *Checks) judge(g group, step string, r reading) {
	ahead, doubt := r.offset()
	certain := ahead.Abs() - doubt
	where := "behind"
	if ahead > 0 {
		where = "ahead"
	}
	text := fmt.Sprintf("this host's clock is %s %s", spoken(ahead), where)
	switch {
	case certain > tooFar:
		g.fail(step, text+"; S3 refuses uploads when it is a quarter of an hour off", clockRemedy)
	case certain > worthAWord:
		g.warn(step, text, clockRemedy)
	case certain <= 0:
		g.ok(step, "no difference that can be seen (to %s)", spoken(doubt))
	default:
		g.ok(step, "%s (to %s)", text, spoken(doubt))
	}
}

func (c *Checks) client() *central.Client {
	return central.NewClient(central.Options{URL: c.Config.Central.URL, Token: c.Config.Central.Token.Reveal()})
}

func explainCentral(err error) (cause, remedy string) {
	var e *central.Error
	switch {
	case err == nil:
		return "", ""
	case errors.As(err, &e):
		return e.Explain()
	}
	return err.Error(), ""
}

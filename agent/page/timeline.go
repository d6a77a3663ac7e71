package page

import (
	"net/http"
	"slices"
	"time"

	"recording-agent/capture/spool"
)

// Kind is what a stretch of a camera's time is.
type kind string

const (
	uploaded kind = "uploaded" // verified at every required destination
	recorded kind = "recorded" // on this host only, so far
	gap      kind = "gap"      // there was to be footage, and is none
	lost     kind = "lost"     // there was footage, and its file went before it was uploaded
)

// run is a stretch of time of one kind. Footage that follows on footage is one run.
type run struct {
	Kind   kind
	Start  time.Time
	End    time.Time
	Cause  string // of a gap
	Detail string // more of it, for people
	Open   bool   // it goes on
}

// seam is how far apart two segments may be that follow each other: the ledger
// notes gaps that are longer.
const seam = 1500 * time.Millisecond

// runs makes a line of time of what the ledger has, from from to to. now is where
// what is open ends for the time being. The oldest run comes first.
func runs(footage []spool.Footage, gaps []spool.Gap, from, to, now time.Time) []run {
	out := make([]run, 0, 8+len(gaps))
	slices.SortStableFunc(footage, func(a, b spool.Footage) int { return a.Start.Compare(b.Start) })
	for _, f := range footage {
		r := run{Kind: recorded, Start: f.Start, End: f.End}
		switch {
		case f.State == spool.Recording:
			r.End, r.Open = now, true
		case f.Uploaded:
			r.Kind = uploaded
		case f.State == spool.Missing:
			r.Kind, r.Cause = lost, "the file is gone, and was not uploaded"
		}
		out = add(out, r, from, to)
	}
	footageEnds := len(out)
	for _, g := range gaps {
		r := run{Kind: gap, Start: g.Start, End: g.End, Cause: string(g.Cause), Detail: g.Detail}
		if g.End.IsZero() {
			r.End, r.Open = now, true
		}
		if r.Start.Before(r.End) {
			out = append(out, add(nil, r, from, to)...)
		}
	}
	if footageEnds < len(out) {
		slices.SortStableFunc(out, func(a, b run) int { return a.Start.Compare(b.Start) })
	}
	return out
}

// add appends a run, as far as it lies inside, to the last if it goes on with that.
func add(out []run, r run, from, to time.Time) []run {
	if r.Start.Before(from) {
		r.Start = from
	}
	if r.End.After(to) {
		r.End = to
	}
	if r.End.Before(r.Start) {
		return out
	}
	if n := len(out) - 1; n >= 0 && out[n].Kind == r.Kind && r.Start.Sub(out[n].End) <= seam {
		if r.End.After(out[n].End) {
			out[n].End = r.End
		}
		out[n].Open = out[n].Open || r.Open
		return out
	}
	return append(out, r)
}

const (
	day         = 24 * time.Hour
	longestLine = 31 * day
)

// timeline answers GET /api/v1/timeline?camera=&from=&to=, by default for the last
// 24 hours.
func (p *Page) timeline(w http.ResponseWriter, r *http.Request) {
	camera, now := r.FormValue("camera"), p.opts.Now()
	to, err := p.time(r.FormValue("to"), now)
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, "to: "+err.Error())
		return
	}
	from, err := p.time(r.FormValue("from"), to.Add(-day))
	switch {
	case err != nil:
		fail(w, http.StatusUnprocessableEntity, "from: "+err.Error())
		return
	case !from.Before(to) || to.Sub(from) > longestLine:
		fail(w, http.StatusUnprocessableEntity, "from has to be before to, by 31 days at most")
		return
	}
	footage, err := p.opts.Ledger.Footage(r.Context(), camera, from, to)
	if err != nil {
		p.failed(w, err)
		return
	}
	gaps, err := p.opts.Ledger.GapsWithin(r.Context(), camera, from, to)
	if err != nil {
		p.failed(w, err)
		return
	}
	if len(footage)+len(gaps) == 0 && !p.knows(r.Context(), camera) {
		fail(w, http.StatusNotFound, "there is no such camera")
		return
	}
	reply(w, http.StatusOK, answerTimeline(camera, from, to, runs(footage, gaps, from, to, now), p.opts.Wanted(camera, from, earlier(to, now))))
}

type timelineAnswer struct {
	Camera    string          `json:"camera"`
	From      string          `json:"from"`
	To        string          `json:"to"`
	Runs      []runAnswer     `json:"runs"`
	Scheduled []stretchAnswer `json:"scheduled"`
}

type runAnswer struct {
	Kind   kind    `json:"kind"`
	Start  string  `json:"start"`
	End    *string `json:"end"` // null while it goes on
	Cause  string  `json:"cause,omitempty"`
	Detail string  `json:"detail,omitempty"`
}

type stretchAnswer struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

func answerTimeline(camera string, from, to time.Time, line []run, windows []spool.Stretch) timelineAnswer {
	a := timelineAnswer{Camera: camera, From: stamp(from), To: stamp(to), Runs: []runAnswer{}, Scheduled: []stretchAnswer{}}
	for _, r := range line {
		one := runAnswer{Kind: r.Kind, Start: stamp(r.Start), Cause: r.Cause, Detail: r.Detail}
		if !r.Open {
			end := stamp(r.End)
			one.End = &end
		}
		a.Runs = append(a.Runs, one)
	}
	for _, s := range windows {
		a.Scheduled = append(a.Scheduled, stretchAnswer{stamp(s.Start), stamp(s.End)})
	}
	return a
}

// stamp is a time as JSON, as exact as the ledger has it: what is asked for again
// by it has to be found.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

package page

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"recording-agent/capture/spool"
)

// shown is the page as it was made last, in fragments: what changes is sent alone.
type shown struct {
	made      time.Time // by the monotonic clock
	at        time.Time
	version   int
	fragments map[string]fragment // by the id of the element that holds it
	layout    string              // which elements there are
	frame     frame
	older     bool // something is known from before the last hour
}

// of parts a fragment's id from the span that it is for, if it is for one only.
const of = "@"

// visible is the id of the element that shows a fragment where one span is chosen;
// empty if none does.
func visible(id, over string) string {
	element, is, bound := strings.Cut(id, of)
	if bound && is != over {
		return ""
	}
	return element
}

type fragment struct {
	html    string
	version int // of the page when it last changed
}

// frame is what of the page does not change but with its layout.
type frame struct {
	Client  string
	Zone    string
	Offsets string // of the zone, for the script
	Cameras []heading
}

type heading struct{ ID, Name string }

// show makes the fragments of a look, and counts the version up if any is another
// than before.
func show(before *shown, l look, zone *time.Location, wanted func(string, time.Time, time.Time) []spool.Stretch) (*shown, error) {
	s := &shown{made: time.Now(), at: l.at, fragments: map[string]fragment{}}
	if before != nil {
		s.version = before.version
	}
	next := s.version + 1
	var failed error
	put := func(id, name string, data any) {
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, name, data); err != nil {
			failed = fmt.Errorf("make the page: %w", err)
			return
		}
		f := fragment{b.String(), next}
		if before != nil && before.fragments[id].html == f.html {
			f.version = before.fragments[id].version
		} else {
			s.version = next
		}
		s.fragments[id] = f
	}
	put("state", "state", l.judge(zone))
	put("problems", "problems", l.problemViews(zone))
	put("destinations", "destinations", l.destinationViews(zone))
	put("host", "host", l.hostView(zone))
	put("events", "events", l.eventViews(zone))
	for _, c := range l.snap.Cameras {
		v := l.cameraView(c, zone, wanted)
		put("camera-"+c.ID+"-now", "camera-now", v)
		for name, bar := range v.Bars {
			put("camera-"+c.ID+"-bar"+of+name, "camera-bar", bar)
		}
		put("camera-"+c.ID+"-more", "camera-more", v)
		s.older = s.older || v.older(l.at)
		s.frame.Cameras = append(s.frame.Cameras, heading{c.ID, c.Name})
	}
	s.frame.Client, s.frame.Zone, s.frame.Offsets = l.snap.ClientName, zoneName(l.at, zone), offsets(l.at, zone)
	s.layout = s.frame.layout()
	return s, failed
}

func (f frame) layout() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %q", build(), f.Offsets, f.Client)
	for _, c := range f.Cameras {
		fmt.Fprintf(&b, " %s %q", c.ID, c.Name)
	}
	return b.String()
}

// zoneName is what a time's zone is called.
func zoneName(now time.Time, zone *time.Location) string {
	name := now.In(zone).Format("MST (UTC-07:00)")
	if strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		return now.In(zone).Format("UTC-07:00")
	}
	return strings.Replace(name, " (UTC+00:00)", "", 1)
}

// offsets tells the script how far the zone is from UTC within the time that is
// shown: "seconds", or "before,at in milliseconds,after" where the clock is changed.
func offsets(now time.Time, zone *time.Location) string {
	_, last := now.In(zone).Zone()
	since, _ := now.In(zone).ZoneBounds()
	if since.IsZero() || now.Sub(since) > 2*day {
		return strconv.Itoa(last)
	}
	_, first := since.Add(-time.Second).Zone()
	return fmt.Sprintf("%d,%d,%d", first, since.UnixMilli(), last)
}

// overview answers GET /?span=.
func (p *Page) overview(w http.ResponseWriter, r *http.Request) {
	s, err := p.watch.look(r.Context(), lookEvery)
	if err != nil {
		p.failed(w, err)
		return
	}
	over := r.FormValue("span")
	if !slices.ContainsFunc(spans, func(o span) bool { return o.Name == over }) {
		over = spans[0].Name
		if !s.older {
			over = spans[len(spans)-1].Name
		}
	}
	html := map[string]template.HTML{}
	for id, f := range s.fragments {
		html[visible(id, over)] = template.HTML(f.html) // a template made it
	}
	p.render(r.Context(), w, http.StatusOK, "overview.html", map[string]any{
		"Frame": s.frame, "HTML": html, "Spans": spans, "Over": over, "Seen": p.watch.id + "/" + strconv.Itoa(s.version), "Layout": s.layout, "Build": build(), "At": s.at.UnixMilli(),
	})
}

func (p *Page) render(ctx context.Context, w http.ResponseWriter, code int, name string, data any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		p.failed(w, err)
		return
	}
	p.shield(ctx, w)
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // a client that has gone is no news
}

func (p *Page) failed(w http.ResponseWriter, err error) {
	p.opts.Log.Error().Err(err).Msg("a request for the page could not be answered")
	fail(w, http.StatusInternalServerError, "the state could not be collected; see the log")
}

func (p *Page) knows(ctx context.Context, camera string) bool {
	snap, err := p.opts.Snapshot(ctx)
	if err != nil {
		return false
	}
	for _, c := range snap.Cameras {
		if c.ID == camera {
			return true
		}
	}
	return false
}

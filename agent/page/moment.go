package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"recording-agent/capture/spool"
)

// found is what there is to play of a moment.
type found struct {
	Camera   string  `json:"camera"`
	Name     string  `json:"name"`
	At       string  `json:"at"`
	Segment  string  `json:"segment"` // empty: nothing was recorded then or later
	Start    string  `json:"start"`
	End      *string `json:"end"`    // null while it is being recorded
	Offset   float64 `json:"offset"` // seconds from the segment's beginning
	Type     string  `json:"type"`   // for the browser's canPlayType
	Codec    string  `json:"codec"`  // for people
	Source   string  `json:"source"`
	Download string  `json:"download"`
	Where    string  `json:"where"`
	Missing  string  `json:"missing"` // why there is nothing of the moment itself; then the segment is what comes next
}

// momentAt answers GET /api/v1/moment?camera=&at=.
func (p *Page) momentAt(w http.ResponseWriter, r *http.Request) {
	at, err := p.time(r.FormValue("at"), p.opts.Now())
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, "at: "+err.Error())
		return
	}
	f, err := p.find(r.Context(), r.FormValue("camera"), at)
	switch {
	case errors.Is(err, spool.ErrUnknown):
		fail(w, http.StatusNotFound, "there is no such camera")
	case err != nil:
		p.failed(w, err)
	default:
		reply(w, http.StatusOK, f)
	}
}

// time reads a time as the API and a form's field have it; that without a zone is by
// the host's clock.
func (p *Page) time(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, form := range []string{"2006-01-02T15:04:05.999", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(form, text, p.opts.Zone()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("write a time like 2026-11-23T14:02:31Z")
}

// find looks for what was recorded at a moment, or next.
func (p *Page) find(ctx context.Context, camera string, at time.Time) (found, error) {
	f := found{Camera: camera, Name: camera, At: stamp(at)}
	seg, err := p.opts.Ledger.FootageAt(ctx, camera, at)
	if errors.Is(err, spool.ErrUnknown) && p.knows(ctx, camera) {
		f.Missing = p.missing(ctx, camera, at) + " Nothing was recorded later."
		return f, nil
	}
	if err != nil {
		return f, err
	}
	f.Name, f.Segment, f.Start = seg.CameraName, seg.ID, stamp(seg.Start)
	f.Source = "/play/segment/" + url.PathEscape(seg.ID)
	f.Download = f.Source + "?download=1"
	f.Codec, f.Type = codecName(seg.VideoCodec), mediaType(seg)
	f.Where = "on this host"
	switch {
	case seg.State == spool.Recording:
		f.Where += ", still being recorded"
	case seg.State != spool.Finished:
		f.Where = "in the store"
	}
	if !seg.End.IsZero() {
		end := stamp(seg.End)
		f.End = &end
	}
	if at.Before(seg.Start) {
		f.Missing = p.missing(ctx, camera, at) + " Footage goes on at " + clock(seg.Start, p.opts.Now(), p.opts.Zone()) + "."
	} else {
		f.Offset = at.Sub(seg.Start).Seconds()
	}
	return f, nil
}

// missing says why there is nothing of a moment.
func (p *Page) missing(ctx context.Context, camera string, at time.Time) string {
	when := clock(at, p.opts.Now(), p.opts.Zone())
	gaps, err := p.opts.Ledger.GapsWithin(ctx, camera, at, at.Add(time.Millisecond))
	if err != nil || len(gaps) == 0 {
		if until, err := p.opts.Ledger.PrunedUntil(ctx); err == nil && at.Before(until) {
			return "What was recorded at " + when + " is longer ago than this host remembers: look in the store."
		}
		return "Nothing was recorded at " + when + "."
	}
	return "Nothing was recorded at " + when + ": " + string(gaps[0].Cause) + "."
}

// mediaType is the type that a browser is asked about; without codecs while they are not
// in the ledger yet.
func mediaType(seg spool.Segment) string {
	if seg.VideoCodec == "" {
		return "video/mp4"
	}
	codecs := seg.VideoCodec
	if seg.AudioCodec != "" {
		codecs += ", " + seg.AudioCodec
	}
	return fmt.Sprintf("video/mp4; codecs=%q", codecs)
}

func codecName(codec string) string {
	for prefix, name := range map[string]string{"avc": "H.264", "hvc": "H.265", "hev": "H.265", "av01": "AV1", "jpeg": "MJPEG"} {
		if strings.HasPrefix(codec, prefix) {
			return name
		}
	}
	return codec
}

// player answers GET /play/camera/{camera}?at=: a page of its own, which needs no
// script.
func (p *Page) player(w http.ResponseWriter, r *http.Request) {
	at, err := p.time(r.FormValue("at"), p.opts.Now())
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, "at: "+err.Error())
		return
	}
	f, err := p.find(r.Context(), r.PathValue("camera"), at)
	switch {
	case errors.Is(err, spool.ErrUnknown):
		fail(w, http.StatusNotFound, "there is no such camera")
		return
	case err != nil:
		p.failed(w, err)
		return
	}
	_, offsets := p.opts.Now().In(p.opts.Zone()).Zone()
	p.render(r.Context(), w, http.StatusOK, "player.html", map[string]any{
		"Found": f, "Fragment": fmt.Sprintf("#t=%.3f", f.Offset), "When": clock(at, p.opts.Now(), p.opts.Zone()), "Build": build(),
		"Field": at.In(p.opts.Zone()).Format("2006-01-02T15:04:05"), "Offsets": offsets, "Next": f.End,
	})
}

package page

import (
	"fmt"
	"time"

	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

// The views hold text as it is shown; templates escape it.

type problemView struct{ What, Cause, Since, Remedy string }

func (l look) problemViews(zone *time.Location) (out []problemView) {
	for _, p := range l.problems {
		out = append(out, problemView{p.What, p.Cause, clock(p.Since, l.at, zone), p.Remedy})
	}
	return out
}

type cameraView struct {
	ID, Name                              string
	State, Class, Note                    string
	Bitrate, FrameRate, LastFrame, Unsent string
	Behind                                bool // more is unsent than usual
	Summary                               string
	Bars                                  map[string]bar // by the name of the span
	Stream                                string
	Reconnects, Damages, Dropped          int64
	LastError, LastErrorAt                string
	Gaps                                  []eventView
}

// older says whether anything is known from before the last hour.
func (v cameraView) older(now time.Time) bool {
	stretch := v.Bars[spans[0].Name].Stretch
	return len(stretch) > 0 && stretch[0].From < now.Add(-time.Hour).UnixMilli()
}

type eventView struct {
	When, Camera, Text, Class string // Camera: or whose it is else
	Lasts                     string // empty of what does not last
}

// noLine is that of a camera whose ledger could not be read yet.
var noLine line

// stillAfter is after how long without any progress a destination that has not failed
// is not said to work: a store that hangs fails only when its time is up.
const stillAfter = time.Minute

// shownGaps is how many of a camera's last gaps are listed.
const shownGaps = 20

func (l look) cameraView(c status.Camera, zone *time.Location, wanted func(string, time.Time, time.Time) []spool.Stretch) cameraView {
	v := cameraView{
		ID: c.ID, Name: c.Name, Bitrate: "–", FrameRate: "–", LastFrame: ago(c.LastFrame, l.at), Reconnects: c.Reconnects, Damages: c.Damages, Dropped: c.Dropped,
		LastError: c.LastError, LastErrorAt: clock(c.LastErrorAt, l.at, zone), Stream: stream(c),
	}
	v.State, v.Class, v.Note = l.condition(c, zone)
	if c.Bitrate > 0 {
		v.Bitrate, v.FrameRate = bits(c.Bitrate), fmt.Sprintf("%.4g fps", round(c.FrameRate))
	}
	b := l.backlog(c.ID)
	v.Unsent, v.Behind = "none", b.Segments > 0 && l.at.Sub(b.Oldest) > lateAfter
	if len(l.snap.Destinations) == 0 {
		v.Unsent = "–"
	} else if b.Segments > 0 {
		v.Unsent = length(b.Duration) + ", " + size(float64(b.Bytes))
	}
	to := barTo(l.at)
	windows := wanted(c.ID, to.Add(-day), to)
	line := l.lines[c.ID]
	if line == nil {
		line = &noLine
	}
	all := runs(line.footage, line.gaps, to.Add(-day), to, l.at)
	v.Summary, v.Bars = summarize(all, windows, l.at), map[string]bar{}
	for _, over := range spans {
		b := draw(all, windows, l.at, zone, over)
		b.Name, b.Summary = c.Name, v.Summary
		v.Bars[over.Name] = b
	}
	for i := len(line.gaps) - 1; i >= 0 && len(v.Gaps) < shownGaps; i-- {
		v.Gaps = append(v.Gaps, l.gapView(line.gaps[i], "", zone))
	}
	return v
}

func round(v float64) float64 { return float64(int(v*10+0.5)) / 10 }

func stream(c status.Camera) string {
	if c.Codec == "" {
		return "not known yet"
	}
	text := c.Codec
	if c.Width > 0 {
		text += fmt.Sprintf(", %d × %d", c.Width, c.Height)
	}
	if c.AudioCodec != "" {
		text += ", sound " + c.AudioCodec
	}
	return text
}

// condition is a camera's state in words.
func (l look) condition(c status.Camera, zone *time.Location) (state, class, note string) {
	switch c.State {
	case "recording":
		return "Recording", string(good), ""
	case "off schedule":
		return "Off schedule", "off", "it is not to be recorded now"
	}
	since, cause := l.silence(c)
	if l.at.Sub(since) < silentFor {
		return "Connecting", string(warn), ""
	}
	return "Not recording", string(bad), cause + sinceWhen(since, l.at, zone)
}

func (l look) gapView(g spool.Gap, camera string, zone *time.Location) eventView {
	r := run{Kind: gap, Cause: string(g.Cause), Detail: g.Detail}
	v := eventView{When: clock(g.Start, l.at, zone), Camera: camera, Text: r.Cause, Class: class(r), Lasts: "still"}
	if r.Detail != "" {
		v.Text += ": " + r.Detail
	}
	if !g.End.IsZero() {
		v.Lasts = length(g.End.Sub(g.Start))
		if d := g.End.Sub(g.Start); d < time.Second {
			v.Lasts = "less than 1 s"
		}
	}
	return v
}

func (l look) lossView(r run, camera string, zone *time.Location) eventView {
	return eventView{When: clock(r.Start, l.at, zone), Camera: camera, Text: "lost: " + r.Cause, Class: class(r), Lasts: length(r.End.Sub(r.Start))}
}

type destinationView struct {
	Name, Location, State, Class, Optional          string
	Backlog, Throughput, Drained, LastError, Remedy string
	LastSuccess                                     string
}

func (l look) destinationViews(zone *time.Location) (out []destinationView) {
	incoming := 0.0 // bytes per second
	for _, c := range l.snap.Cameras {
		incoming += c.Bitrate / 8
	}
	for _, d := range l.snap.Destinations {
		var b spool.Backlog
		for _, u := range l.unsent {
			if u.Destination == d.Name {
				b.Segments, b.Bytes, b.Duration = b.Segments+u.Segments, b.Bytes+u.Bytes, b.Duration+u.Duration
			}
		}
		v := destinationView{
			Name: destinationName(d.Name), Location: d.Location, State: "Works", Class: string(good), LastError: d.LastError, Remedy: d.Remedy,
			Backlog: "nothing waits", Throughput: "–", Drained: "–", LastSuccess: ago(d.LastSuccess, l.at),
		}
		switch {
		case !d.Connected && d.LastError != "":
			v.State, v.Class = "Fails", string(bad)
		case !d.Connected:
			v.State, v.Class = "Not used yet", "off"
		case d.LastError != "":
			v.State, v.Class = "Has trouble", string(warn)
		case b.Segments > 0 && d.Throughput <= 0 && l.at.Sub(d.LastSuccess) > stillAfter:
			v.State, v.Class = "Sends nothing", string(warn) // it hangs, or is paused
		}
		if !d.Required {
			v.Optional = "optional"
		}
		if d.Throughput > 0 {
			v.Throughput = bits(8 * d.Throughput)
		}
		if b.Segments > 0 {
			v.Backlog = fmt.Sprintf("%s, %s in %s", length(b.Duration), size(float64(b.Bytes)), counted(b.Segments, "segment"))
			v.Drained = drained(float64(b.Bytes), d.Throughput, incoming)
		}
		out = append(out, v)
	}
	return out
}

// drained says how long a backlog lasts: what cameras send meanwhile goes the same way.
func drained(backlog, throughput, incoming float64) string {
	switch {
	case throughput <= 0:
		return "not while nothing is sent"
	case throughput <= incoming:
		return "not at this rate: cameras send " + bits(8*incoming)
	}
	return "about " + length(time.Duration(backlog/(throughput-incoming)*float64(time.Second)))
}

type hostView struct {
	Free, Full, DiskClass, Trouble, Lost string
	Used                                 string // of the disk, in percent
	Central, CentralClass, CentralNote   string
	Clock, Remedy, Version, Started      string
}

func (l look) hostView(zone *time.Location) hostView {
	d := l.snap.Disk
	v := hostView{
		Free: size(float64(d.FreeBytes)) + " free of " + size(float64(d.TotalBytes)), Full: "not filling", DiskClass: string(good), Trouble: d.Trouble,
		Clock: l.snap.Clock.Message, Remedy: l.snap.Clock.Remedy, Version: l.snap.Version, Started: clock(l.snap.Started, l.at, zone), Central: "Not configured", CentralClass: "off", Used: "0%",
	}
	if d.TotalBytes > 0 {
		v.Used = fmt.Sprintf("%.1f%%", 100-100*float64(d.FreeBytes)/float64(d.TotalBytes))
	} else {
		v.Free, v.Full = "not known", ""
	}
	if d.FillRate > 1 {
		v.Full = "full in " + length(roughly(float64(d.FreeBytes)/d.FillRate)) + " at the rate of the last minute"
	}
	if d.Trouble != "" {
		v.DiskClass = string(bad)
	}
	if d.LostSegments > 0 {
		v.Lost = fmt.Sprintf("%s (%s) had to be deleted before they were uploaded, the last from %s", counted(d.LostSegments, "segment"), size(float64(d.LostBytes)), clock(d.LastLoss, l.at, zone))
	}
	if c := l.snap.Central; c != nil {
		v.Central, v.CentralClass, v.CentralNote = "Connected", string(good), fmt.Sprintf("%s to report, last call %s", counted(c.Pending, "segment"), ago(c.LastSuccess, l.at))
		switch {
		case !c.Connected && c.LastError != "":
			v.Central, v.CentralClass, v.CentralNote = "Not reached", string(bad), c.LastError+"; "+c.Remedy
		case !c.Connected:
			v.Central, v.CentralClass = "Not called yet", "off"
		}
	}
	return v
}

// roughly is so many seconds, as far as that is worth telling: the free space changes
// with each look.
func roughly(seconds float64) time.Duration {
	d := time.Duration(min(seconds, 1e9) * float64(time.Second))
	switch {
	case d > 2*day:
		return d.Truncate(day)
	case d > 2*time.Hour:
		return d.Truncate(time.Hour)
	}
	return d.Truncate(time.Minute)
}

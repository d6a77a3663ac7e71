package rtsp

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/sdp"
)

// maxSections is how many tracks of a session description are looked at.
const maxSections = 32

// mend takes out of a DESCRIBE's answer the tracks that the library cannot read:
// it would refuse the whole session for one of them. It says which they are.
func mend(res *base.Response) (unreadable []string) {
	if res.StatusCode != base.StatusOK || !slices.ContainsFunc(res.Header["Content-Type"], func(v string) bool {
		return strings.HasPrefix(v, "application/sdp")
	}) {
		return nil
	}
	if _, err := parse(res.Body); err == nil {
		return nil
	}
	res.Body, unreadable = readable(res.Body)
	return unreadable
}

// parse reads a session description. What comes from outside panics in here and
// not in the library's goroutine, where it would end all cameras.
func parse(body []byte) (desc *description.Session, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while reading the session description: %v", p)
		}
	}()
	var s sdp.SessionDescription
	if err := s.Unmarshal(body); err != nil {
		return nil, err
	}
	desc = &description.Session{}
	return desc, desc.Unmarshal(&s)
}

// readable leaves the sections that can be read each on its own. Ids and groups
// of tracks go when they contradict each other.
func readable(body []byte) (out []byte, unreadable []string) {
	head, sections := sectionsOf(body)
	out = slices.Clone(head)
	for _, s := range sections {
		if _, err := parse(slices.Concat(head, s)); err != nil {
			first, _, _ := strings.Cut(string(s), "\n")
			unreadable = append(unreadable, fmt.Sprintf("%s (%v)", short(strings.TrimSpace(first)), err))
			continue
		}
		out = append(out, s...)
	}
	if _, err := parse(out); err == nil {
		return out, unreadable
	}
	var plain []byte
	for line := range bytes.Lines(out) {
		if !bytes.HasPrefix(line, []byte("a=mid:")) && !bytes.HasPrefix(line, []byte("a=group:")) {
			plain = append(plain, line...)
		}
	}
	if _, err := parse(plain); err == nil {
		return plain, unreadable
	}
	return nil, unreadable // to the library no session description at all
}

// sectionsOf splits a session description at its m= lines.
func sectionsOf(body []byte) (head []byte, sections [][]byte) {
	for line := range bytes.Lines(body) {
		switch {
		case bytes.HasPrefix(line, []byte("m=")):
			if len(sections) == maxSections {
				return head, sections
			}
			sections = append(sections, slices.Clone(line))
		case len(sections) == 0:
			head = append(head, line...)
		default:
			last := &sections[len(sections)-1]
			*last = append(*last, line...)
		}
	}
	return head, sections
}

// selection is what is recorded of an offer.
type selection struct {
	video, sound *source // sound may be nil
	leftOut      []leftOut
}

// leftOut is a track that is not recorded.
type leftOut struct{ track, why string }

// choose picks the video track that is named, or the first that can be recorded,
// and the first audio track if wanted. What else the camera offers is not even
// set up.
func choose(desc *description.Session, o *Options) (selection, error) {
	var c selection
	number, found := 0, false
	for _, m := range desc.Medias {
		name := ""
		if m.Type == description.MediaTypeVideo && !m.IsBackChannel {
			number++
			name = strconv.Itoa(number)
		}
		for _, f := range m.Formats {
			wanted := o.Video == "" || isCalled(m, name, o.Video)
			found = found || wanted && name != ""
			if why := c.take(m, f, wanted, o.Audio); why != "" {
				c.leftOut = append(c.leftOut, leftOut{track: describe(m, f, name), why: why})
			}
		}
	}
	switch {
	case c.video != nil:
		return c, nil
	case o.Video != "" && !found:
		return c, &Failure{Cause: NoSuchVideo, Err: fmt.Errorf("%q; it offers: %s", o.Video, offered(desc))}
	}
	return c, &Failure{Cause: NoVideo, Err: fmt.Errorf("it offers: %s", offered(desc))}
}

// take selects a track, or says why not. Nothing is said of sound that nobody
// wants.
func (c *selection) take(m *description.Media, f format.Format, wanted, audio bool) (why string) {
	if m.IsBackChannel {
		return "it takes sound, and sends none"
	}
	s, err := newSource(m, f)
	switch {
	case err != nil: // it must not keep the others from being recorded
		return err.Error()
	case s == nil:
		return "its format is not one that is recorded"
	case s.track.Codec.IsVideo() && !wanted:
		return "another video stream is configured"
	case s.track.Codec.IsVideo() && c.video != nil:
		return `one video stream is recorded; to have this one, write its number or name as the camera's "video"`
	case s.track.Codec.IsVideo():
		c.video = s
	case !audio:
	case c.sound != nil:
		return "one sound track is recorded"
	default:
		if err := s.track.Validate(); err != nil {
			return err.Error()
		}
		c.sound = s
	}
	return ""
}

// isCalled says whether a video stream is meant: by its number among those that
// are offered, or by its id, its control address or the end of that.
func isCalled(m *description.Media, number, name string) bool {
	if _, err := strconv.Atoi(name); err == nil {
		return name == number
	}
	return number != "" && (name == m.ID || name == m.Control || strings.HasSuffix(m.Control, "/"+name))
}

// describe names a track for an operator.
func describe(m *description.Media, f format.Format, number string) string {
	text := string(m.Type)
	if number != "" {
		text += " " + number
	}
	if m.Control != "" {
		text += " " + strconv.Quote(m.Control)
	}
	codec := f.Codec()
	if g, ok := f.(*format.Generic); ok && g.RTPMa != "" {
		codec = g.RTPMa
	}
	return short(text + " " + codec)
}

func offered(desc *description.Session) string {
	var out []string
	number := 0
	for _, m := range desc.Medias {
		name := ""
		if m.Type == description.MediaTypeVideo && !m.IsBackChannel {
			number++
			name = strconv.Itoa(number)
		}
		for _, f := range m.Formats {
			out = append(out, describe(m, f, name))
		}
	}
	return short(strings.Join(out, ", "))
}

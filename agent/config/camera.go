package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
)

// cameraID is what may become a directory.
var cameraID = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)

// deviceName is what Windows takes for a device, whatever follows the dot.
var deviceName = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$`)

func (p *parser) cameras(list []*section, c *Config) {
	seen := map[string]string{} // by id without case: Windows directories have none
	for _, s := range list {
		cam := Camera{
			ID: s.text("id", ""), URL: s.secret("url"), SubURL: s.secret("url_sub"), Stream: s.choice("stream", "main", "sub"),
			CAFile: s.text("ca_file", ""), Video: s.text("video", ""), Audio: s.flag("audio", true),
			Transport: s.choice("transport", "auto", "tcp", "udp"), KeepAlive: s.choice("keepalive", "auto", "options", "get_parameter"),
			Timeout:         s.duration("timeout", 10*time.Second, time.Second, time.Minute),
			StallTimeout:    s.duration("stall_timeout", 10*time.Second, 2*time.Second, 10*time.Minute),
			KeyframeTimeout: s.duration("keyframe_timeout", 30*time.Second, 2*time.Second, time.Hour),
		}
		cam.Name = s.text("name", cam.ID)
		p.cameraID(s, cam.ID, c.Central.URL != "", seen)
		if len([]rune(cam.Name)) > 200 || strings.IndexFunc(cam.Name, unicode.IsControl) >= 0 {
			s.problem("name", "is not a plain name", "write up to 200 characters without line breaks")
		}
		if len(cam.Video) > 200 || cam.Video == "0" || strings.IndexFunc(cam.Video, unicode.IsControl) >= 0 {
			s.problem("video", fmt.Sprintf("%q is neither the number nor the name of a stream", cam.Video), `write "2" for the second video stream of the session, or the name that the log says`)
		}
		p.cameraURL(s, "url", cam.URL)
		if cam.SubURL.IsSet() || cam.Stream == "sub" {
			p.cameraURL(s, "url_sub", cam.SubURL)
		}
		p.cameraTrust(s, &cam)
		cam.Schedules = p.schedules(s)
		s.done()
		c.Cameras = append(c.Cameras, cam)
	}
	if len(list) == 0 && !c.Central.Cameras {
		c.Warnings = append(c.Warnings, "no [[camera]]: nothing will be recorded")
	}
}

func (p *parser) cameraID(s *section, id string, central bool, seen map[string]string) {
	other, twice := seen[strings.ToLower(id)]
	_, notUUID := uuid.Parse(id)
	switch {
	case id == "":
		s.problem("id", "is missing", "write the central server's id of the camera; without a central server any name of A-Z a-z 0-9 . _ -")
	case !cameraID.MatchString(id) || deviceName.MatchString(id) || strings.HasSuffix(id, "."):
		s.problem("id", fmt.Sprintf("%q cannot be a directory's name", id), "write 1 to 64 of A-Z a-z 0-9 . _ - that do not begin or end with a dot")
	case twice:
		s.problem("id", fmt.Sprintf("%q is the id of %s as well", id, other), "give each camera an id of its own")
	case central && notUUID != nil:
		s.problem("id", fmt.Sprintf("%q is not a UUID", id), "write the central server's id of the camera")
	}
	seen[strings.ToLower(id)] = s.name
}

func (p *parser) cameraURL(s *section, name string, value Secret) {
	const instead = `write "rtsp://user:password@host:554/path", special characters in the password percent-encoded`
	u, err := url.Parse(value.Reveal())
	switch {
	case !value.IsSet() && !s.unset(name):
		s.problem(name, "is missing", instead)
	case !value.IsSet(): // its reference was reported
	case err != nil || u.Fragment != "" || strings.IndexFunc(value.Reveal(), unicode.IsSpace) >= 0 || u.Scheme != "rtsp" && u.Scheme != "rtsps" || u.Hostname() == "":
		s.problem(name, "is not the address of an RTSP stream", instead) // it is not quoted: it may hold a password
	}
}

// cameraTrust reads what an rtsps:// camera's certificate is held against.
func (p *parser) cameraTrust(s *section, cam *Camera) {
	p.certificates(s, cam.CAFile)
	text := s.text("fingerprint", "")
	sum, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	switch {
	case text == "":
	case err != nil || len(sum) != sha256.Size:
		s.problem("fingerprint", fmt.Sprintf("%q is not a fingerprint", text), "write the SHA-256 of the camera's certificate: 64 hexadecimal digits, with or without colons")
	default:
		cam.Fingerprint = sum
	}
	for name, set := range map[string]bool{"ca_file": cam.CAFile != "", "fingerprint": text != ""} {
		if set && strings.HasPrefix(cam.StreamURL().Reveal(), "rtsp:") {
			s.problem(name, "is not used", "write an rtsps:// address, or take it out: rtsp:// has no certificate")
		}
	}
}

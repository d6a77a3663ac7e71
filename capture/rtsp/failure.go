package rtsp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"

	"recording-agent/capture/panics"
)

// Cause is why a session ended, in words that an installer understands.
type Cause string

// The causes.
const (
	HostNotFound     Cause = "the camera's host name is not known"
	Unreachable      Cause = "there is no way to the camera's network"
	Refused          Cause = "the camera's address answers, but nothing listens on the RTSP port"
	TimedOut         Cause = "the camera does not answer"
	LoginRefused     Cause = "the camera refuses the login"
	PathNotFound     Cause = "the camera has no stream under this path"
	NotRTSP          Cause = "what answers does not speak RTSP"
	NotTLS           Cause = "what answers does not speak TLS"
	NoCipher         Cause = "the camera and this host find no common encryption"
	Untrusted        Cause = "the camera's certificate is not trusted"
	PlainUDP         Cause = "the camera does not encrypt what it sends over UDP"
	NoVideo          Cause = "the stream has no video that can be recorded"
	NoSuchVideo      Cause = "the stream has no such video stream as is configured"
	Stalled          Cause = "the camera stopped sending pictures"
	NoKeyFrame       Cause = "the camera sends pictures, but no key frame"
	SoundStalled     Cause = "the camera stopped sending sound"
	Closed           Cause = "the camera closed the connection"
	BadStream        Cause = "the stream cannot be read"
	RejectedRequest  Cause = "the camera rejects the request"
	OtherTransport   Cause = "the camera does not send over this transport"
	NothingUDP       Cause = "nothing arrives over UDP"
	ReceiverRejected Cause = "the footage could not be taken"
	Faulty           Cause = "the agent's own code failed"
)

var remedies = map[Cause]string{
	HostNotFound:    "check the host in camera.url, or use its IP address",
	Unreachable:     "check cable, switch and this host's network settings",
	Refused:         "check the port in camera.url (usually 554) and that RTSP is switched on in the camera",
	TimedOut:        "check that the camera has power and the address in camera.url; a firewall may be in between",
	LoginRefused:    "check user and password in camera.url; many cameras lock an account for some minutes after wrong tries",
	PathNotFound:    "check the path in camera.url against the camera's manual",
	NotRTSP:         "check the port in camera.url: this may be the camera's web page",
	NotTLS:          "check the port in camera.url (usually 322 for rtsps://), or write rtsp:// inside a trusted network",
	NoCipher:        "a firmware update may help: TLS 1.2 is the least; or write rtsp:// inside a trusted network",
	Untrusted:       "install a certificate that this host trusts on the camera, or write its fingerprint or ca_file",
	PlainUDP:        `set transport = "tcp"`,
	NoVideo:         "switch the camera's stream to H.264, H.265, AV1 or MJPEG",
	NoSuchVideo:     "write the number or the name of one that it offers as camera.video, or leave that out for the first",
	Stalled:         "if it goes on, restart the camera and look at its load and network",
	NoKeyFrame:      "lower the key frame interval (GOP) in the camera and switch smart codecs off, or raise keyframe_timeout",
	SoundStalled:    "if it goes on, look at the camera's microphone settings, or write audio = false",
	BadStream:       "look at the camera's encoder settings; a firmware update may help",
	RejectedRequest: "check the camera's limit of simultaneous streams",
	OtherTransport:  `set transport = "auto", or the other of "tcp" and "udp"`,
	Faulty:          panics.Remedy,
	NothingUDP:      `set transport = "tcp", or open the firewall for UDP`,
}

// Failure is why a session ended. Its text never holds the URL's user info.
type Failure struct {
	Cause Cause
	Err   error // may be nil
}

func (f *Failure) Error() string {
	if f.Err == nil {
		return string(f.Cause)
	}
	return fmt.Sprintf("%s (%v)", f.Cause, f.Err)
}

func (f *Failure) Unwrap() error { return f.Err }

// Explain returns what to tell the operator, and what to do about it.
func (f *Failure) Explain() (cause, remedy string) {
	var d *distrust
	if errors.As(f.Err, &d) {
		return f.Error(), d.remedy()
	}
	return f.Error(), remedies[f.Cause]
}

// Gap is the kind of gap that the end of the session leaves, in the words of the
// ledger (spool.Cause).
func (f *Failure) Gap() string {
	switch f.Cause {
	case Refused, LoginRefused, PathNotFound, NotRTSP, Untrusted, NoVideo, RejectedRequest, OtherTransport:
		return "camera refused"
	case Stalled, NothingUDP:
		return "camera stalled"
	case BadStream:
		return "damaged"
	case Faulty:
		return "agent fault"
	}
	return "camera unreachable"
}

// redacted hides user info in the text of an error of others.
type redacted struct {
	err  error
	hide []string
}

func (r redacted) Unwrap() error { return r.err }

func (r redacted) Error() string {
	text := r.err.Error()
	for _, secret := range r.hide {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return userInfo.ReplaceAllString(text, "://***@")
}

// userInfo is what a URL in a text has of it: a camera may tell others than ours,
// or ours in a spelling of its own.
var userInfo = regexp.MustCompile(`://[^/\s]*@`)

// parameter is a secret that a camera wants in the path or the query: /user=admin&password=x,
// /user=admin_password=x_channel=1, /live?token=x.
var parameter = regexp.MustCompile(`(?i)(?:pass|passwd|password|pwd|psw|token|secret|auth|key)=([^&;/?#\s]+)`)

// secretsOf lists the forms in which a URL's user info, or another secret in it, could
// appear in a text. What holds another comes before that.
func secretsOf(u *url.URL) []string {
	var all []string
	if u.User != nil {
		password, _ := u.User.Password()
		basic := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password)) // authentication
		all = append(all, u.User.String()+"@", basic, password, url.QueryEscape(password), url.PathEscape(password))
	}
	login := len(all) // what follows may be a syllable of any text: not two characters
	for _, found := range parameter.FindAllStringSubmatch(u.RequestURI(), -1) {
		first, _, _ := strings.Cut(found[1], "_")
		for _, value := range []string{found[1], first} {
			all = append(all, value)
			if plain, err := url.PathUnescape(value); err == nil {
				all = append(all, plain, url.QueryEscape(plain))
			}
		}
	}
	var out []string
	for i, s := range all {
		if len(s) > 2 || len(s) == 2 && i < login {
			out = append(out, s)
		}
	}
	return out
}

// classify finds the cause of an error of the RTSP library or the network.
func classify(err error) Cause {
	var dns *net.DNSError
	var status liberrors.ErrClientBadStatusCode
	var plain tls.RecordHeaderError
	var untrusted *distrust
	var panicked *panics.Error
	switch {
	case errors.As(err, &panicked):
		return Faulty
	case errors.As(err, &untrusted):
		return Untrusted
	case errors.As(err, &plain):
		return NotTLS
	case errors.Is(err, errHTTP):
		return NotRTSP
	case errors.As(err, &dns):
		return HostNotFound
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return Unreachable
	case errors.As(err, &status):
		return classifyStatus(status.Code)
	case errors.Is(err, liberrors.ErrClientUDPTimeout{}), errors.Is(err, liberrors.ErrClientTCPTimeout{}):
		return Stalled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, liberrors.ErrClientRequestTimedOut{}):
		return TimedOut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return Closed
	case strings.Contains(err.Error(), "tls: "): // most of that package's errors have no type
		return NoCipher
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return TimedOut
	}
	return BadStream
}

func classifyStatus(code base.StatusCode) Cause {
	switch code {
	case base.StatusUnauthorized, base.StatusForbidden:
		return LoginRefused
	case base.StatusNotFound:
		return PathNotFound
	case base.StatusUnsupportedTransport:
		return OtherTransport
	}
	return RejectedRequest
}

package rtsp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// journal takes log lines of several goroutines.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// passwords as they stand in a URL.
var passwords = []string{
	"s3cretword",
	"p%40ss%3Aword%2Fsecret",
	"p%40ss%3aword%2fsecret",
	"%73%33cret!$&'()*+,;=word",
	"geheim%C3%B6%C3%A4%E2%82%AC",
	"quo%22ted%5Cword",
	"two%20words",
	"p%25ercent%2525",
	"a+plus+b",
	"~tilde-._word",
}

// formsOf lists how a password could be written.
func formsOf(inURL string) []string {
	plain, err := url.PathUnescape(inURL)
	if err != nil {
		panic(err) // of the test's own making
	}
	return []string{
		inURL, plain, url.QueryEscape(plain), url.PathEscape(plain), url.UserPassword("", plain).String()[1:],
		base64.StdEncoding.EncodeToString([]byte("viewer:" + plain)), strings.Trim(fmt.Sprintf("%q", plain), `"`),
	}
}

// wantSecret fails the test if anything that an operator sees tells the password.
func wantSecret(t *testing.T, inURL string, err error, log string) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("ended with %v, want a failure", err)
	}
	cause, remedy := f.Explain()
	for where, text := range map[string]string{
		"error": err.Error(), "explanation": cause, "remedy": remedy, "log": log, "printed": fmt.Sprintf("%v %+v %q", err, err, err),
	} {
		for _, form := range formsOf(inURL) {
			if strings.Contains(text, form) {
				t.Errorf("the %s tells the password as %q: %s", where, form, text)
			}
		}
	}
}

// says answers every request but OPTIONS with a status and text of the camera's.
func says(status base.StatusCode, text func(*base.Request) string, header base.Header) func(*base.Request) *base.Response {
	return func(req *base.Request) *base.Response {
		if req.Method == base.Options {
			return nil
		}
		h := base.Header{}
		for k, v := range header {
			h[k] = v
		}
		return &base.Response{StatusCode: status, StatusMessage: text(req), Header: h}
	}
}

// authorization is what the client sent; it begins with its method.
func authorization(req *base.Request) string {
	if v := req.Header["Authorization"]; len(v) == 1 {
		return v[0]
	}
	return "nothing"
}

func TestPasswordsAreNeverTold(t *testing.T) {
	basic := base.Header{"WWW-Authenticate": base.HeaderValue{`Basic realm="cam"`}}
	digest := base.Header{"WWW-Authenticate": base.HeaderValue{`Digest realm="cam", nonce="1234567890"`}}
	for _, password := range passwords {
		plain, _ := url.PathUnescape(password)
		echo := func(text string) func(*base.Request) string { return func(*base.Request) string { return text } }
		for name, answer := range map[string]func(*base.Request) *base.Response{
			"closed port":               nil,
			"basic":                     says(401, echo("Unauthorized"), basic),
			"digest":                    says(401, echo("Unauthorized"), digest),
			"no method":                 says(401, echo("Unauthorized"), nil),
			"tells the password":        says(401, echo("no "+plain+" here"), basic),
			"tells it as in the URL":    says(403, echo("no rtsp://viewer:"+password+"@cam here"), nil),
			"tells the header":          says(401, authorization, basic),
			"redirects to a bad URL":    says(302, echo("Moved"), base.Header{"Location": base.HeaderValue{"rtsp://viewer:" + password + "@127.0.0.1:bad/"}}),
			"redirects to another port": says(302, echo("Moved"), base.Header{"Location": base.HeaderValue{"rtsp://viewer:" + password + "@127.0.0.1:1/"}}),
		} {
			t.Run(name+" "+password, func(t *testing.T) {
				address := closedPort(t)
				if answer != nil {
					address = rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(sdpOf(media.H264)), Answer: answer})
				}
				var log journal
				o := options(t, "rtsp://viewer:"+password+"@"+address+"/cam")
				o.Log = zerolog.New(&log).Level(zerolog.TraceLevel)
				o.RequestTimeout, o.DialTimeout = time.Second, time.Second
				s, err := NewSession(o)
				if err != nil {
					t.Fatal(err)
				}
				wantSecret(t, password, s.Run(deadline(t, 10*time.Second), &collector{enough: 1}), log.String())
				if strings.Contains(s.String(), "viewer") || strings.Contains(s.String(), plain) {
					t.Errorf("the session's name is %s", s)
				}
			})
		}
	}
}

func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// The fallback to TCP is logged with what the camera said.
func TestPasswordIsNotInTheLogOfTheFallback(t *testing.T) {
	const password = "s3cretword"
	answer := func(req *base.Request) *base.Response {
		if req.Method == base.Setup && !overTCP(req) {
			return &base.Response{StatusCode: base.StatusUnsupportedTransport, StatusMessage: "not for rtsp://viewer:" + password + "@cam/"}
		}
		return nil
	}
	address := rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(sdpOf(media.H264)), Answer: answer, Play: play(t, media.H264, 0)})
	var log journal
	o := options(t, "rtsp://viewer:"+password+"@"+address+"/cam")
	o.Log, o.Transport = zerolog.New(&log), Auto
	err := runSession(t, o, &collector{enough: 1})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "TCP") {
		t.Errorf("the log says nothing of the fallback: %s", log.String())
	}
	wantSecret(t, password, err, log.String())
}

func TestInvalidURLs(t *testing.T) {
	for _, u := range []string{
		"", "rtsp", "://", "http://viewer:s3cretword@cam/", "rtsp://viewer:s3cretword@cam:port/", "rtsp://viewer:s3cretword@[::1/",
		"rtsp://viewer:s3cretword%zz@cam/", "rtsp://viewer:s3cretword@cam/\x7f", "rtsp://viewer:s3cretword@cam/#fragment",
		"rtsp:viewer:s3cretword@cam", " rtsp://viewer:s3cretword@cam/", "rtsp://viewer:s3cret word@cam/", "rtsp://viewer:s3cretword@ca m/",
	} {
		_, err := NewSession(options(t, u))
		if err == nil {
			t.Errorf("%q was accepted", u)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "rtsp://") {
			t.Errorf("%q: the error is %q; want that a valid rtsp:// URL is needed, without the password", u, err)
		}
	}
}

// A camera may send to another place, with a login that is not ours.
func TestForeignLoginIsNotTold(t *testing.T) {
	for _, location := range []string{"rtsp://root:f0reign@127.0.0.1:bad/", "rtsp://root:f0r@eign@127.0.0.1:bad/", "rtsp://f0reign@[::1/"} {
		address := rtsptest.Scripted(t, rtsptest.Script{Answer: says(302, func(*base.Request) string { return "Moved" }, base.Header{"Location": base.HeaderValue{location}})})
		err := runSession(t, options(t, "rtsp://"+address+"/cam"), &collector{enough: 1})
		if err == nil || strings.Contains(err.Error(), "f0r") || strings.Contains(err.Error(), "eign") {
			t.Errorf("redirected to %s: %v", location, err)
		}
	}
}

// Many cameras take the password in the path or the query.
func TestPasswordInThePathIsNotTold(t *testing.T) {
	for _, path := range []string{
		"/user=admin&password=s3cretword&channel=1&stream=0.sdp?real_stream", "/user=admin_password=s3cretword_channel=1_stream=0.sdp",
		"/live?user=admin&pwd=s3cretword", "/live?User=admin&Passwd=s3cret_word%21&x=1", "/ch0;token=s3cretword",
	} {
		repeats := func(req *base.Request) string {
			plain, _ := url.PathUnescape(req.URL.String())
			return "there is no " + req.URL.String() + ", or " + plain
		}
		address := rtsptest.Scripted(t, rtsptest.Script{Answer: says(404, repeats, nil)})
		s, err := NewSession(options(t, "rtsp://"+address+path))
		if err != nil {
			t.Fatal(err)
		}
		err = s.Run(t.Context(), &collector{enough: 1})
		if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "_word") || !strings.Contains(err.Error(), "there is no") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A text of a camera or a library may hold the password in any place.
func FuzzRedaction(f *testing.F) {
	for _, p := range passwords {
		f.Add(p, "a text with ", " in it")
	}
	f.Add("viewer", "rtsp://", "@host")
	f.Fuzz(func(t *testing.T, password, before, after string) {
		if len(password) < 2 || strings.Contains(before+"***@***"+after, password) {
			return // what is there without being told cannot be hidden
		}
		u := &url.URL{Scheme: "rtsp", User: url.UserPassword("viewer", password), Host: "host"}
		for _, told := range []string{password, url.QueryEscape(password), url.PathEscape(password), u.User.String() + "@"} {
			text := redacted{errors.New(before + told + after), secretsOf(u)}.Error()
			if strings.Contains(text, told) {
				t.Errorf("%q became %q, which tells %q", before+told+after, text, told)
			}
		}
	})
}

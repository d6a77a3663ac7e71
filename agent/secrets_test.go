package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"recording-agent/agent/central/centraltest"
	"recording-agent/agent/status/apitest"
	"recording-agent/capture/rtsp/rtsptest"
)

// marks are secrets that are easily found, wherever they turn up.
var marks = map[string]string{
	"the camera's password":         "MARKcamera",
	"the refused camera's password": "MARK/refused pass",
	"the central server's token":    "MARKtoken",
	"the S3 secret key":             "MARKsecret",
	"the S3 session token":          "MARKsession",
	"the mirror's secret key":       "MARKmirror",
	"the status port's token":       "MARKstatus",
}

// wantNoMarks fails the test for each secret that a text tells, in whichever form.
func wantNoMarks(t *testing.T, where, text string) {
	t.Helper()
	for what, mark := range marks {
		for _, form := range forms(mark) {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s tells %s: …%s…", where, what, text[max(0, at-120):min(len(text), at+len(form)+60)])
			}
		}
	}
}

// forms are those in which a secret turns up.
func forms(mark string) []string {
	return []string{
		mark, url.QueryEscape(mark), url.PathEscape(mark),
		strings.TrimRight(base64.StdEncoding.EncodeToString([]byte("viewer:"+mark)), "="),
	}
}

// repeatable are the secrets that peers are sent. The others sign what is sent.
var repeatable = []string{"the refused camera's password", "the central server's token", "the S3 session token"}

// echo is a server that puts all that it was sent into its error: what a proxy in a
// debug mode, or a hostile host, does. repeated is what it has said.
func echo(status int, repeated *said) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		said := fmt.Sprint(r.URL, " ", r.Header)
		fmt.Fprintln(repeated, said)
		if strings.Contains(r.Header.Get("Accept-Encoding"), "identity") || r.Header.Get("X-Amz-Date") != "" {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			fmt.Fprintf(w, "<Error><Code>AccessDenied</Code><Message>%s</Message></Error>", strings.NewReplacer("<", "", "&", "").Replace(said))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"detail": said})
	}
}

// TestSecretsAreNeverTold runs everything with marked secrets, among peers that
// repeat what they are told, and searches all that comes out of the agent.
func TestSecretsAreNeverTold(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var repeated said
	store := httptest.NewServer(echo(http.StatusForbidden, &repeated))
	defer store.Close()
	refuses := rtsptest.Scripted(t, rtsptest.Script{Answer: func(req *base.Request) *base.Response {
		if req.Method == base.Options {
			return nil
		}
		said := fmt.Sprint(req.URL, req.Header["Authorization"])
		fmt.Fprintln(&repeated, said)
		return &base.Response{
			StatusCode: base.StatusUnauthorized, StatusMessage: said,
			Header: base.Header{"WWW-Authenticate": base.HeaderValue{`Basic realm="camera"`}},
		}
	}})
	repeat := centraltest.Fault(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		echo(http.StatusUnauthorized, &repeated)(w, r)
	})
	central := centraltest.New(centraltest.Options{Token: marks["the central server's token"], ClientName: "host", Cameras: h.cameras})
	central.Break("/recordings/register", 2, repeat)
	central.Break("/clients/heartbeat", 1, repeat)
	central.Break("/cameras", 1, repeat) // the first check
	rows := httptest.NewServer(central)
	defer rows.Close()

	withUser := func(address, mark string) string {
		return strings.Replace(address, "rtsp://", "rtsp://viewer:"+url.PathEscape(marks[mark])+"@", 1)
	}
	text := fmt.Sprintf(`
[agent]
client_name = "host"
data_dir = %q
[central]
url = %q
token = %q
client_id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
heartbeat_interval = "5s"
[segment]
duration = "5s"
[s3]
bucket = "footage"
endpoint = %q
path_style = true
access_key_id = "test"
secret_access_key = %q
session_token = %q
[[mirror]]
name = "copy"
bucket = "copy"
endpoint = %q
path_style = true
access_key_id = "test"
secret_access_key = %q
[status]
listen = %q
token = %q
[log]
level = "trace"
[[camera]]
id = %q
url = %q
url_sub = %q
[[camera]]
id = %q
url = %q
`, h.data(), rows.URL, marks["the central server's token"], store.URL, marks["the S3 secret key"], marks["the S3 session token"], store.URL,
		marks["the mirror's secret key"], h.status, marks["the status port's token"],
		h.cameras[0], withUser(h.hub.URL(h.cameras[0]), "the camera's password"), withUser(h.hub.URL(h.cameras[0]), "the camera's password"),
		h.cameras[1], withUser("rtsp://"+refuses+"/stream", "the refused camera's password"))
	if err := os.WriteFile(h.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	defer h.kill()
	h.until(time.Minute, func() string {
		if n := len(h.files()); n < 3 || len(central.Heartbeats()) == 0 || len(central.Recordings()) == 0 {
			return fmt.Sprintf("three segments, a heartbeat and a row: %d, %d, %d", n, len(central.Heartbeats()), len(central.Recordings()))
		}
		for _, what := range repeatable {
			if !slices.ContainsFunc(forms(marks[what]), func(form string) bool { return strings.Contains(repeated.String(), form) }) {
				return "a peer that repeats " + what
			}
		}
		for _, expected := range []string{"AccessDenied", "camera refuses", "does not accept the token"} {
			if !strings.Contains(h.said.String(), expected) {
				return fmt.Sprintf("a log with %q", expected)
			}
		}
		return ""
	})

	answers := h.everyAnswer()
	for _, path := range []string{"/manual-record?camera_id=" + h.cameras[1], "/nowhere/" + h.cameras[0]} {
		answers += path + "\n" + h.fetch(path) + "\n"
	}
	for _, command := range [][]string{
		{"segments", "list", "--json"}, {"segments", "list"}, {"check", "config"}, {"segments", "show", segmentOf(h.files()[0])}, {"segments", "retry", "--failed"},
		{"check"}, {"check", "--json"},
	} {
		c := exec.Command(os.Args[0], append(command, "--config", h.config())...)
		c.Env = append(os.Environ(), "RUN_AS_AGENT=1")
		out, _ := c.CombinedOutput() // that some fail is part of it
		answers += strings.Join(command, " ") + "\n" + string(out) + "\n"
	}
	h.stop()
	sent, err := json.Marshal([]any{central.Heartbeats(), central.Recordings()})
	if err != nil {
		t.Fatal(err)
	}
	wantNoMarks(t, "the log", h.said.String())
	wantNoMarks(t, "an answer", answers)
	wantNoMarks(t, "what central was sent", string(sent))
	err = filepath.WalkDir(h.data(), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err == nil {
			wantNoMarks(t, entry.Name(), string(data))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// everyAnswer asks all that can be read and is described, with the page and one event
// of it.
func (h *host) everyAnswer() (all string) {
	h.t.Helper()
	d := apitest.Read(h.t, []byte(h.fetch("/api/v1/openapi.yaml")))
	asked := map[string]bool{}
	for _, operation := range d.Operations() {
		path, reads := strings.CutPrefix(operation, "GET ")
		if !reads || strings.HasPrefix(path, "/assets/") || path == "/api/v1/events" {
			continue
		}
		asked[path] = true
		path = strings.NewReplacer("{camera}", h.cameras[1], "{segment}", segmentOf(h.files()[0])).Replace(path)
		switch path {
		case "/api/v1/moment":
			path += "?camera=" + h.cameras[0] + "&at=" + url.QueryEscape(time.Now().Add(-10*time.Second).UTC().Format(time.RFC3339))
		case "/api/v1/timeline":
			path += "?camera=" + h.cameras[0]
		}
		answer := h.get(path)
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			h.t.Fatal(err)
		}
		if answer.StatusCode != http.StatusOK && !strings.HasPrefix(path, "/play/") {
			h.t.Errorf("GET %s: %d %s", path, answer.StatusCode, body)
		}
		all += path + "\n" + string(body) + "\n"
	}
	for _, path := range []string{"/", "/metrics", "/status", "/health", "/schedules", "/api/v1/status", "/api/v1/cameras/{camera}", "/api/v1/destinations", "/api/v1/segments/{segment}", "/api/v1/problems"} {
		if !asked[path] {
			h.t.Errorf("GET %s was not asked", path)
		}
	}
	return all + h.event()
}

// event is the first event of the page, which has all that it shows.
func (h *host) event() (text string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.status+"/api/v1/events", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		text += lines.Text() + "\n"
		if strings.HasPrefix(lines.Text(), "data:") && strings.Contains(lines.Text(), h.cameras[1]) {
			return text
		}
	}
	h.t.Errorf("no event tells of the camera: %v, %.500s", lines.Err(), text)
	return text
}

func (h *host) fetch(path string) string {
	h.t.Helper()
	response, err := http.Get("http://" + h.status + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(body)
}

// TestNobodyElseReadsTheData: footage, ledger and what central assigns are the
// agent's and its group's.
func TestNobodyElseReadsTheData(t *testing.T) {
	h := newHost(t)
	h.start()
	h.until(30*time.Second, func() string {
		if len(h.files()) < 2 {
			return "two files"
		}
		return ""
	})
	err := filepath.WalkDir(h.data(), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // deleted meanwhile
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s can be read or written by everybody: %v", name, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	h.stop()
}

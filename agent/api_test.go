package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"recording-agent/agent/status/apitest"
)

// get asks the agent's status port.
func (h *host) get(path string) *http.Response {
	h.t.Helper()
	answer, err := http.Get("http://" + h.status + path)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer
}

// read asks, wants the answer to be as described, and decodes it.
func (h *host) read(d *apitest.Description, path string, into any) {
	h.t.Helper()
	answer := h.get(path)
	body := d.Check(answer)
	if answer.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s: %d %s", path, answer.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		h.t.Fatalf("GET %s: %v", path, err)
	}
}

// sample is the value of a metric that the agent tells; -1 while it does not.
func (h *host) sample(series string) float64 {
	h.t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(h.fetch("/metrics"))
	if m == nil {
		return -1
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// Everything that is described is asked of an agent that records, uploads and
// reports, and answered as it is described; and it is true.
func TestAPIOfARunningAgent(t *testing.T) {
	h := newHost(t)
	h.more = "[retention]\ndelete_after_upload = false\n"
	h.configure()
	h.start()
	h.until(20*time.Second, func() string {
		answer, err := http.Get("http://" + h.status + "/readyz")
		if err != nil {
			return err.Error()
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return "an agent that is ready"
		}
		return ""
	})
	answer := h.get("/api/v1/openapi.yaml")
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	d := apitest.Read(t, text)
	h.untilStates(20*time.Second, "recording", "recording")
	h.until(60*time.Second, func() string {
		if n := h.sample("recording_agent_central_latency_seconds_count"); n < 4 {
			return fmt.Sprintf("four segments completed at central, there are %v", n)
		}
		return ""
	})
	h.asDescribed(d)
	h.pages(d)
	h.numbers()
	h.stop()
}

// asDescribed asks for everything that is described.
func (h *host) asDescribed(d *apitest.Description) {
	h.t.Helper()
	verified := h.listed("--state", "finished")[0].ID
	queries := map[string]string{
		"POST /manual-record": "?camera_id=" + h.cameras[0], "POST /segments/retry": "?failed=1",
		"GET /api/v1/timeline": "?camera=" + h.cameras[0], "GET /api/v1/moment": "?camera=" + h.cameras[0],
	}
	for _, operation := range d.Operations() {
		if operation == "GET /api/v1/events" {
			continue // that does not end
		}
		method, path, _ := strings.Cut(operation, " ")
		path = strings.NewReplacer("{camera}", h.cameras[0], "{segment}", verified, "{name}", "page.js").Replace(path) + queries[operation]
		request, err := http.NewRequestWithContext(h.t.Context(), method, "http://"+h.status+path, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			h.t.Fatal(err)
		}
		body := d.Check(answer)
		want := http.StatusOK
		switch operation {
		case "POST /manual-record", "POST /stop-recording/{camera}":
			want = http.StatusBadRequest // it is recorded at all times
		case "POST /segments/{segment}/retry":
			want = http.StatusConflict // it has gone all the way, or nearly
		}
		if answer.StatusCode != want && !(want == http.StatusConflict && answer.StatusCode == http.StatusOK) {
			h.t.Errorf("%s: %d %.300s", operation, answer.StatusCode, body)
		}
	}
}

// pages reads lists page by page, and wants nothing to be missing or twice.
func (h *host) pages(d *apitest.Description) {
	h.t.Helper()
	var ids, want []string
	to := time.Now().UTC().Add(-time.Second).Format(time.RFC3339) // what begins meanwhile is left out
	for next := ""; ; {
		var page struct {
			Segments []segmentJSON
			Next     *string `json:"next_cursor"`
		}
		h.read(d, "/api/v1/segments?limit=3&to="+to+"&cursor="+next, &page)
		for _, s := range page.Segments {
			ids = append(ids, s.ID)
		}
		if page.Next == nil || len(ids) > 1000 {
			break
		}
		if len(page.Segments) != 3 {
			h.t.Errorf("a page of %d", len(page.Segments))
		}
		next = *page.Next
	}
	for _, s := range slices.Backward(h.listed("--until", to)) {
		want = append(want, s.ID)
	}
	if !slices.Equal(ids, want) || len(ids) < 4 {
		h.t.Errorf("segments by pages %v, by the command %v", ids, want)
	}
	var gaps struct {
		Gaps []struct {
			ID     int64
			Camera string `json:"camera_id"`
			Cause  string
		}
		Next *string `json:"next_cursor"`
	}
	h.read(d, "/api/v1/gaps?limit=1&camera="+h.cameras[1], &gaps) // before its first picture
	if len(gaps.Gaps) != 1 || gaps.Gaps[0].Camera != h.cameras[1] {
		h.t.Errorf("gaps of a camera: %+v", gaps)
	}
	if gaps.Next != nil {
		gaps.Gaps = nil
		h.read(d, "/api/v1/gaps?camera="+h.cameras[1]+"&cursor="+*gaps.Next, &gaps)
		if len(gaps.Gaps) == 0 {
			h.t.Error("a page of gaps that is empty")
		}
	}
}

// numbers wants the metrics to be those of what has happened.
func (h *host) numbers() {
	h.t.Helper()
	camera := fmt.Sprintf(`{camera=%q}`, h.cameras[0])
	for series, low := range map[string]float64{
		"recording_agent_camera_bytes_total" + camera:                                       100_000,
		"recording_agent_camera_frames_total" + camera:                                      100,
		`recording_agent_destination_segments_total{destination="primary"}`:                 4,
		`recording_agent_destination_bytes_total{destination="primary"}`:                    100_000,
		`recording_agent_destination_sent_bytes_total{destination="primary"}`:               100_000,
		`recording_agent_destination_latency_seconds_count{destination="primary"}`:          4,
		`recording_agent_destination_latency_seconds_bucket{destination="primary",le="30"}`: 4,
		`recording_agent_central_latency_seconds_bucket{le="30"}`:                           4,
		`recording_agent_destination_failures_total{destination="primary"}`:                 0,
		`recording_agent_problems`:                                                          0,
	} {
		if v := h.sample(series); v < low {
			h.t.Errorf("%s is %v, at least %v is wanted", series, v, low)
		}
	}
	h.until(15*time.Second, func() string { // they are not counted each time
		if v := h.sample(`recording_agent_segments{state="finished"}`); v < 4 {
			return fmt.Sprintf("four finished segments, there are %v", v)
		}
		return ""
	})
	if v := h.sample("recording_agent_camera_unsafe_seconds" + camera); v < 0 || v > 20 {
		h.t.Errorf("%v seconds are not safe, of segments of 5 seconds", v)
	}
	if !strings.Contains(h.fetch("/metrics"), `recording_agent_camera_gap_seconds_total{camera="`+h.cameras[0]+`",cause="`) {
		h.t.Error("nothing is told of the gap before the first picture")
	}
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// await polls a path until it is answered with a code, and returns what was said.
func await(t *testing.T, client *http.Client, address string, code int) (said string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		answer, err := client.Get(address)
		if err == nil {
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if said = string(body); answer.StatusCode == code {
				return said
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s is not answered with %d; last: %s", address, code, said)
	return ""
}

// An agent lives while it waits for its ledger, and is ready when it has it; not
// while its data directory is away.
func TestProbes(t *testing.T) {
	l := newLone(t, filepath.Join(t.TempDir(), "data"))
	if err := os.Mkdir(l.data, 0o750); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	l.writeStatus(fmt.Sprintf("listen = \"127.0.0.1:%s\"\n", port))
	address, client := "http://127.0.0.1:"+port, http.DefaultClient
	release := holdLedger(t, l.data)
	l.start()
	await(t, client, address+"/healthz", 200)
	if said := await(t, client, address+"/readyz", 503); !strings.Contains(said, "the ledger is opened") {
		t.Errorf("while it waits for the ledger: %s", said)
	}
	await(t, client, address+"/status", 503)
	release()
	await(t, client, address+"/readyz", 200)
	await(t, client, address+"/status", 200)
	if err := os.Rename(l.data, l.data+"-away"); err != nil {
		t.Fatal(err)
	}
	if said := await(t, client, address+"/readyz", 503); !strings.Contains(said, "data directory") {
		t.Errorf("without its data directory: %s", said)
	}
	await(t, client, address+"/healthz", 200)
	if err := os.Rename(l.data+"-away", l.data); err != nil {
		t.Fatal(err)
	}
	await(t, client, address+"/readyz", 200)
	l.stop()
}

func (l *lone) writeStatus(lines string) {
	l.t.Helper()
	text := fmt.Sprintf("[agent]\nclient_name = \"host\"\nstorage = \"local\"\ndata_dir = %q\n[status]\n%s", l.data, lines)
	if err := os.WriteFile(l.config, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// A port that others can reach speaks TLS and wants the token; the commands of this
// host know the agent by its certificate.
func TestPortThatIsOpenToTheNetwork(t *testing.T) {
	l := newLone(t, t.TempDir())
	port, dir := freePort(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	client := selfSigned(t, cert, key)
	const token = "test-test-test-test"
	l.writeStatus(fmt.Sprintf("listen = \"0.0.0.0:%s\"\ntoken = %q\ncert_file = %q\nkey_file = %q\n", port, token, cert, key))
	l.start()
	address := "https://127.0.0.1:" + port
	await(t, client, address+"/readyz", 200)
	for _, path := range []string{"/health", "/status", "/metrics", "/api/v1/status", "/"} {
		await(t, client, address+path, 401)
	}
	answer, err := client.Get(address + "/?token=" + token)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if len(answer.Cookies()) != 1 || !answer.Cookies()[0].Secure {
		t.Fatalf("the link: %d %v", answer.StatusCode, answer.Header)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/api/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.AddCookie(answer.Cookies()[0])
	if answer, err = client.Do(request); err != nil || answer.StatusCode != 200 {
		t.Fatalf("with the cookie: %v, %v", answer, err)
	}
	answer.Body.Close()
	if said, code := l.command("segments", "retry", "--failed"); code != 0 || !strings.Contains(said, "nothing has failed") {
		t.Errorf("the command: exit code %d: %s", code, said)
	}
	other := filepath.Join(dir, "other.pem")
	selfSigned(t, other, filepath.Join(dir, "other-key.pem"))
	if err := os.Rename(other, cert); err != nil { // the key is not that of it: the agent keeps the one before
		t.Fatal(err)
	}
	if said, code := l.command("segments", "retry", "--failed"); code == 0 || !strings.Contains(said, "cert_file") {
		t.Errorf("the command, to one with another certificate: exit code %d: %s", code, said)
	}
	l.stop()
	if strings.Contains(l.said.String(), token) {
		t.Error("the log holds the token")
	}
}

func (l *lone) command(args ...string) (said string, code int) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], append(args, "--config", l.config)...)
	c.Env = append(os.Environ(), "RUN_AS_AGENT=1")
	out, _ := c.CombinedOutput()
	return string(out), c.ProcessState.ExitCode()
}

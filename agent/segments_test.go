package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
)

var update = flag.Bool("update", false, "write the golden files anew")

// desk is where somebody looks: a configuration, and a data directory whose agent
// has ended.
type desk struct {
	t     *testing.T
	dir   string
	spool *spool.Spool
}

const (
	gate   = "8f14e45f-ceea-467f-9d4c-0a2b3c4d5e6f"
	rear   = "c9f0f895-fb98-4b91-9d3c-2a1d6a3c9b10"
	listen = "127.0.0.1:1" // nobody listens there
)

var begin = time.Date(2026, 1, 2, 15, 0, 0, 123456000, time.UTC)

// segment is the id of the nth segment of a desk.
func segment(n int) string { return fmt.Sprintf("0190aaaa-7f3e-7d7c-8f7b-%012d", n) }

func newDesk(t *testing.T) *desk {
	t.Helper()
	t.Setenv("TZ", "UTC") // of the command
	d := &desk{t: t, dir: t.TempDir()}
	d.configure(listen)
	key := func(s spool.Segment) string { return "recordings/" + s.ID + ".mp4" }
	var err error
	d.spool, err = spool.Open(t.Context(), spool.Options{
		Dir: d.data(), Log: zerolog.Nop(), Now: func() time.Time { return begin },
		Destinations: []spool.Destination{{Name: "primary", Bucket: "footage", Key: key}, {Name: "onsite", Bucket: "copy", Key: key}},
	})
	d.ok(err)
	t.Cleanup(d.close)
	return d
}

func (d *desk) data() string { return filepath.Join(d.dir, "data") }

func (d *desk) configure(listen string) {
	d.t.Helper()
	text := fmt.Sprintf(`
[agent]
client_name = "host"
data_dir = %q
[central]
url = "http://127.0.0.1:1"
token = "env:A_TOKEN_THAT_ONLY_THE_SERVICE_HAS"
client_id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
[[camera]]
id = %q
name = "Front gate"
url = "rtsp://user:hunter2@127.0.0.1/x"
[[camera]]
id = %q
url = "file:/nowhere/a-url-that-only-the-service-can-read"
[s3]
bucket = "footage"
access_key_id = "test"
secret_access_key = "hunter3"
[[mirror]]
name = "onsite"
bucket = "copy"
endpoint = "http://127.0.0.1:1"
[status]
listen = %q
`, d.data(), gate, rear, listen)
	d.ok(os.WriteFile(filepath.Join(d.dir, "agent.toml"), []byte(text), 0o600))
}

func (d *desk) ok(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) close() {
	if d.spool != nil {
		d.ok(d.spool.Close())
		d.spool = nil
	}
}

// begun makes the nth segment, n minutes later than the first, with a file of 1000
// bytes that was written to for 42 seconds.
func (d *desk) begun(n int, camera, name string) spool.Segment {
	d.t.Helper()
	seg := spool.Segment{ID: segment(n), CameraID: camera, CameraName: name, ClientName: "host", Start: begin.Add(time.Duration(n) * time.Minute)}
	if n == 2 {
		seg.ScheduleID = "9d4c0a2b-3c4d-4e6f-8f14-e45fceea467f"
	}
	var err error
	seg.Path, err = spool.PathFor(camera, seg.ID, seg.Start)
	d.ok(err)
	f, err := d.spool.Create(seg)
	d.ok(err)
	_, err = f.Write(make([]byte, 1000))
	d.ok(err)
	d.ok(f.Close())
	d.ok(os.Chtimes(filepath.Join(d.data(), seg.Path), time.Time{}, seg.Start.Add(42*time.Second)))
	d.ok(d.spool.Begun(context.Background(), seg))
	return seg
}

func (d *desk) finished(n int, camera, name string) spool.Segment {
	d.t.Helper()
	seg := d.begun(n, camera, name)
	d.ok(d.spool.Finished(context.Background(), seg.ID, seg.Start, mp4.Result{
		Size: 20 << 20, Checksum: "sum=", Duration: time.Minute, VideoCodec: "avc1.64001f", AudioCodec: "mp4a.40.2", Width: 1280, Height: 720, FrameRate: 25, Frames: 1500,
	}))
	return seg
}

// fill makes segments in every condition, and ends the agent.
func (d *desk) fill() {
	d.t.Helper()
	ctx, s := context.Background(), d.spool
	both := func(seg spool.Segment) {
		for _, dest := range []string{"primary", "onsite"} {
			d.ok(s.Verified(ctx, seg.ID, dest, "size, crc64nvme", seg.Start.Add(2*time.Minute)))
		}
	}
	gone := d.finished(1, gate, "Front gate")
	both(gone)
	d.ok(s.ClockOffset(ctx, gone.ID, 250*time.Millisecond))
	d.ok(s.RegisterAttempted(ctx, gone.ID))
	d.ok(s.Registered(ctx, gone.ID, "rec-1"))
	d.ok(s.CentralAcknowledged(ctx, gone.ID, spool.CentralCompleted))
	d.ok(s.Delete(ctx, gone.ID))

	half := d.finished(2, gate, "Front gate")
	d.ok(s.ClockOffset(ctx, half.ID, -56*365*24*time.Hour))
	d.ok(s.Verified(ctx, half.ID, "onsite", "size, crc64nvme", half.Start.Add(2*time.Minute)))
	d.ok(s.UploadOpened(ctx, half.ID, "primary", spool.Upload{ID: "upload-2", PartSize: 5 << 20, Algorithm: "CRC64NVME"}))
	d.ok(s.PartSent(ctx, half.ID, "primary", spool.UploadPart{Number: 1, Size: 5 << 20, Checksum: "x", ETag: "y"}))
	d.ok(s.DeliveryDeferred(ctx, half.ID, "primary", "connection \x1b[31mrefused", time.Date(2126, 1, 1, 8, 0, 0, 0, time.UTC)))

	refused := d.finished(3, rear, rear)
	both(refused)
	d.ok(s.CentralRefused(ctx, refused.ID, "403: camera is not assigned", begin, true, begin))

	lost := d.finished(4, "5", "Front gate")
	d.ok(s.FileMissing(ctx, lost.ID))
	d.begun(5, gate, "Front gate")
	d.close()
}

// runApart runs a command at the desk, and returns all that it says and what of that
// it writes to standard output.
func (d *desk) runApart(args ...string) (said, output string, code int) {
	d.t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"segments"}, args...)...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "RUN_AS_AGENT=1")
	var out, aside bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &aside
	_ = cmd.Run()
	said = out.String() + aside.String()
	for _, secret := range []string{"hunter", "A_TOKEN"} {
		if strings.Contains(said, secret) {
			d.t.Errorf("%v shows %s:\n%s", args, secret, said)
		}
	}
	return strings.ReplaceAll(said, d.data(), "DATA"), out.String(), cmd.ProcessState.ExitCode()
}

func (d *desk) run(args ...string) (said string, code int) {
	d.t.Helper()
	said, _, code = d.runApart(args...)
	return said, code
}

func (d *desk) golden(name, said string) {
	d.t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		d.ok(os.MkdirAll("testdata", 0o755))
		d.ok(os.WriteFile(file, []byte(said), 0o644))
	}
	want, err := os.ReadFile(file)
	d.ok(err)
	if said != string(want) {
		d.t.Errorf("%s: said\n%s\nwant\n%s", name, said, want)
	}
}

func TestSegmentsGolden(t *testing.T) {
	d := newDesk(t)
	d.fill()
	for name, args := range map[string][]string{
		"segments_list.txt":     {"list"},
		"segments_list.json":    {"list", "--json"},
		"segments_limited.txt":  {"list", "--limit", "1"},
		"segments_failed.txt":   {"list", "--state", "failed"},
		"segments_show.txt":     {"show", segment(2)},
		"segments_show.json":    {"show", segment(2), "--json"},
		"segments_deleted.txt":  {"show", segment(1)},
		"segments_open.txt":     {"show", segment(5)},
		"segments_refused.txt":  {"show", segment(3)},
		"segments_of_yard.txt":  {"list", "--camera", rear},
		"segments_no_match.txt": {"list", "--camera", rear, "--state", "deleted"},
	} {
		said, code := d.run(args...)
		if code != 0 {
			t.Errorf("%v: exit code %d", args, code)
		}
		d.golden(name, said)
	}
}

func TestSegmentsFilters(t *testing.T) {
	d := newDesk(t)
	d.fill()
	for _, tc := range []struct {
		args []string
		want []int
	}{
		{nil, []int{1, 2, 3, 4, 5}},
		{[]string{"--limit", "2"}, []int{4, 5}},
		{[]string{"--limit", "0"}, []int{1, 2, 3, 4, 5}},
		{[]string{"--camera", gate}, []int{1, 2, 5}},
		{[]string{"--camera", "front GATE"}, []int{1, 2, 4, 5}}, // two cameras of one name
		{[]string{"--camera", gate, "--camera", rear}, []int{1, 2, 3, 5}},
		{[]string{"--camera", "5"}, []int{4}}, // not configured any more
		{[]string{"--state", "waiting"}, []int{2, 4, 5}},
		{[]string{"--state", "failed"}, []int{2, 3}},
		{[]string{"--state", "recording"}, []int{5}},
		{[]string{"--until", "2026-01-02 15:02"}, []int{1}},
		{[]string{"--since", "2026-01-02T15:03:30+00:00", "--until", "2026-01-02 15:03:31"}, []int{3}},
		{[]string{"--since", "2026-01-02 15:04:30", "--until", "2026-01-03"}, []int{4, 5}},
		{[]string{"--since", "1h"}, []int{5}}, // it goes on until it is finished
	} {
		said, output, code := d.runApart(append([]string{"list", "--json"}, tc.args...)...)
		var got []struct{ ID string }
		if err := json.Unmarshal([]byte(output), &got); code != 0 || err != nil {
			t.Errorf("%v: exit code %d, %v:\n%s", tc.args, code, err, said)
			continue
		}
		var ids, want []string
		for _, s := range got {
			ids = append(ids, s.ID)
		}
		for _, n := range tc.want {
			want = append(want, segment(n))
		}
		if fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Errorf("%v: %v, want %v", tc.args, ids, want)
		}
	}
}

func TestSegmentsSayWhatIsWrong(t *testing.T) {
	d := newDesk(t)
	d.fill()
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{nil, 2, "segments list"},
		{[]string{"list", "--state", "lost"}, 2, "write one of: recording, finished, deleted, missing, empty, waiting, failed"},
		{[]string{"list", "--since", "yesterday"}, 2, `--since: "yesterday" is no time`},
		{[]string{"list", "--until", "8h", "--since", "7h"}, 2, "is not before --until"},
		{[]string{"list", "--limit", "-1"}, 2, "--limit"},
		{[]string{"list", "--limit", "x"}, 2, "--limit"},
		{[]string{"list", "--camera", "nobody"}, 2, `"Front gate" (` + gate + `)`},
		{[]string{"list", "surplus"}, 2, "--help"},
		{[]string{"show"}, 2, "--help"},
		{[]string{"show", segment(9)}, 1, "segments list"},
		{[]string{"show", "../../etc"}, 1, "segments list"},
		{[]string{"show", "0190"}, 1, "5 segments have an id that begins with \"0190\"; write more of it:\n  " + segment(1)},
		{[]string{"retry"}, 2, "--failed"},
		{[]string{"retry", "x", "--failed"}, 2, "--failed"},
		{[]string{"retry", "0190"}, 1, "write more of it"},
		{[]string{"retry", segment(2)}, 1, "at its start it tries everything again at once"},
		{[]string{"retry", "--failed"}, 1, "the agent does not run"},
	} {
		if said, code := d.run(tc.args...); code != tc.code || !strings.Contains(said, tc.says) {
			t.Errorf("%v: exit code %d, want %d and %q:\n%s", tc.args, code, tc.code, tc.says, said)
		}
	}
	if said, code := d.run("show", segment(4)[:len(segment(4))-1]+"4"); code != 0 || !strings.Contains(said, segment(4)) {
		t.Errorf("exit code %d:\n%s", code, said)
	}
	d.ok(os.Rename(filepath.Join(d.data(), "ledger.db"), filepath.Join(d.dir, "elsewhere.db")))
	if said, code := d.run("list"); code != 1 || !strings.Contains(said, "no agent has run with it yet") {
		t.Errorf("without a ledger, exit code %d:\n%s", code, said)
	}
	d.ok(os.RemoveAll(d.data()))
	if said, code := d.run("list"); code != 1 || !strings.Contains(said, "is this the configuration that the agent runs with?") {
		t.Errorf("without a data directory, exit code %d:\n%s", code, said)
	}
}

// What answers may be anything.
func TestRetrySaysWhatWasAnswered(t *testing.T) {
	d := newDesk(t)
	d.close()
	for name, tc := range map[string]struct {
		status     int
		kind, body string
		code       int
		says       string
	}{
		"one":              {200, "application/json", `{"segments":1,"deliveries":1,"reports":0}`, 0, "1 segment is tried again now: 1 upload, 0 reports to central\n"},
		"several":          {200, "application/json", `{"segments":2,"deliveries":3,"reports":1}`, 0, "2 segments are tried again now: 3 uploads, 1 report to central\n"},
		"none":             {200, "application/json", `{"segments":0}`, 0, "there is nothing to try again"},
		"refusal":          {409, "application/json", `{"detail":"the segment waits for nothing"}`, 1, "the agent answers: the segment waits for nothing"},
		"escape sequences": {409, "application/json", `{"detail":"\u001b]0;title\u0007"}`, 1, "the agent answers: ?]0;title?"},
		"an older agent":   {404, "application/json", `{"detail":"Not Found"}`, 1, "is older than this program"},
		"a web server":     {200, "text/html", "<html>", 1, "is not the agent: 200 OK"},
		"a redirect":       {302, "text/html", "", 1, "is not the agent"},
		"no JSON":          {200, "application/json", `segments`, 1, "is not the agent"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.Method + " " + r.URL.String() + " " + r.Host
				w.Header().Set("Content-Type", tc.kind)
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			}))
			defer server.Close()
			_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
			d.configure("0.0.0.0:" + port)
			t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // not to be asked
			if said, code := d.run("retry", "--failed"); code != tc.code || !strings.Contains(said, tc.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tc.code, tc.says, said)
			}
			if asked != "POST /segments/retry?failed=1 localhost" {
				t.Errorf("asked for %s", asked)
			}
		})
	}
}

func TestStatusAddress(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8001": "127.0.0.1:8001", "0.0.0.0:8001": "127.0.0.1:8001", "[::]:8001": "127.0.0.1:8001", ":8001": "127.0.0.1:8001",
		"[::1]:8001": "[::1]:8001", "192.168.1.5:8001": "192.168.1.5:8001", "localhost:8001": "localhost:8001",
		"127.0.0.1:0": "", "8001": "",
	} {
		if got, err := statusAddress(listen); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", listen, got, err, want)
		}
	}
}

func TestLengthsAndTables(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "-", 0: "0s", 59400 * time.Millisecond: "59s", 59600 * time.Millisecond: "1m00s", 5 * time.Minute: "5m00s", 3725 * time.Second: "1h02m05s",
	} {
		if got := lengthText(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	var tab table
	tab.row("A", "B")
	tab.row("Zufahrt Süd", "x\x1b[2Jy\n")
	tab.note("a note that is longer than all\r")
	var out bytes.Buffer
	if err := tab.print(&out); err != nil {
		t.Fatal(err)
	}
	if want := "A            B\nZufahrt Süd  x?[2Jy?\n    a note that is longer than all?\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

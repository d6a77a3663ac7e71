package central

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recording-agent/agent/central/centraltest"
	"recording-agent/capture/spool"
)

const token = "test-token"

func serve(t testing.TB, o centraltest.Options) (*centraltest.Server, *Client) {
	t.Helper()
	o.Token = token
	s := centraltest.New(o)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, NewClient(Options{URL: server.URL + "/", Token: token})
}

func TestCalls(t *testing.T) {
	server, c := serve(t, centraltest.Options{ClientName: "warehouse-7"})
	camera, segment := uuid.NewString(), uuid.NewString()
	if err := c.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, err := c.Register(t.Context(), Recording{CameraID: camera, Name: "Vordertür 2026-11-23 10:00:00.000 UTC", SegmentID: segment})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []Update{
		{RecordingID: id, Status: "recording"},
		{RecordingID: id, Status: "completed", Key: "recordings/x.mp4", FileSize: 12345, Frames: 250, Bucket: "footage"},
	} {
		if err := c.Report(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	rows := server.Recordings()
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	r := rows[0]
	if r.CameraID != camera || r.IdempotencyKey != segment || r.ClientName != "warehouse-7" || r.FilePath != "recordings/x.mp4" ||
		r.FileSize != 12345 || r.UploadStatus != "completed" || !strings.HasPrefix(r.Name, "Vordertür") {
		t.Errorf("row: %+v", r)
	}
	if _, there := r.Extra["error_message"]; there {
		t.Error("an empty optional field was sent")
	}
	if err := c.Heartbeat(t.Context(), Beat{ClientID: uuid.NewString(), AvailableSpaceGB: 12.5}); err != nil {
		t.Fatal(err)
	}
}

func TestKindsOfErrors(t *testing.T) {
	server, c := serve(t, centraltest.Options{})
	register := func() error {
		_, err := c.Register(t.Context(), Recording{CameraID: uuid.NewString(), SegmentID: uuid.NewString()})
		return err
	}
	for _, tc := range []struct {
		name  string
		fault centraltest.Fault
		kind  Kind
	}{
		{"token", centraltest.Answer(401, "Unauthorized"), Unauthorized},
		{"not assigned", centraltest.Answer(403, "Camera not assigned"), Refused},
		{"unknown camera", centraltest.Answer(404, "Camera not found"), Refused},
		{"bad data", centraltest.Answer(422, "Field required"), Invalid},
		{"server's fault", centraltest.Answer(500, "Internal server error"), ServerFault},
		{"html 404 of a wrong url", centraltest.Answer(404, ""), WrongPlace},
		{"html 502 of a proxy", centraltest.Answer(502, ""), WrongPlace},
		{"redirect to a login page", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, "/login", http.StatusFound)
		}, WrongPlace},
		{"web page instead of json", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = w.Write([]byte("<html>welcome</html>"))
		}, WrongPlace},
		{"lost answer", centraltest.LoseAnswer, Unreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server.Break("/recordings/register", 1, tc.fault)
			var e *Error
			if err := register(); !errors.As(err, &e) || e.Kind != tc.kind {
				t.Fatalf("%v is of kind %v, want %v", err, e, tc.kind)
			}
			if cause, remedy := e.Explain(); cause == "" || remedy == "" || strings.Contains(cause+e.Error(), token) {
				t.Errorf("explained as %q, %q", cause, remedy)
			}
		})
	}
	gone := NewClient(Options{URL: "http://127.0.0.1:1", Token: token})
	var e *Error
	if err := gone.Health(t.Context()); !errors.As(err, &e) || e.Kind != Unreachable {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestNamesAreWithinTheServersLimits(t *testing.T) {
	server, c := serve(t, centraltest.Options{})
	name := strings.Repeat("ü", 400) + "\x00"
	if _, err := c.Register(t.Context(), Recording{CameraID: uuid.NewString(), Name: name}); err != nil {
		t.Fatal(err)
	}
	if got := []rune(server.Recordings()[0].Name); len(got) != 255 {
		t.Errorf("name of %d characters", len(got))
	}
}

// Every field that is sent stands in the contract.
func TestUndatedFootageIsMarked(t *testing.T) {
	seg := spool.Segment{ID: "0190aaaa-0000-7000-8000-00000000abcd", CameraName: strings.Repeat("Gate ", 100), Start: time.Unix(20, 0), Dated: spool.Undated}
	if name := recordingName(seg); len(name) > maxName || !strings.HasSuffix(name, " 1970-01-01 00:00:20.000 UTC (undated, 0000abcd)") {
		t.Errorf("its name is %q", name)
	}
	if !completed(seg, nil).Undated {
		t.Error("completed does not say so")
	}
	seg.Dated = spool.Dated
	if strings.Contains(recordingName(seg), "undated") || completed(seg, nil).Undated {
		t.Error("dated footage is marked")
	}
}

func TestContractIsComplete(t *testing.T) {
	contract, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []any{Update{}, Beat{}} {
		for f := range reflect.TypeOf(body).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !strings.Contains(string(contract), "        "+name+": ") {
				t.Errorf("openapi.yaml does not know %q", name)
			}
		}
	}
	for _, call := range []string{"/health:", "/cameras:", "/schedules:", "/recordings/register:", "/recordings/status:", "/heartbeat:", "Idempotency-Key"} {
		if !strings.Contains(string(contract), call) {
			t.Errorf("openapi.yaml does not know %s", call)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(200, []byte(`{"recording_id":"x"}`))
	f.Add(422, []byte(`{"detail":[{"loc":["query"]}]}`))
	f.Add(404, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		var answer struct{ X string }
		err := judge("call", &http.Response{StatusCode: status}, body, &answer)
		if status >= 300 && err == nil {
			t.Fatalf("%d was taken for success", status)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || len(e.Error()) > 2000) {
			t.Fatalf("error %v", err)
		}
	})
}

func TestHeartbeat(t *testing.T) {
	server, c := serve(t, centraltest.Options{})
	server.Break("/heartbeat", 1, centraltest.Answer(502, ""))
	id := uuid.NewString()
	ctx, cancel := contextUntil(t, func() bool { return len(server.Heartbeats()) >= 2 })
	defer cancel()
	h := &Heartbeat{
		Send: c.Heartbeat, ClientID: id, Version: "test", Interval: 10 * time.Millisecond, Log: testLog(t), Now: time.Now,
		Pulse: pulse(Pulse{ActiveRecordings: 3, FreeBytes: 12_345_678_901, LastUpload: epoch, Cameras: []map[string]any{{"id": "gate", "coverage_last_hour": 0.5}}}),
	}
	if err := h.Run(ctx); err != nil {
		t.Fatal(err)
	}
	b := server.Heartbeats()[0]
	if b["client_id"] != id || b["active_recordings"] != 3.0 || b["available_space_gb"] != 12.345 || b["last_upload"] != "2026-11-23T10:00:00.000000Z" {
		t.Errorf("heartbeat: %v", b)
	}
	if info, ok := b["system_info"].(map[string]any); !ok || info["agent_version"] != "test" || info["os"] == nil || fmt.Sprint(info["cameras"]) != "[map[coverage_last_hour:0.5 id:gate]]" {
		t.Errorf("system info: %v", b["system_info"])
	}
}

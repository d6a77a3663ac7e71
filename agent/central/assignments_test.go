package central

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/central/centraltest"
	"recording-agent/agent/config"
	"recording-agent/capture/outage"
)

// follower is an Assignments on a server, and what it has delivered last.
type follower struct {
	t *testing.T
	*Assignments
	server    *centraltest.Server
	log       bytes.Buffer
	delivered []config.Camera
	times     int
}

func follow(t *testing.T, file string) *follower {
	t.Helper()
	f := &follower{t: t}
	server, client := serve(t, centraltest.Options{})
	f.server = server
	f.Assignments = &Assignments{
		Fetch: client.Assigned, Deliver: func(c []config.Camera) { f.delivered, f.times = c, f.times+1 }, Zone: func() *time.Location { return time.UTC },
		File: file, Interval: time.Minute, Log: zerolog.New(&f.log), Now: func() time.Time { return noon },
		ClockSet: func() bool { return true },
	}
	return f
}

func (f *follower) once() {
	trouble, disk := outage.New(f.Log, "no answer", f.Now), outage.New(f.Log, "not kept", f.Now)
	f.sync(f.t.Context(), trouble)
	f.keep(disk)
}

func (f *follower) ids() (out []string) {
	for _, c := range f.delivered {
		out = append(out, c.ID)
	}
	return out
}

// What was assigned survives whatever central answers, and a restart without it.
func TestLastGoodAssignmentStays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cameras.json")
	f := follow(t, file)
	f.Load()
	if f.times > 0 || f.log.Len() > 0 {
		t.Errorf("without a file: %v, %s", f.delivered, &f.log)
	}
	f.server.Assign([]centraltest.Camera{gate()}, []centraltest.Schedule{daily(nightID, gate(), "22:00:00", "06:00:00")})
	f.once()
	if !slices.Equal(f.ids(), []string{gateID}) || len(f.delivered[0].Schedules) != 1 {
		t.Fatalf("delivered %+v\n%s", f.delivered, &f.log)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("others can read passwords: %v", info.Mode())
	}
	f.server.Assign(nil, nil) // nobody hears of it
	breaksOff := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "[]")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	for path, faults := range map[string][]centraltest.Fault{
		"/cameras": {
			centraltest.Answer(500, "unexpected"), centraltest.Answer(401, "Unauthorized"), centraltest.Answer(502, ""), centraltest.Answer(200, ""),
			breaksOff, centraltest.Raw(200, "null"), centraltest.Raw(200, "{}"), centraltest.Raw(200, `[{"pk":1}]`), centraltest.Raw(200, "["), centraltest.Raw(302, ""), centraltest.Raw(204, ""),
		},
		"/schedules": {centraltest.Answer(500, "unexpected"), centraltest.Answer(200, ""), centraltest.Raw(200, "null"), centraltest.Raw(200, `"x"`)},
	} {
		for i, fault := range faults {
			if path == "/schedules" {
				f.server.Assign([]centraltest.Camera{}, nil)
			}
			f.server.Break(path, 1, fault)
			f.once()
			if s := f.Status(); f.times != 1 || s.LastError == "" {
				t.Errorf("fault %d of %s: delivered %d times, status %+v", i, path, f.times, s)
			}
		}
	}
	again := follow(t, file)
	again.Load()
	if !slices.Equal(again.ids(), []string{gateID}) || again.delivered[0].URL.Reveal() != gate().URL || !slices.Equal(again.delivered[0].Schedules, f.delivered[0].Schedules) {
		t.Errorf("after a restart: %+v\n%s", again.delivered, &again.log)
	}
	f.once()
	if f.times != 2 || len(f.delivered) > 0 || !strings.Contains(f.log.String(), "central assigns no camera any more") || f.Status().LastError != "" {
		t.Errorf("the empty list: delivered %v\n%s", f.delivered, &f.log)
	}
	third := follow(t, file)
	third.Load()
	if third.times != 1 || len(third.delivered) > 0 || strings.Contains(f.log.String()+third.log.String(), "very-secret") {
		t.Errorf("after the empty list: %v\n%s", third.delivered, &third.log)
	}
}

func TestDamagedFileIsReportedAndIgnored(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "cameras.json")
	f := follow(t, whole)
	f.server.Assign([]centraltest.Camera{gate()}, nil)
	f.once()
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"cut":    data[:len(data)-10],
		"empty":  {},
		"zeros":  make([]byte, 4096),
		"newer":  bytes.Replace(data, []byte(`"version": 1`), []byte(`"version": 2`), 1),
		"null":   []byte("null"),
		"others": []byte(`{"version":1,"cameras":[{"pk":1}]}`),
	} {
		file := filepath.Join(t.TempDir(), "cameras.json")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		f := follow(t, file)
		f.server.Assign([]centraltest.Camera{gate()}, nil)
		f.Load()
		if f.times > 0 || !strings.Contains(f.log.String(), "cannot be read") {
			t.Errorf("%s: delivered %v\n%s", name, f.delivered, &f.log)
		}
		f.once()
		if mended, _ := os.ReadFile(file); !bytes.Equal(mended, data) {
			t.Errorf("%s: the file has become %s", name, mended)
		}
	}
}

// Each complaint is said once for as long as it lasts.
func TestComplaintsAreSaidOnce(t *testing.T) {
	f := follow(t, filepath.Join(t.TempDir(), "cameras.json"))
	bad := gate()
	bad.ID, bad.URL, bad.Type = yardID, "/dev/video0", "webcam"
	f.server.Assign([]centraltest.Camera{gate(), bad}, nil)
	for range 3 {
		f.once()
	}
	if n := strings.Count(f.log.String(), "is not the address of an RTSP stream"); n != 1 || len(f.Status().Complaints) != 1 {
		t.Errorf("said %d times:\n%s", n, &f.log)
	}
	f.server.Assign([]centraltest.Camera{gate()}, nil)
	f.once()
	if !strings.Contains(f.log.String(), "can be used again") || len(f.Status().Complaints) > 0 {
		t.Errorf("log:\n%s", &f.log)
	}
}

// A disk that does not take the file does not keep the cameras from being recorded.
func TestAssignmentThatCannotBeKept(t *testing.T) {
	f := follow(t, filepath.Join(t.TempDir(), "nowhere", "cameras.json"))
	f.server.Assign([]centraltest.Camera{gate()}, nil)
	f.once()
	if !slices.Equal(f.ids(), []string{gateID}) || !strings.Contains(f.log.String(), "not kept") {
		t.Errorf("delivered %v\n%s", f.delivered, &f.log)
	}
	if err := os.Mkdir(filepath.Dir(f.File), 0o700); err != nil {
		t.Fatal(err)
	}
	f.once()
	if _, err := os.Stat(f.File); err != nil {
		t.Error(err)
	}
}

func TestAssignmentsAskUntilTheEnd(t *testing.T) {
	f := follow(t, filepath.Join(t.TempDir(), "cameras.json"))
	f.Interval = 10 * time.Millisecond
	f.Fetch = func(ctx context.Context) (Answer, error) {
		<-ctx.Done()
		return Answer{}, ctx.Err()
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := f.Run(ctx); err != nil || f.log.Len() > 0 {
		t.Errorf("%v\n%s", err, &f.log)
	}
	server, client := serve(t, centraltest.Options{})
	f.Fetch = client.Assigned
	ctx, stop = contextUntil(t, func() bool { return server.Calls("/schedules") >= 3 })
	defer stop()
	if err := f.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestTheTimeIsNotBelievedBeforeTheClockIsSet(t *testing.T) {
	f := follow(t, filepath.Join(t.TempDir(), "cameras.json"))
	set, day := true, "2026-11-23"
	f.ClockSet = func() bool { return set }
	once := daily(nightID, gate(), "11:00:00", "13:00:00")
	once.Kind, once.StartDate = "once", &day
	f.server.Assign([]centraltest.Camera{gate()}, []centraltest.Schedule{once})
	f.once()
	f.server.Assign([]centraltest.Camera{gate()}, nil)
	set, f.Now = false, func() time.Time { return time.Unix(60, 0) }
	f.once()
	if f.times != 2 || len(f.delivered[0].Schedules) != 1 {
		t.Errorf("in 1970: %+v", f.delivered)
	}
	set = true
	f.once()
	if f.times != 3 || len(f.delivered[0].Schedules) != 0 {
		t.Errorf("the clock is set, to another time: %+v", f.delivered)
	}
}

package central

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"recording-agent/agent/central/centraltest"
	"recording-agent/capture/schedule"
)

const (
	gateID  = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
	yardID  = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	nightID = "0190aaaa-0000-7000-8000-000000000001"
	dayID   = "0190aaaa-0000-7000-8000-000000000002"
)

func text(s string) *string { return &s }

func gate() centraltest.Camera {
	return centraltest.Camera{ID: gateID, Name: "Front gate", IP: "10.0.0.5", URL: "rtsp://u:very-secret@10.0.0.5/1", Type: "ip", Quality: "high"}
}

func daily(id string, c centraltest.Camera, start, end string) centraltest.Schedule {
	return centraltest.Schedule{ID: id, Name: "Nights", Kind: "daily", Start: start, End: end, Active: true, Camera: c}
}

// rows makes an answer's rows of Go values; a string is a row as it is.
func rows(t testing.TB, values ...any) (out []json.RawMessage) {
	t.Helper()
	for _, v := range values {
		if s, ok := v.(string); ok {
			out = append(out, json.RawMessage(s))
			continue
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, data)
	}
	return out
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func mustRead(t testing.TB, a Answer, before []assigned) ([]assigned, []string) {
	t.Helper()
	after, complaints, err := read(a, before, time.UTC, noon)
	if err != nil {
		t.Fatal(err)
	}
	return after, complaints
}

func TestAssignedCamera(t *testing.T) {
	c := gate()
	c.SubURL, c.Location = text("rtsp://u:very-secret@10.0.0.5/2"), text("")
	low := c
	low.ID, low.Quality = yardID, "low"
	after, complaints := mustRead(t, Answer{rows(t, c, low), rows(t, daily(nightID, c, "22:00:00", "06:00:00.250000"), daily(dayID, centraltest.Camera{ID: dayID}, "08:00:00", "09:00:00"))}, nil)
	if len(after) != 2 || len(complaints) > 0 {
		t.Fatalf("%d cameras, complaints %v", len(after), complaints)
	}
	got := after[0].camera
	if got.ID != gateID || got.Name != "Front gate" || got.URL.Reveal() != c.URL || got.Transport != "auto" || !got.Audio {
		t.Errorf("camera %+v", got)
	}
	want := []schedule.Schedule{{ID: nightID, Name: "Nights", Kind: schedule.Daily, Start: 22 * time.Hour, End: 6*time.Hour + 250*time.Millisecond, Active: true}}
	if !slices.Equal(got.Schedules, want) {
		t.Errorf("schedules %+v", got.Schedules)
	}
	if got := after[1].camera; got.URL.Reveal() != *c.SubURL || len(got.Schedules) > 0 {
		t.Errorf("camera of low quality: %+v", got)
	}
}

// One bad row is complained of and left out, the others work.
func TestBadRows(t *testing.T) {
	row := func(change string) string {
		data, err := json.Marshal(gate())
		if err != nil {
			t.Fatal(err)
		}
		pair := strings.SplitN(change, "=>", 2)
		if !strings.Contains(string(data), pair[0]) {
			t.Fatalf("%s is not in %s", pair[0], data)
		}
		return strings.Replace(string(data), pair[0], pair[1], 1)
	}
	good := gate()
	good.ID = yardID
	for _, tc := range []struct{ camera, want string }{
		{"17", "camera 1: it is no JSON object"},
		{"null", "camera 1: it is no JSON object"},
		{row(gateID + "=>gate"), "camera 1: its id is not a UUID"},
		{row(gateID + "=>../../" + gateID), "its id is not a UUID"},
		{row(gateID + "=>{" + gateID + "}"), "its id is not a UUID"},
		{row(gateID + "=>urn:uuid:" + gateID), "its id is not a UUID"},
		{row(gateID + "=>" + strings.ReplaceAll(gateID, "-", "")), "its id is not a UUID"},
		{row(`"` + gateID + `"=>12`), "camera 1: id is a JSON number"},
		{row("rtsp://=>http://"), "camera " + gateID + ": url is not the address of an RTSP stream"},
		{row("rtsp://=>file:/etc/"), "url is not the address of an RTSP stream"},
		{row("rtsp://u:very-secret@10.0.0.5/1=>env:HOME"), "url is not the address of an RTSP stream"},
		{row("rtsp://u:very-secret@10.0.0.5/1=>"), "url is missing"},
		{row(`"rtsp://u:very-secret@10.0.0.5/1"=>["x"]`), "rtsp_url is a JSON array"},
		{row("10.0.0.5/1=>10.0.0.5/" + strings.Repeat("x", 3000)), "its URL is 3030 bytes long"},
		{row(`"location":null=>"location":"` + strings.Repeat("x", 70_000) + `"`), "camera 1: its row is 70"},
	} {
		after, complaints := mustRead(t, Answer{rows(t, tc.camera, good), nil}, nil)
		if len(after) != 1 || after[0].row.ID != yardID || len(complaints) != 1 || !strings.Contains(complaints[0], tc.want) || !strings.HasSuffix(complaints[0], "; it is left out") {
			t.Errorf("%.100s: %d cameras, complaints %q, want %q", tc.camera, len(after), complaints, tc.want)
		}
		if strings.Contains(fmt.Sprint(complaints), "very-secret") {
			t.Errorf("a secret is told: %v", complaints)
		}
	}
	upper := strings.ToUpper(gateID)
	after, complaints := mustRead(t, Answer{rows(t, row(gateID+"=>"+upper), gate()), nil}, nil)
	if len(after) != 1 || after[0].camera.ID != gateID || len(complaints) != 1 || !strings.Contains(complaints[0], "twice") {
		t.Errorf("one camera twice: %+v, %q", after, complaints)
	}
	after, complaints = mustRead(t, Answer{rows(t, row("Front gate=>"+strings.Repeat("ö", 400)+`\n`)), nil}, nil)
	if name := after[0].camera.Name; utf8.RuneCountInString(name) != 200 || len(complaints) > 0 {
		t.Errorf("name %q, complaints %q", name, complaints)
	}
	after, complaints = mustRead(t, Answer{rows(t, strings.Replace(row(`"rtsp_url_sub":null=>"rtsp_url_sub":"http://x/"`), `"high"`, `"low"`, 1)), nil}, nil)
	if len(after) != 1 || after[0].camera.URL.Reveal() != gate().URL || len(complaints) != 1 || !strings.Contains(complaints[0], "the main stream is recorded") {
		t.Errorf("a bad sub stream: %+v, %q", after, complaints)
	}
}

func TestBadSchedules(t *testing.T) {
	good := daily(nightID, gate(), "22:00:00", "06:00:00")
	for _, tc := range []struct {
		schedule any
		want     string
	}{
		{"17", "schedule 1: schedule: is not a JSON object"},
		{daily("night", gate(), "22:00:00", "06:00:00"), "schedule 1: its id is not a UUID"},
		{daily(dayID, centraltest.Camera{ID: "gate"}, "22:00:00", "06:00:00"), "it is for no camera with a UUID"},
		{daily(dayID, gate(), "25:00:00", "06:00:00"), "schedule " + dayID + `: start_time: "25:00:00" is no time of day`},
		{centraltest.Schedule{ID: dayID, Kind: "hourly", Start: "00:00:00", End: "00:00:00", Camera: gate()}, "schedule_type"},
		{daily(nightID, gate(), "01:00:00", "02:00:00"), ""},
		{centraltest.Schedule{ID: dayID, Kind: "once", Start: "00:00:00", End: "00:00:00", Active: true, Camera: gate()}, "never records: once without a start date"},
	} {
		after, complaints := mustRead(t, Answer{rows(t, gate()), rows(t, tc.schedule, good)}, nil)
		if tc.want == "" { // the same id: the first counts
			if s := after[0].camera.Schedules; len(s) != 1 || s[0].Start != time.Hour || len(complaints) != 1 {
				t.Errorf("schedules %+v, complaints %q", s, complaints)
			}
			continue
		}
		if s := after[0].camera.Schedules; len(s) == 0 || s[len(s)-1].ID != nightID || len(complaints) != 1 || !strings.Contains(complaints[0], tc.want) {
			t.Errorf("%v: schedules %+v, complaints %q, want %q", tc.schedule, s, complaints, tc.want)
		}
	}
	var many []any
	for i := range schedule.MaxSchedules + 1 {
		many = append(many, daily(fmt.Sprintf("0190aaaa-0000-7000-8000-%012d", i), gate(), "08:00:00", "09:00:00"))
	}
	before, _ := mustRead(t, Answer{rows(t, gate()), rows(t, good)}, nil)
	after, complaints := mustRead(t, Answer{rows(t, gate()), rows(t, many...)}, before)
	if s := after[0].camera.Schedules; len(s) != 1 || s[0].ID != nightID || len(complaints) != 1 || !strings.Contains(complaints[0], "keeps the schedules that it has") {
		t.Errorf("after %d schedules: %+v, complaints %q", len(many), s, complaints)
	}
}

// What was good stays when a row about it is bad, and goes when there is none.
func TestLastGoodRowStays(t *testing.T) {
	other := gate()
	other.ID = yardID
	before, _ := mustRead(t, Answer{rows(t, gate(), other), rows(t, daily(nightID, gate(), "22:00:00", "06:00:00"), daily(dayID, other, "08:00:00", "09:00:00"))}, nil)
	bad := gate()
	bad.URL = "http://10.0.0.5/"
	after, complaints := mustRead(t, Answer{rows(t, bad, other), rows(t, daily(nightID, gate(), "nonsense", "06:00:00"))}, before)
	if len(after) != 2 || after[0].camera.URL.Reveal() != gate().URL || len(after[0].camera.Schedules) != 1 || after[0].camera.Schedules[0].Start != 22*time.Hour {
		t.Errorf("the camera whose rows are bad: %+v", after)
	}
	if len(after[1].camera.Schedules) > 0 {
		t.Errorf("the camera whose schedule is gone: %+v", after[1].camera)
	}
	if len(complaints) != 2 || !strings.HasSuffix(complaints[0], "; it stays as it was") || !strings.HasSuffix(complaints[1], "; it stays as it was") {
		t.Errorf("complaints %q", complaints)
	}
	after, _ = mustRead(t, Answer{rows(t, other), nil}, after)
	if len(after) != 1 || after[0].row.ID != yardID {
		t.Errorf("after a camera is gone: %+v", after)
	}
}

// An answer that makes no sense as a whole changes nothing.
func TestAnswersThatMakeNoSense(t *testing.T) {
	many := make([]any, maxCameras+1)
	for i := range many {
		many[i] = "{}"
	}
	for name, a := range map[string]Answer{
		"too many cameras":         {rows(t, many...), nil},
		"too many schedules":       {nil, make([]json.RawMessage, maxSchedules+1)},
		"cameras of another kind":  {rows(t, `{"pk": 1}`, "3"), nil},
		"schedules of another one": {rows(t, gate()), rows(t, `{"pk": 1}`)},
	} {
		if after, _, err := read(a, nil, time.UTC, noon); err == nil {
			t.Errorf("%s: %+v", name, after)
		}
	}
}

// A once schedule that has begun is carried to its end when it vanishes, over a
// restart as well; of what else vanishes nothing is.
func TestOnceIsCarriedToItsEnd(t *testing.T) {
	once := centraltest.Schedule{ID: dayID, Kind: "once", Start: "11:00:00", End: "13:00:00", StartDate: text("2026-11-23"), Active: true, Camera: gate()}
	night := daily(nightID, gate(), "11:00:00", "14:00:00")
	held, _ := mustRead(t, Answer{rows(t, gate()), rows(t, once, night)}, nil)
	once.Active = false
	for i := range 3 {
		held, _ = mustRead(t, Answer{rows(t, gate()), rows(t, once)}, held)
		if s := held[0].camera.Schedules; len(s) != 1 || s[0].ID != dayID || !s[0].Active {
			t.Fatalf("after %d answers without it: %+v", i+1, s)
		}
		data, err := encode(held)
		if err != nil {
			t.Fatal(err)
		}
		if held, _, err = decode(data, time.UTC, noon); err != nil {
			t.Fatal(err)
		}
	}
	after, _, err := read(Answer{rows(t, gate()), nil}, held, time.UTC, noon.Add(time.Hour))
	if err != nil || len(after[0].camera.Schedules) > 0 {
		t.Errorf("when its window is over: %+v, %v", after, err)
	}
}

func FuzzRead(f *testing.F) {
	camera, _ := json.Marshal([]any{gate(), "x", 3})
	schedules, _ := json.Marshal([]any{daily(nightID, gate(), "22:00:00", "06:00:00"), nil})
	f.Add(string(camera), string(schedules))
	f.Add(`[{"id":"`+gateID+`","rtsp_url":"rtsps://h","rtsp_url_sub":"","record_quality":"low"}]`, `[{"id":"`+dayID+`","camera":{"id":"`+gateID+`"}}]`)
	f.Fuzz(func(t *testing.T, cameras, schedules string) {
		var a Answer
		if json.Unmarshal([]byte(cameras), &a.Cameras) != nil || json.Unmarshal([]byte(schedules), &a.Schedules) != nil {
			return
		}
		before, _ := mustRead(t, Answer{rows(t, gate()), rows(t, daily(nightID, gate(), "22:00:00", "06:00:00"))}, nil)
		after, _, err := read(a, before, time.UTC, noon)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, c := range after {
			url := c.camera.URL.Reveal()
			if plainUUID(c.camera.ID) != c.camera.ID || seen[c.camera.ID] || !strings.HasPrefix(strings.ToLower(url), "rtsp") || len(url) > maxURL || utf8.RuneCountInString(c.camera.Name) > maxCameraName {
				t.Fatalf("camera %+v, %q", c.camera, url)
			}
			seen[c.camera.ID] = true
			for _, s := range c.camera.Schedules {
				if plainUUID(s.ID) != s.ID {
					t.Fatalf("schedule %+v", s)
				}
			}
		}
		data, err := encode(after)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := decode(data, time.UTC, noon)
		if err != nil || len(again) != len(after) {
			t.Fatalf("%v, %d cameras, there were %d\n%s", err, len(again), len(after), data)
		}
		for i := range again {
			if !reflect.DeepEqual(again[i].camera, after[i].camera) && len(again[i].schedules)+len(after[i].schedules) > 0 {
				t.Fatalf("%+v\n%+v\n%s", again[i].camera, after[i].camera, data)
			}
		}
	})
}

// While the host's clock is not set nobody knows which of them have begun.
func TestOnceIsKeptWithoutTheTime(t *testing.T) {
	day := "2026-11-23"
	once := centraltest.Schedule{ID: nightID, Name: "Once", Kind: "once", Start: "11:00:00", End: "13:00:00", StartDate: &day, Active: true, Camera: gate()}
	before, _ := mustRead(t, Answer{rows(t, gate()), rows(t, once)}, nil)
	kept, complaints, err := read(Answer{rows(t, gate()), nil}, before, time.UTC, time.Time{})
	if err != nil || len(complaints) > 0 || len(kept[0].camera.Schedules) != 1 {
		t.Fatalf("in 1970: %+v, %v, %v", kept, complaints, err)
	}
	if after, _ := mustRead(t, Answer{rows(t, gate()), nil}, kept); len(after[0].camera.Schedules) != 1 {
		t.Errorf("in its window: %+v", after)
	}
	if after, _, err := read(Answer{rows(t, gate()), nil}, kept, time.UTC, noon.Add(2*time.Hour)); err != nil || len(after[0].camera.Schedules) != 0 {
		t.Errorf("after its window: %+v, %v", after, err)
	}
}

// A once schedule that is kept must not make a set of more than one may hold: that
// would not take another answer any more.
func TestOnceIsNotOneTooMany(t *testing.T) {
	day := "2026-11-23"
	once := centraltest.Schedule{ID: nightID, Name: "Once", Kind: "once", Start: "11:00:00", End: "13:00:00", StartDate: &day, Active: true, Camera: gate()}
	var others []any
	for i := range schedule.MaxSchedules {
		others = append(others, daily(fmt.Sprintf("0190aaaa-0000-7000-8000-%012d", i+100), gate(), "14:00:00", "15:00:00"))
	}
	before, _ := mustRead(t, Answer{rows(t, gate()), rows(t, once)}, nil)
	full, complaints := mustRead(t, Answer{rows(t, gate()), rows(t, others...)}, before)
	if n := len(full[0].schedules); n != schedule.MaxSchedules || len(complaints) > 0 {
		t.Errorf("%d schedules, complaints %v", n, complaints)
	}
	if after, complaints := mustRead(t, Answer{rows(t, gate()), rows(t, others[:3]...)}, full); len(after[0].schedules) != 3 || len(complaints) > 0 {
		t.Errorf("%d schedules, complaints %v", len(after[0].schedules), complaints)
	}
}

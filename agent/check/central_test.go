package check

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"recording-agent/agent/central/centraltest"
)

const (
	yardID = assignedID
	gateID = "0198c0de-0000-7000-8000-00000000000b"
)

// centralChecks are those of a host of central's, whose configuration has these
// lines besides.
func centralChecks(t *testing.T, server *centraltest.Server, more string) *trial {
	t.Helper()
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return checksOf(t, "[agent]\nclient_name = \"host\"\nstorage = \"local\"\ntimezone = \"UTC\"\n[central]\nurl = \""+web.URL+
		"\"\ntoken = \"hunter2\"\nclient_id = \"0198c0de-0000-7000-8000-000000000001\"\n"+more)
}

func assignedCamera(id, name string) centraltest.Camera {
	return centraltest.Camera{ID: id, Name: name, URL: "rtsp://viewer:hunter3@127.0.0.1:1/x", Type: "ip", Quality: "high"}
}

func daily(id string, of centraltest.Camera, active bool) centraltest.Schedule {
	return centraltest.Schedule{ID: id, Name: "night", Kind: "daily", Start: "20:00:00", End: "06:00:00", Active: active, Camera: of}
}

func TestCentralThatIsFine(t *testing.T) {
	server := centraltest.New(centraltest.Options{Token: "hunter2"})
	yard := assignedCamera(yardID, "Yard")
	server.Assign([]centraltest.Camera{yard}, []centraltest.Schedule{daily("0198c0de-0000-7000-8000-00000000000c", yard, true)})
	tr := centralChecks(t, server, "cameras = true\n")
	tr.Central(t.Context())
	tr.want(t, "health", OK, "answers")
	tr.want(t, "token", OK)
	tr.want(t, "cameras", OK, "1 camera is assigned", "Yard ("+yardID+")")
	tr.want(t, "schedules", OK, "1 schedule")
	tr.want(t, "recording mode", OK, "/health")
	tr.without(t, "hunter2", "hunter3")
	if len(tr.steps) != 5 || len(server.Recordings()) > 0 || len(server.Heartbeats()) > 0 || server.Calls("/recordings/register") > 0 {
		t.Error(tr.text())
	}
}

func TestCentralThatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		path  string
		fault centraltest.Fault
		step  string
		words []string
	}{
		"wrong token":     {"/cameras", centraltest.Answer(401, "Unauthorized"), "token", []string{"does not accept the token", "correct central.token"}},
		"refused client":  {"/cameras", centraltest.Answer(403, "Client is not active"), "token", []string{"refuses this client: Client is not active", "active there"}},
		"no such path":    {"/schedules", centraltest.Answer(404, "Not Found"), "token", []string{"refuses this client", "central.url"}},
		"a web page":      {"/health", centraltest.Answer(404, ""), "health", []string{"is not the central server", "check central.url"}},
		"a proxy's error": {"/cameras", centraltest.Answer(502, ""), "token", []string{"is not the central server", "proxy"}},
		"its own error":   {"/cameras", centraltest.Answer(500, "Internal server error"), "token", []string{"an error of its own", "server's log"}},
		"senseless":       {"/cameras", centraltest.Raw(200, `[{"id":"1"},{"id":"hunter2"}]`), "cameras", []string{"cannot be meant", "look at the cameras"}},
		"repeats token":   {"/cameras", centraltest.Answer(401, "Bearer hunter2 is not known"), "token", []string{"***", "correct central.token"}},
		"no list":         {"/cameras", centraltest.Raw(200, `null`), "token", []string{"no list"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := centraltest.New(centraltest.Options{Token: "hunter2"})
			server.Break(tc.path, 1, tc.fault)
			tr := centralChecks(t, server, "cameras = true\n")
			tr.Central(t.Context())
			tr.want(t, tc.step, Failed, tc.words...)
			if f := tr.failures(); len(f) != 1 {
				t.Error(tr.text())
			}
			tr.without(t, "hunter2")
		})
	}
}

func TestCentralThatCannotBeReached(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	tr := clockChecks(t, s.URL)
	tr.Central(t.Context())
	tr.want(t, "health", Failed, "cannot be reached", "central.url")
	if len(tr.steps) != 1 {
		t.Error(tr.text())
	}
}

func TestCentralThatRecordsNothing(t *testing.T) {
	server := centraltest.New(centraltest.Options{Token: "hunter2"})
	tr := centralChecks(t, server, "cameras = true\n")
	tr.Central(t.Context())
	tr.want(t, "cameras", Warning, "0 cameras", "assign cameras")
	yard := assignedCamera(yardID, "Yard")
	server.Assign([]centraltest.Camera{yard}, []centraltest.Schedule{daily("0198c0de-0000-7000-8000-00000000000c", yard, false)})
	tr.steps = nil
	tr.Central(t.Context())
	tr.want(t, "schedules", Warning, "Yard", "active schedule")
	bad := assignedCamera(gateID, "Gate")
	bad.URL = "http://nowhere"
	server.Assign([]centraltest.Camera{yard, bad}, nil)
	tr.steps = nil
	tr.Central(t.Context())
	tr.want(t, "rows", Warning, gateID, "correct it at central")
}

// What register would refuse is known beforehand.
func TestCamerasThatCentralDoesNotAssign(t *testing.T) {
	server := centraltest.New(centraltest.Options{Token: "hunter2"})
	own := "[[camera]]\nid = \"" + gateID + "\"\nname = \"Gate\"\nurl = \"rtsp://viewer:hunter3@127.0.0.1:1/x\"\n"
	server.Assign([]centraltest.Camera{assignedCamera(yardID, "Yard")}, nil)
	tr := centralChecks(t, server, own)
	tr.Central(t.Context())
	tr.want(t, "cameras", OK, "cameras = false")
	tr.want(t, "schedules", OK, "configuration says")
	tr.want(t, "recording mode", Failed, "403", "Gate ("+gateID+")", "local_client")
	tr.without(t, "hunter2", "hunter3")
	server.Assign([]centraltest.Camera{assignedCamera(gateID, "Gate")}, nil)
	tr.steps = nil
	tr.Central(t.Context())
	tr.want(t, "recording mode", OK)
}

// What central has answered to recordings is what it is known by.
func TestRecordingModeByTheLastRecordings(t *testing.T) {
	server := centraltest.New(centraltest.Options{Token: "hunter2"})
	yard, gate := assignedCamera(yardID, "Yard"), assignedCamera(gateID, "Gate")
	server.Assign([]centraltest.Camera{yard, gate}, nil)
	tr := centralChecks(t, server, "cameras = true\n")
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	known := map[string]Registered{yardID: {At: at}}
	tr.Registered = func(_ context.Context, id string) Registered { return known[id] }
	tr.Central(t.Context())
	tr.want(t, "recording mode", OK, "not known of Gate ("+gateID+")")
	known[gateID], tr.steps = Registered{At: at.Add(-time.Hour)}, nil
	tr.Central(t.Context())
	tr.want(t, "recording mode", OK, "has taken recordings of each camera", at.Local().Format("15:04:05"))
	known[gateID], tr.steps = Registered{At: at, Refused: "Camera is not in local client mode"}, nil
	tr.Central(t.Context())
	tr.want(t, "recording mode", Failed, "Gate ("+gateID+")", "not in local client mode", "local_client", "segments retry")
}

func TestNoCentral(t *testing.T) {
	tr := cameraChecks(t)
	tr.Central(t.Context())
	tr.want(t, "server", OK, "none")
}

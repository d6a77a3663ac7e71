package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"recording-agent/agent/central/centraltest"
	"recording-agent/uploader/wiretest"
)

const (
	firstSchedule  = "0190aaaa-0000-7000-8000-000000000001"
	secondSchedule = "0190aaaa-0000-7000-8000-000000000002"
)

// assignable is a camera of the hub as central has it.
func (h *host) assignable(i int) centraltest.Camera {
	return centraltest.Camera{ID: h.cameras[i], Name: fmt.Sprintf("Camera %d", i+1), IP: "127.0.0.1", URL: h.hub.URL(h.cameras[i]), Type: "rtsp", Quality: "high"}
}

// allDay is a schedule that wants footage at all times; notNow never within the next hours.
func allDay(id string, c centraltest.Camera) centraltest.Schedule {
	return centraltest.Schedule{ID: id, Name: "All day", Kind: "daily", Start: "00:00:00", End: "00:00:00", Active: true, Camera: c}
}

func notNow(id string, c centraltest.Camera) centraltest.Schedule {
	s := allDay(id, c)
	s.Start, s.End = time.Now().Add(2*time.Hour).Format("15:04:05"), time.Now().Add(3*time.Hour).Format("15:04:05")
	return s
}

// schedules are what GET /schedules answers.
func (h *host) schedules() (ids []string) {
	h.t.Helper()
	response, err := http.Get("http://" + h.status + "/schedules")
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	var s struct {
		Count     int
		Schedules []struct {
			ID, Name, Type, Camera string
			Start                  string `json:"start_time"`
			End                    string `json:"end_time"`
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil || s.Count != len(s.Schedules) {
		h.t.Fatalf("schedules %+v, %v", s, err)
	}
	for _, one := range s.Schedules {
		if one.Type != "daily" || !strings.HasPrefix(one.Camera, "Camera ") || len(one.Start) != len("08:00:00") {
			h.t.Errorf("schedule %+v", one)
		}
		ids = append(ids, one.ID)
	}
	return ids
}

// Cameras and schedules come from central, and go with it; a restart while it is
// away records as before.
func TestCamerasOfCentral(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.local, h.follows = true, true
	first, second := h.assignable(0), h.assignable(1)
	h.central.Assign([]centraltest.Camera{first, second}, []centraltest.Schedule{allDay(firstSchedule, first), allDay(secondSchedule, second)})
	h.configure()
	h.start()
	h.untilStates(20*time.Second, "recording", "recording")
	if ids := h.schedules(); fmt.Sprint(ids) != fmt.Sprint([]string{firstSchedule, secondSchedule}) {
		t.Errorf("schedules %v", ids)
	}

	time.Sleep(2 * time.Second) // into a segment
	h.central.Assign([]centraltest.Camera{first}, []centraltest.Schedule{allDay(firstSchedule, first)})
	h.untilStates(15*time.Second, "recording")
	time.Sleep(6 * time.Second)
	h.untilSegments(h.cameras[0], 3)
	cameras := h.shows()
	files := h.picturesOnDisk()
	h.stop()
	ledger := h.ledger()
	h.whole(ledger, h.cameras[0], cameras[0].Frames)
	gone := h.segmentsOf(ledger, h.cameras[1])
	for _, s := range gone {
		if time.Since(s.End) < 6*time.Second || s.ScheduleID != secondSchedule || int64(files[s.ID]) != s.Frames {
			t.Errorf("a segment of the camera that is gone: %+v, its file has %d pictures", s, files[s.ID])
		}
	}
	if len(gone) == 0 {
		t.Error("there is no segment of the camera that is gone")
	}
	schedules := map[string]string{h.cameras[0]: firstSchedule, h.cameras[1]: secondSchedule}
	for _, r := range h.central.Recordings() {
		if r.ScheduleID != schedules[r.CameraID] {
			t.Errorf("central has been told %+v", r)
		}
	}
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}

	h.toRows.Set(wiretest.Fault{Cut: true})
	h.start()
	h.untilStates(20*time.Second, "recording")
	h.said.await(t, "central does not say which cameras to record")
	h.kill()
	h.start()
	h.untilStates(20*time.Second, "recording")
	h.toRows.Set(wiretest.Fault{})
	h.central.Assign([]centraltest.Camera{first, second}, []centraltest.Schedule{notNow(firstSchedule, first)})
	h.untilStates(40*time.Second, "off schedule", "off schedule")
	h.central.Break("/cameras", 1, centraltest.Answer(500, "unexpected"))
	h.central.Assign([]centraltest.Camera{first, second}, []centraltest.Schedule{notNow(firstSchedule, first), allDay(secondSchedule, second)})
	h.untilStates(40*time.Second, "off schedule", "recording")
	h.stop()
	if h.central.Calls("/schedules") == 0 || strings.Contains(h.said.String(), "rtsp://") {
		t.Errorf("the agent said:\n%s", &h.said)
	}
}

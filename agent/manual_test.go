package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"recording-agent/agent/central/centraltest"
	"recording-agent/uploader/wiretest"
)

// post makes a request that changes something.
func (h *host) post(path, token, origin string) (code int, answer map[string]any) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, "http://"+h.status+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		h.t.Fatalf("POST %s: %d, %v", path, response.StatusCode, err)
	}
	return response.StatusCode, answer
}

// refused wants a request to be answered with a code and a detail.
func (h *host) refused(path, token, origin string, want int) {
	h.t.Helper()
	if code, answer := h.post(path, token, origin); code != want || answer["detail"] == nil {
		h.t.Errorf("POST %s: %d %v, want %d", path, code, answer, want)
	}
}

// A camera is recorded by hand and stopped, over HTTP, with the token, with central
// and without.
func TestRecordByHand(t *testing.T) {
	h := newHost(t)
	h.local, h.follows = true, true
	h.central.Assign(nil, nil)
	h.configure()
	h.edit("[status]", "[status]\ntoken = \"test\"")
	h.start()
	h.said.await(t, "state is served")
	gate, yard := h.cameras[0], h.cameras[1]
	record, stop := "/manual-record?camera_id=", "/stop-recording/"
	h.refused(record+gate, "", "", 401)
	h.refused(record+gate, "other", "", 401)
	h.refused(record+gate, "test", "https://evil.example", 403)
	h.refused(record+gate, "test", "", 503)
	first, second := h.assignable(0), h.assignable(1)
	h.central.Assign([]centraltest.Camera{first, second}, []centraltest.Schedule{notNow(firstSchedule, first)})
	h.untilStates(20*time.Second, "off schedule", "off schedule")
	h.refused(record+uuid.NewString(), "test", "", 404)
	h.refused(record, "test", "", 422)
	h.refused(record+gate+"&duration_minutes=soon", "test", "", 422)
	h.refused(stop+gate, "test", "", 400)

	code, answer := h.post(record+gate+"&duration_minutes=0", "test", "http://"+h.status)
	if code != 200 || answer["message"] != "Recording started" || answer["camera_id"] != gate {
		t.Fatalf("%d %v", code, answer)
	}
	h.untilStates(10*time.Second, "recording", "off schedule")
	if rows := h.central.Recordings(); len(rows) == 0 || rows[0].ID != answer["recording_id"] || rows[0].ScheduleID != "" {
		t.Errorf("answer %v, central has %+v", answer, rows)
	}
	h.refused(record+gate, "test", "", 400)
	code, answer = h.post(stop+gate, "test", "")
	if code != 200 || answer["message"] != "Recording stopped" {
		t.Fatalf("%d %v", code, answer)
	}
	rows := h.central.Recordings()
	if last := rows[len(rows)-1]; last.ID != answer["recording_id"] {
		t.Errorf("answer %v, the last row at central is %+v", answer, last)
	}
	h.untilStates(10*time.Second, "off schedule", "off schedule")
	h.refused(stop+gate, "test", "", 400)

	h.toRows.Set(wiretest.Fault{Cut: true})
	code, answer = h.post(record+yard, "test", "") // its recording has no id at central
	if id, _ := answer["recording_id"].(string); code != 200 || uuid.Validate(id) != nil {
		t.Errorf("%d %v", code, answer)
	}
	h.untilStates(10*time.Second, "off schedule", "recording")
	h.kill() // it does not survive that
	h.start()
	h.untilStates(20*time.Second, "off schedule", "off schedule")

	h.toRows.Set(wiretest.Fault{})
	h.central.Assign([]centraltest.Camera{first, second}, []centraltest.Schedule{allDay(firstSchedule, first)})
	h.untilStates(30*time.Second, "recording", "off schedule")
	h.refused(record+gate, "test", "", 400)
	if code, answer = h.post(stop+gate, "test", ""); code != 200 { // what a schedule has begun
		t.Errorf("%d %v", code, answer)
	}
	h.untilStates(10*time.Second, "off schedule", "off schedule")
	h.stop()
}

// A camera that is recorded at all times can be neither begun nor stopped.
func TestAlwaysIsNotStopped(t *testing.T) {
	h := newHost(t)
	h.local = true
	h.configure()
	h.start()
	h.untilStates(20*time.Second, "recording", "recording")
	h.refused("/manual-record?camera_id="+h.cameras[0], "", "", 400)
	h.refused("/stop-recording/"+h.cameras[0], "", "", 400)
	h.refused("/stop-recording/"+h.cameras[0], "", "https://evil.example", 403)
	h.untilStates(time.Second, "recording", "recording")
	h.stop()
}

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"recording-agent/agent/torture/check"
)

// runCentral serves with what an earlier run has left in the journal.
func runCentral(t *testing.T, journal string) (c *central, server *httptest.Server) {
	t.Helper()
	c, err := newCentral(centralOrder{Journal: journal})
	if err != nil {
		t.Fatal(err)
	}
	server = httptest.NewUnstartedServer(c)
	server.Config.ConnContext = remembering
	server.Start()
	return c, server
}

func call(t *testing.T, server *httptest.Server, path, body string) (status int, recording string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, server.URL+"/v0/api/local-client/recordings/"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+centralToken)
	request.Header["idempotency-key"] = []string{"segment"}
	response, err := server.Client().Do(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	var answer struct {
		ID string `json:"recording_id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer.ID
}

const register = "register?camera_id=7c9e6679-7425-40de-944b-000000000001"

// A central that was killed knows its rows again, and which answers the agent has seen.
func TestCentralRemembers(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "central.log")
	c, server := runCentral(t, journal)
	_, seen := call(t, server, register, "") // the next call shows that it was answered
	c.mode.Store("lost")
	if status, _ := call(t, server, register, ""); status != 0 {
		t.Errorf("an answer that is lost has status %d", status)
	}
	c.mode.Store("")
	_, reported := call(t, server, register, "")
	server.CloseClientConnections()
	server.Close()
	c.journal.Close()

	c, server = runCentral(t, journal)
	if status, _ := call(t, server, "status", `{"recording_id":"`+reported+`","status":"completed","gcp_path":"key","file_size":7}`); status != 200 {
		t.Errorf("a recording from before the restart: status %d", status)
	}
	_, unseen := call(t, server, register, "")
	server.Close()
	c.journal.Close()

	rows, err := check.Rows(journal)
	if err != nil || len(rows) != 4 {
		t.Fatalf("%+v, %v", rows, err)
	}
	for i, want := range []struct {
		id   string
		lost bool
	}{{seen, false}, {rows[1].ID, true}, {reported, false}, {unseen, true}} {
		if rows[i].ID != want.id || rows[i].Lost != want.lost || rows[i].Segment != "segment" {
			t.Errorf("row %d: %+v, want %+v", i, rows[i], want)
		}
	}
	if r := rows[2]; r.Key != "key" || r.Size != 7 || !r.Settled() {
		t.Errorf("what was completed is %+v", r)
	}
}

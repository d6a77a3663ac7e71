// Package centraltest keeps the central server's contract, strictly, for tests
// and the demo, and misbehaves on demand.
package centraltest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const apiPath = "/v0/api/local-client"

// Options configure a Server.
type Options struct {
	Token      string
	ClientName string   // of the row that the token identifies
	Cameras    []string // ids of cameras assigned to this client; nil: every camera is
	Now        func() time.Time
	Presign    func(key string) string // makes a playback URL; nil: none
	Rows       []Recording             // those that an earlier server had
	Keep       func(Recording)         // is given each row that has changed, before the call is answered; nil: none
}

// Recording is a row of the server.
type Recording struct {
	ID             string         `json:"id"`
	CameraID       string         `json:"camera_id"`
	ScheduleID     string         `json:"schedule_id"` // empty: null
	Name           string         `json:"name"`
	ClientName     string         `json:"recorded_by_client_name"`
	Status         string         `json:"status"`
	UploadStatus   string         `json:"upload_status"`
	StartTime      time.Time      `json:"start_time"`
	EndTime        time.Time      `json:"end_time"`
	FilePath       string         `json:"file_path"`
	FileSize       int64          `json:"file_size"`
	StorageType    string         `json:"storage_type"`
	ErrorMessage   string         `json:"error_message"`
	URL            string         `json:"url,omitempty"`
	IdempotencyKey string         `json:"-"`
	Statuses       []string       `json:"-"` // in the order they came
	Extra          map[string]any `json:"-"` // the last status body
}

// Fault is what the server does instead of answering.
type Fault func(w http.ResponseWriter, r *http.Request, answer http.Handler)

// Server is an http.Handler.
type Server struct {
	opts Options
	mux  *http.ServeMux

	mu        sync.Mutex
	cameras   []Camera
	schedules []Schedule

	rows   []*Recording
	beats  []map[string]any
	calls  map[string]int
	faults map[string][]Fault
}

// New returns a server without recordings.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{opts: o, mux: http.NewServeMux(), calls: map[string]int{}, faults: map[string][]Fault{}}
	for _, row := range o.Rows {
		s.rows = append(s.rows, &row)
	}
	s.mux.HandleFunc("GET "+apiPath+"/health", s.health)
	s.mux.HandleFunc("POST "+apiPath+"/recordings/register", s.register)
	s.mux.HandleFunc("POST "+apiPath+"/recordings/status", s.auth(s.status))
	s.mux.HandleFunc("POST "+apiPath+"/heartbeat", s.auth(s.heartbeat))
	s.mux.HandleFunc("GET "+apiPath+"/cameras", s.auth(s.listCameras))
	s.mux.HandleFunc("GET "+apiPath+"/schedules", s.auth(s.listSchedules))
	s.mux.HandleFunc("GET /recordings", s.list)
	s.mux.HandleFunc("GET /{$}", s.page)
	return s
}

// ServeHTTP answers a call, or misbehaves.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, apiPath)
	s.mu.Lock()
	s.calls[path]++
	var fault Fault
	if queue := s.faults[path]; len(queue) > 0 {
		fault, s.faults[path] = queue[0], queue[1:]
	}
	s.mu.Unlock()
	if fault != nil {
		fault(w, r, s.mux)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Break makes the next n calls to a path ("/recordings/register") fail with f.
func (s *Server) Break(path string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.faults[path] = append(s.faults[path], f)
	}
}

// Answer is a fault: an answer of JSON, or HTML when detail is empty.
func Answer(status int, detail string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if detail == "" {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			fmt.Fprint(w, "<html><body>nginx</body></html>")
			return
		}
		fail(w, status, detail)
	}
}

// Raw is a fault: an answer with this status and body.
func Raw(status int, body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// LoseAnswer is a fault: the call takes effect, its answer is lost.
func LoseAnswer(_ http.ResponseWriter, r *http.Request, answer http.Handler) {
	answer.ServeHTTP(discard{http.Header{}}, r)
	panic(http.ErrAbortHandler)
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// Recordings returns a copy of the rows, in the order of their registration.
func (s *Server) Recordings() []Recording {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Recording, 0, len(s.rows))
	for _, r := range s.rows {
		row := *r
		row.Statuses = append([]string(nil), r.Statuses...)
		if s.opts.Presign != nil && row.FilePath != "" {
			row.URL = s.opts.Presign(row.FilePath)
		}
		out = append(out, row)
	}
	return out
}

// Heartbeats returns the bodies that came.
func (s *Server) Heartbeats() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]map[string]any(nil), s.beats...)
}

// Calls is how often a path was called.
func (s *Server) Calls(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[path]
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone is no news
}

func fail(w http.ResponseWriter, status int, detail any) {
	reply(w, status, map[string]any{"detail": detail})
}

func (s *Server) authorized(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Authorization") == "Bearer "+s.opts.Token {
		return true
	}
	fail(w, http.StatusUnauthorized, "Unauthorized")
	return false
}

func (s *Server) auth(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.authorized(w, r) {
			next(w, r)
		}
	}
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	reply(w, 200, map[string]string{"status": "healthy", "service": "Local Client API", "version": "1.0.0"})
}

// register is not idempotent: each call makes a row.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	camera := q.Get("camera_id")
	if camera == "" { // comes before the token
		fail(w, http.StatusUnprocessableEntity, []map[string]any{{"type": "missing", "loc": []string{"query", "camera_id"}, "msg": "Field required"}})
		return
	}
	if !s.authorized(w, r) {
		return
	}
	name := q.Get("recording_name")
	_, malformed := uuid.Parse(camera)
	if id := q.Get("schedule_id"); id != "" && malformed == nil {
		_, malformed = uuid.Parse(id)
	}
	switch {
	case malformed != nil, len([]rune(name)) > 255, strings.Contains(name, "\x00"):
		fail(w, http.StatusInternalServerError, "Internal server error")
		return
	case !s.assigned(camera):
		fail(w, http.StatusForbidden, "Camera not assigned to this client")
		return
	}
	row := &Recording{
		ID: uuid.NewString(), CameraID: camera, ScheduleID: s.known(q.Get("schedule_id")), Name: name, ClientName: s.opts.ClientName, Status: "scheduled", UploadStatus: "pending",
		StartTime: s.opts.Now().UTC(), IdempotencyKey: r.Header.Get("Idempotency-Key"),
	}
	s.mu.Lock()
	s.rows = append(s.rows, row)
	s.keep(row)
	s.mu.Unlock()
	reply(w, 200, map[string]string{"recording_id": row.ID, "message": "Recording registered"})
}

// known is a schedule's id if there is such a schedule; no other is taken.
func (s *Server) known(schedule string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.schedules {
		if one.ID == schedule {
			return schedule
		}
	}
	return ""
}

func (s *Server) assigned(camera string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Cameras == nil {
		return true
	}
	for _, id := range s.opts.Cameras {
		if id == camera {
			return true
		}
	}
	return false
}

// body decodes a JSON body; null in a field is an error to the server.
func body(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	data, err := io.ReadAll(io.LimitReader(r.Body, 2_500_000))
	var fields map[string]any
	if err != nil || json.Unmarshal(data, &fields) != nil {
		fail(w, http.StatusInternalServerError, "Internal server error")
		return nil, false
	}
	for k, v := range fields {
		if v == nil {
			fail(w, http.StatusBadRequest, "Invalid data: "+k)
			return nil, false
		}
	}
	return fields, true
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	fields, ok := body(w, r)
	if !ok {
		return
	}
	id, _ := fields["recording_id"].(string)
	status, _ := fields["status"].(string)
	known := map[string]bool{"scheduled": true, "recording": true, "completed": true, "failed": true, "stopped": true}
	if _, err := uuid.Parse(id); err != nil || !known[status] {
		fail(w, http.StatusBadRequest, "Invalid data")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.rows {
		if row.ID == id {
			s.apply(row, status, fields)
			s.keep(row)
			reply(w, 200, map[string]string{"message": "Status updated"})
			return
		}
	}
	fail(w, http.StatusNotFound, "Recording not found")
}

func (s *Server) keep(row *Recording) {
	if s.opts.Keep != nil {
		s.opts.Keep(*row)
	}
}

// apply is what a status does to a row; there is no state machine.
func (s *Server) apply(row *Recording, status string, fields map[string]any) {
	row.Status, row.Extra = status, fields
	row.Statuses = append(row.Statuses, status)
	if size, ok := fields["file_size"].(float64); ok {
		row.FileSize = int64(size)
	}
	if text, ok := fields["error_message"].(string); ok && text != "" {
		row.ErrorMessage = text
	}
	switch status {
	case "recording":
		row.UploadStatus = "uploading"
	case "failed":
		row.UploadStatus = "failed"
	case "completed":
		row.EndTime = s.opts.Now().UTC()
		if path, ok := fields["gcp_path"].(string); ok && path != "" {
			row.FilePath, row.StorageType, row.UploadStatus = path, "gcp", "completed"
		}
	}
}

func (s *Server) heartbeat(w http.ResponseWriter, r *http.Request) {
	fields, ok := body(w, r)
	if !ok {
		return
	}
	id, _ := fields["client_id"].(string)
	_, active := fields["active_recordings"].(float64)
	_, space := fields["available_space_gb"].(float64)
	if _, err := uuid.Parse(id); err != nil || !active || !space {
		fail(w, http.StatusBadRequest, "Invalid data")
		return
	}
	s.mu.Lock()
	s.beats = append(s.beats, fields)
	s.mu.Unlock()
	reply(w, 200, map[string]string{"message": "Heartbeat received", "client_id": id, "status": "online"})
}

package status

import (
	_ "embed"
	"net/http"
	"strings"
)

// description is the OpenAPI description of all that the port answers.
//
//go:embed openapi.yaml
var description []byte

// apiRoutes are those whose names stay as they are while the 1 in their path does:
// keys may be added to answers, none goes away or changes its meaning.
func (s *Server) apiRoutes() []route {
	return []route{
		{http.MethodGet, "/api/v1/openapi.yaml", s.openAPI},
		{http.MethodGet, "/api/v1/status", s.overview},
		{http.MethodGet, "/api/v1/cameras", s.cameras},
		{http.MethodGet, "/api/v1/cameras/{camera}", s.camera},
		{http.MethodGet, "/api/v1/destinations", s.destinations},
		{http.MethodGet, "/api/v1/segments", s.segmentList},
		{http.MethodGet, "/api/v1/segments/{segment}", s.segment},
		{http.MethodGet, "/api/v1/gaps", s.gaps},
		{http.MethodGet, "/api/v1/schedules", s.schedules},
		{http.MethodGet, "/api/v1/problems", s.problems},
		{http.MethodGet, "/api/v1/journal", s.journal},
	}
}

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(description) // a client that has gone is no news
}

// overviewAnswer is what is not about one camera or destination.
type overviewAnswer struct {
	Agent      overviewAgent     `json:"agent"`
	Disk       overviewDisk      `json:"disk"`
	Clock      clockAnswer       `json:"clock"`
	TakingIn   takingInAnswer    `json:"taking_in"`
	Central    *centralAnswer    `json:"central"`
	CameraSync *cameraSyncAnswer `json:"camera_sync"`
	Cameras    int               `json:"cameras"`
	Recording  int               `json:"cameras_recording"`
	Problems   int               `json:"problems"`
}

type overviewAgent struct {
	Version    string `json:"version"`
	ClientName string `json:"client_name"`
	Started    any    `json:"started"`
	Time       any    `json:"time"`
	Unready    any    `json:"unready"`
}

type overviewDisk struct {
	diskAnswer
	FullIn any `json:"full_in_seconds"`
}

func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	snap, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	known := answerStatus(snap)
	a := overviewAnswer{
		Agent: overviewAgent{snap.Version, snap.ClientName, moment(snap.Started), moment(s.opts.Now()), orNull(s.opts.Unready())},
		Disk:  overviewDisk{known.Disk, nil}, Clock: known.Clock, TakingIn: known.TakingIn, Central: known.Central, CameraSync: known.CameraSync,
		Cameras: known.Cameras, Recording: known.ActiveRecordings, Problems: len(s.opts.Problems()),
	}
	if d, fills := snap.Disk.FullIn(); fills {
		a.Disk.FullIn = round(d.Seconds(), 0)
	}
	reply(w, http.StatusOK, a)
}

func (s *Server) cameras(w http.ResponseWriter, r *http.Request) {
	if snap, ok := s.snapshot(w, r); ok {
		reply(w, http.StatusOK, map[string]any{"cameras": answerStatus(snap).CameraStatus})
	}
}

func (s *Server) camera(w http.ResponseWriter, r *http.Request) {
	snap, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	for _, c := range snap.Cameras {
		if strings.EqualFold(c.ID, r.PathValue("camera")) {
			reply(w, http.StatusOK, answerCamera(c))
			return
		}
	}
	fail(w, http.StatusNotFound, ErrUnknownCamera.Error())
}

func (s *Server) destinations(w http.ResponseWriter, r *http.Request) {
	if snap, ok := s.snapshot(w, r); ok {
		reply(w, http.StatusOK, map[string]any{"destinations": answerStatus(snap).Destinations})
	}
}

func (s *Server) problems(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"problems": answerHealth(s.opts.Problems(), s.opts.Now()).Problems})
}

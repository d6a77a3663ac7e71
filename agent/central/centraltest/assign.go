package centraltest

import (
	"net/http"
	"slices"
)

// Camera is a camera as the server writes it.
type Camera struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	IP       string  `json:"ip_address"`
	URL      string  `json:"rtsp_url"`
	SubURL   *string `json:"rtsp_url_sub"`
	Type     string  `json:"camera_type"` // ip, rtsp, webcam
	Location *string `json:"location"`
	Quality  string  `json:"record_quality"` // high, medium, low
}

// Schedule is a schedule as the server writes it.
type Schedule struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Kind      string   `json:"schedule_type"`
	Start     string   `json:"start_time"` // HH:MM:SS
	End       string   `json:"end_time"`
	StartDate *string  `json:"start_date"` // YYYY-MM-DD
	EndDate   *string  `json:"end_date"`
	Days      []string `json:"days_of_week"`
	Active    bool     `json:"is_active"`
	Camera    Camera   `json:"camera"`
}

// Assign sets the cameras that are assigned to this client, and all schedules
// there are; those of other cameras are not sent.
func (s *Server) Assign(cameras []Camera, schedules []Schedule) {
	ids := []string{}
	for _, c := range cameras {
		ids = append(ids, c.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Cameras = ids
	s.cameras, s.schedules = slices.Clone(cameras), slices.Clone(schedules)
}

func (s *Server) listCameras(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	out := append([]Camera{}, s.cameras...)
	s.mu.Unlock()
	reply(w, http.StatusOK, out)
}

// listSchedules answers last_sync as the server does: with what has changed since,
// which here is nothing.
func (s *Server) listSchedules(w http.ResponseWriter, r *http.Request) {
	out := []Schedule{}
	s.mu.Lock()
	for _, one := range s.schedules {
		if r.URL.Query().Has("last_sync") || !slices.Contains(s.opts.Cameras, one.Camera.ID) {
			continue
		}
		if one.Days == nil {
			one.Days = []string{}
		}
		out = append(out, one)
	}
	s.mu.Unlock()
	reply(w, http.StatusOK, out)
}

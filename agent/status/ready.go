package status

import "net/http"

// alive tells a probe that the process is there: what is wrong is no reason to end
// it, for that would end the recording of the cameras that work.
func (s *Server) alive(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]string{"status": "alive"})
}

// readiness tells a probe whether the agent can record.
func (s *Server) readiness(w http.ResponseWriter, _ *http.Request) {
	if cause := s.opts.Unready(); cause != "" {
		fail(w, http.StatusServiceUnavailable, cause)
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "ready"})
}

// wake answers probes while the other parts are not there yet. What the last run
// left can take minutes to settle.
func (s *Server) wake(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.started.Load() && !probes[r.URL.Path] {
			w.Header().Set("Retry-After", "5")
			detail := "the agent starts"
			if cause := s.opts.Unready(); cause != "" {
				detail += ": " + cause
			}
			fail(w, http.StatusServiceUnavailable, detail)
			return
		}
		next.ServeHTTP(w, r)
	})
}

package status

import (
	"net/http"
	"strings"
)

// alive tells a probe that the process is there: what is wrong is no reason to end
// it, for that would end the recording of the cameras that work. That it could not
// start is said all the same; why, only where everybody may read it.
func (s *Server) alive(w http.ResponseWriter, _ *http.Request) {
	answer := map[string]string{"status": "alive"}
	switch f := s.opts.Failed; {
	case f == nil:
	case loopback(s.host):
		answer["detail"] = f.said()
	default:
		answer["detail"] = f.What + "; /health says more"
	}
	reply(w, http.StatusOK, answer)
}

func (p Problem) said() string { return p.What + ": " + p.Cause + "; " + p.Remedy }

// readiness tells a probe whether the agent can record.
func (s *Server) readiness(w http.ResponseWriter, _ *http.Request) {
	if cause := s.opts.Unready(); cause != "" {
		fail(w, http.StatusServiceUnavailable, cause)
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "ready"})
}

// wake answers probes while the other parts are not there yet, and says why they are
// not. What the last run left can take minutes to settle.
func (s *Server) wake(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch reads := r.Method == http.MethodGet || r.Method == http.MethodHead; {
		case s.started.Load() || probes[path]:
			next.ServeHTTP(w, r)
		case reads && s.opts.Waiting != nil && (path == "/" || strings.HasPrefix(path, "/assets/")):
			s.opts.Waiting.ServeHTTP(w, r)
		case reads && s.opts.Failed != nil && path == "/health":
			reply(w, http.StatusOK, answerHealth([]Problem{*s.opts.Failed}, s.opts.Now()))
		default:
			w.Header().Set("Retry-After", "5")
			fail(w, http.StatusServiceUnavailable, s.notStarted())
		}
	})
}

func (s *Server) notStarted() string {
	if s.opts.Failed != nil {
		return s.opts.Failed.said()
	}
	if cause := s.opts.Unready(); cause != "" {
		return "the agent starts: " + cause
	}
	return "the agent starts"
}

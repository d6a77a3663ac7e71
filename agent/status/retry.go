package status

import (
	"context"
	"errors"
	"net/http"
	"regexp"
)

// Retried is what is tried again at once, as JSON.
type Retried struct {
	Segments   int `json:"segments"` // that the others are of
	Deliveries int `json:"deliveries"`
	Reports    int `json:"reports"` // to central
}

// What Options.Retry may answer besides other trouble.
var (
	ErrUnknownSegment = errors.New("there is no such segment")
	ErrNothingWaits   = errors.New("the segment waits for nothing")
)

// segmentID is what an id must look like to be looked for.
var segmentID = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)

func (s *Server) retrySegment(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("segment")
	if !segmentID.MatchString(id) {
		fail(w, http.StatusNotFound, ErrUnknownSegment.Error())
		return
	}
	s.retry(w, r, id)
}

// retryFailed wants to be told that all are meant.
func (s *Server) retryFailed(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("failed") {
	case "":
		invalid(w, "missing", "failed", "Field required")
	case "1", "true":
		s.retry(w, r, "")
	default:
		invalid(w, "value_error", "failed", "Input should be 1")
	}
}

func (s *Server) retry(w http.ResponseWriter, r *http.Request, id string) {
	// A caller that has gone does not leave it half done.
	retried, err := s.opts.Retry(context.WithoutCancel(r.Context()), id)
	switch {
	case errors.Is(err, ErrUnknownSegment):
		fail(w, http.StatusNotFound, ErrUnknownSegment.Error())
	case errors.Is(err, ErrNothingWaits):
		fail(w, http.StatusConflict, ErrNothingWaits.Error())
	case err != nil:
		s.opts.Log.Error().Err(err).Msg("segments could not be tried again")
		fail(w, http.StatusInternalServerError, "segments could not be tried again; see the log")
	default:
		reply(w, http.StatusOK, retried)
	}
}

package status

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Manual records by hand. Errors other than those below are shown to whoever asked.
type Manual interface {
	// Record begins, for a while or with 0 until Stop. recordingID is empty when the
	// camera has not delivered yet.
	Record(ctx context.Context, cameraID string, length time.Duration) (recordingID string, err error)
	// Stop ends what is being recorded.
	Stop(ctx context.Context, cameraID string) (recordingID string, err error)
}

// What can be in the way of recording by hand.
var (
	ErrNoCameras     = errors.New("there are no cameras")
	ErrUnknownCamera = errors.New("there is no such camera")
	ErrRecording     = errors.New("the camera is being recorded")
	ErrNotRecording  = errors.New("the camera is not being recorded")
)

// refusals are what is answered then; dashboards know the predecessor's words.
var refusals = []struct {
	err    error
	code   int
	detail string
}{
	{ErrNoCameras, http.StatusServiceUnavailable, "No cameras available"},
	{ErrUnknownCamera, http.StatusNotFound, "Camera not found"},
	{ErrRecording, http.StatusBadRequest, "Camera is already recording"},
	{ErrNotRecording, http.StatusBadRequest, "No active recording for this camera"},
}

// maxMinutes is how long can be asked for: a year.
const maxMinutes = 366 * 24 * 60

func (s *Server) manualRecord(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	camera := q.Get("camera_id")
	if camera == "" {
		invalid(w, "missing", "camera_id", "Field required")
		return
	}
	minutes := 0
	if text := q.Get("duration_minutes"); text != "" {
		var err error
		switch minutes, err = strconv.Atoi(text); {
		case err != nil:
			invalid(w, "int_parsing", "duration_minutes", "Input should be a valid integer")
			return
		case minutes < 0:
			invalid(w, "greater_than_equal", "duration_minutes", "Input should be greater than or equal to 0")
			return
		case minutes > maxMinutes:
			invalid(w, "less_than_equal", "duration_minutes", "Input should be less than or equal to "+strconv.Itoa(maxMinutes))
			return
		}
	}
	id, err := s.opts.Manual.Record(r.Context(), camera, time.Duration(minutes)*time.Minute)
	if err != nil {
		refuse(w, err)
		return
	}
	s.opts.Log.Info().Str("camera", camera).Int("minutes", minutes).Msg("recording by hand begins")
	reply(w, http.StatusOK, map[string]string{"message": "Recording started", "recording_id": id, "camera_id": camera})
}

func (s *Server) stopRecording(w http.ResponseWriter, r *http.Request) {
	camera := r.PathValue("camera")
	id, err := s.opts.Manual.Stop(r.Context(), camera)
	if err != nil {
		refuse(w, err)
		return
	}
	s.opts.Log.Info().Str("camera", camera).Msg("recording is stopped by hand")
	reply(w, http.StatusOK, map[string]string{"message": "Recording stopped", "recording_id": id})
}

func refuse(w http.ResponseWriter, err error) {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			fail(w, r.code, r.detail)
			return
		}
	}
	fail(w, http.StatusBadRequest, err.Error())
}

package status

import (
	"net/http"
	"time"
)

// journalEntry is something that has happened, as JSON.
type journalEntry struct {
	Time    any    `json:"time"`
	Kind    string `json:"kind"`
	Subject any    `json:"subject"`
	Name    any    `json:"name"`
	Cause   any    `json:"cause"`
	Remedy  any    `json:"remedy"`
	Lasted  any    `json:"lasted_seconds"`
}

func (s *Server) journal(w http.ResponseWriter, _ *http.Request) {
	entries := []journalEntry{}
	for _, e := range s.opts.Journal() {
		entries = append(entries, journalEntry{moment(e.At), string(e.Kind), orNull(e.Subject), orNull(e.Name), orNull(e.Cause), orNull(e.Remedy), lasted(e.Lasted)})
	}
	reply(w, http.StatusOK, map[string]any{"entries": entries})
}

// lasted is in seconds; null of what has not ended anything.
func lasted(d time.Duration) any {
	if d <= 0 {
		return nil
	}
	return round(d.Seconds(), 3)
}

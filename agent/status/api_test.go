package status

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"recording-agent/agent/journal"
	"recording-agent/agent/status/apitest"
)

// Every route is described, and every description is of a route. What another
// handler answers (Options.Page) is checked where that is mounted.
func TestRoutesAreDescribed(t *testing.T) {
	described := apitest.Read(t, description).Operations()
	var routes []string
	for _, r := range server(t, nil).routes() {
		routes = append(routes, r.method+" "+r.path)
	}
	for _, r := range routes {
		if !slices.Contains(described, r) {
			t.Errorf("%s is not described in openapi.yaml", r)
		}
	}
	for _, d := range described {
		if !slices.Contains(routes, d) && !slices.Contains(pageOperations, d) {
			t.Errorf("%s is described, and is no route", d)
		}
	}
}

// The names of what can happen are kept, and all are described.
func TestKindsOfTheJournalAreDescribed(t *testing.T) {
	_, kinds, _ := strings.Cut(string(description), "enum: [agent started")
	kinds, _, _ = strings.Cut("agent started"+kinds, "]")
	described := strings.Split(strings.Join(strings.Fields(kinds), " "), ", ")
	var all []string
	for _, k := range journal.Kinds {
		all = append(all, string(k))
	}
	if !slices.Equal(described, all) {
		t.Errorf("described are %q, there are %q", described, all)
	}
}

// pageOperations are those that Options.Page answers.
var pageOperations = []string{
	"GET /", "GET /assets/{name}", "GET /api/v1/timeline", "GET /api/v1/moment", "GET /api/v1/events", "GET /play/camera/{camera}", "GET /play/segment/{segment}",
}

// Each answer that can be provoked is as it is described, errors as well.
func TestAnswersAreAsDescribed(t *testing.T) {
	d := apitest.Read(t, description)
	footage := func(path string) bool { return strings.HasPrefix(path, "/api/v1/segments") } // of the agent: checked there
	for name, change := range map[string]func(o *Options){
		"all": nil, "unready": unready, "unknown": answers(ErrUnknownCamera), "no token": func(o *Options) { o.Listen, o.Token = ":8001", testToken },
		"trouble": func(o *Options) { o.Footage = shelf{http.ErrBodyNotAllowed} },
	} {
		s := server(t, change)
		for _, r := range s.routes() {
			path := strings.NewReplacer("{camera}", "gate", "{segment}", "seg-1").Replace(r.path)
			queries := []string{"", "?limit=0", "?camera_id=gate&failed=1", "?camera_id=gate&duration_minutes=-1&failed=no"}
			for _, query := range queries {
				request := httptest.NewRequest(r.method, "http://127.0.0.1:8001"+path+query, nil)
				w := httptest.NewRecorder()
				s.Handler().ServeHTTP(w, request)
				answer := w.Result()
				answer.Request = request
				if footage(path) && answer.StatusCode == http.StatusOK {
					continue
				}
				t.Run(name+" "+r.method+" "+path+query, func(t *testing.T) { d.Check(answer) })
			}
		}
	}
}

// Package page is the agent's web page: whether the footage is safe, what each
// camera has recorded, and any moment of it to play. The state in memory and the
// ledger's lines of time enter, HTML leaves; what changes follows as server-sent
// events. However many pages are open, the ledger is read once for all of them, and
// for no more than a hundredth of the time. Without script the page shows the same and does not update itself.
package page

import (
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"os"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/agent/journal"
	"recording-agent/agent/status"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

// Options configure a Page.
type Options struct {
	Snapshot     func(ctx context.Context) (status.Snapshot, error) // asked every few seconds: it must cost little. Coverage and gaps are not needed
	Problems     func() []status.Problem                            // those of /health
	Wanted       func(cameraID string, from, to time.Time) []spool.Stretch
	Ledger       Ledger
	Destinations []Destination // in the order in which they are asked for footage
	Zone         func() *time.Location
	Journal      func() []journal.Entry // the newest first
	Log          zerolog.Logger
	Now          func() time.Time
}

// Ledger is what the page needs of the spool.
type Ledger interface {
	Footage(ctx context.Context, cameraID string, from, to time.Time) ([]spool.Footage, error)
	GapsWithin(ctx context.Context, cameraID string, from, to time.Time) ([]spool.Gap, error)
	UnsentByCamera(ctx context.Context) ([]spool.Unsent, error)
	FootageAt(ctx context.Context, cameraID string, at time.Time) (spool.Segment, error)
	PrunedUntil(ctx context.Context) (time.Time, error)
	Segment(ctx context.Context, id string) (spool.Segment, error)
	Deliveries(ctx context.Context, segmentID string) ([]spool.Delivery, error)
	Open(seg spool.Segment) (*os.File, error)
}

// Destination is where footage is fetched from that is not on this host any more.
type Destination struct {
	Name    string // in the ledger
	Bucket  string
	Presign func(ctx context.Context, key, name string, valid time.Duration) (string, error)
}

// Page answers requests and follows the state. Run has to run for that.
type Page struct {
	opts    Options
	watch   *watch
	origins *origins
	plays   chan struct{} // one for each file that is being served
	trouble *outage.Outage
	mux     *http.ServeMux
}

// New prepares a page.
func New(o Options) *Page {
	p := &Page{opts: o, origins: newOrigins(o.Destinations), plays: make(chan struct{}, maxPlays), trouble: outage.New(o.Log, "the page cannot be brought up to date", o.Now)}
	p.watch, p.mux = newWatch(p), p.handler()
	return p
}

// Run keeps the page up to date while somebody looks at it. When ctx ends, open
// pages are let go.
func (p *Page) Run(ctx context.Context) error { return p.watch.run(ctx) }

//go:embed assets templates
var files embed.FS

var templates = template.Must(template.New("").ParseFS(files, "templates/*.html"))

// ServeHTTP answers what is below /, and that something is not found.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		fail(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	p.mux.ServeHTTP(w, r)
}

// routes are what the page answers; openapi.yaml of package status describes them.
func (p *Page) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/":                       p.overview,
		"/assets/{name}":          asset,
		"/api/v1/timeline":        p.timeline,
		"/api/v1/moment":          p.momentAt,
		"/api/v1/events":          p.events,
		"/play/camera/{camera}":   p.player,
		"/play/segment/{segment}": p.segment,
	}
}

func (p *Page) handler() *http.ServeMux {
	mux := http.NewServeMux()
	for path, answer := range p.routes() {
		if path == "/" {
			path = "/{$}"
		}
		mux.HandleFunc(path, answer)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "Not Found") })
	return mux
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone is no news
}

func fail(w http.ResponseWriter, code int, detail string) {
	reply(w, code, map[string]string{"detail": detail})
}

package page

import (
	"bytes"
	"net/http"
)

// Waiting is why there is no state to show yet.
type Waiting struct {
	Client, What, Cause string
	Remedy              string // empty while the agent merely starts
}

// NewWaiting answers what is below / with the reason, until there is an agent whose
// state can be shown. The browser asks again by itself.
func NewWaiting(why func() Waiting) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{name}", asset)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		reason := why()
		reason.What = sentenceCase(reason.What)
		if err := templates.ExecuteTemplate(&b, "waiting.html", map[string]any{"Why": reason, "Build": build()}); err != nil {
			fail(w, http.StatusInternalServerError, "the page could not be made")
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(b.Bytes()) // a client that has gone is no news
	})
	return mux
}

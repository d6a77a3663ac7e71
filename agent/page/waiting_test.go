package page

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"recording-agent/agent/status"
)

// TestWaitsInChromium: who opens the page of an agent that cannot start reads why, and
// who has it open does as well; when the agent is there, the page is.
func TestWaitsInChromium(t *testing.T) {
	w := newWorld(t, status.Camera{ID: "gate", Name: "Gate", State: "recording", LastFrame: noon})
	failed := status.Problem{What: "the agent cannot start: nothing is recorded", Cause: "open the ledger: " + hostile, Remedy: "look at the disk", Since: noon}
	port := func(failed *status.Problem) *status.Server {
		return status.New(status.Options{
			Listen: "127.0.0.1:0", Page: w.page, Problems: w.page.opts.Problems, Snapshot: w.page.opts.Snapshot, Failed: failed, Unready: func() string { return "" }, Log: w.page.opts.Log, Now: w.clock,
			Waiting: NewWaiting(func() Waiting {
				return Waiting{Client: hostile, What: failed.What, Cause: failed.Cause, Remedy: failed.Remedy}
			}),
		})
	}
	fails, runs := port(&failed), port(nil)
	runs.Started()
	var up atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(a http.ResponseWriter, r *http.Request) {
		if up.Load() {
			runs.Handler().ServeHTTP(a, r)
			return
		}
		fails.Handler().ServeHTTP(a, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	b := openBrowser(t)
	b.look(390, true)
	b.do(chromedp.Navigate(server.URL + "/"))
	b.until("document.querySelector('#problems')?.innerText.includes(\"open the ledger: \\\"><script>alert('x')\") && !document.querySelector('img')")
	b.keep("waiting")
	checkAxe(t, b)
	up.Store(true)
	b.until("document.querySelectorAll('.bar[role=slider]').length === 1") // it asks again by itself
	up.Store(false)
	server.CloseClientConnections()
	b.until("!document.querySelector('#stale').hidden && document.querySelector('#stale').innerText.includes('The agent cannot start: nothing is recorded')")
}

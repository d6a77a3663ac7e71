package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxListeners = 24               // pages that are open at once
	aliveEvery   = 15 * time.Second // a page hears something at least so often
	sendWithin   = 10 * time.Second // what is sent to a page has to be taken
	comeBack     = 3 * time.Second  // how long a page waits before it connects again
)

var errCrowded = errors.New("too many pages are open; close one")

func (w *watch) listen() (chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || len(w.listeners) >= maxListeners {
		return nil, errCrowded
	}
	c := make(chan struct{}, 1)
	w.listeners[c] = true
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return c, nil
}

func (w *watch) leave(c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.listeners, c)
}

func (w *watch) current() *shown {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown
}

// events answers GET /api/v1/events?span=&seen=: what has changed of the page, as server-sent
// events, until the page goes or the agent ends.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	c, err := p.watch.listen()
	if err != nil {
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer p.watch.leave(c)
	if _, err := p.watch.look(r.Context(), lookEvery); err != nil {
		p.failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	line := http.NewResponseController(w)
	_ = line.SetReadDeadline(time.Time{}) // the server's is meant for requests
	send := func(text string) bool {
		_ = line.SetWriteDeadline(time.Now().Add(sendWithin))
		_, err := w.Write([]byte(text))
		return err == nil && line.Flush() == nil
	}
	seen := p.watch.seen(r)
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	on, due := send(fmt.Sprintf("retry: %d\n\n", comeBack.Milliseconds())), true
	for on {
		if s := p.watch.current(); due || s.version > seen {
			if !send(p.watch.changes(s, seen, r.FormValue("span"))) {
				return
			}
			seen = s.version
		}
		due = false
		select {
		case _, on = <-c:
		case <-r.Context().Done():
			return
		case <-alive.C:
			due = true // a page has to know that what it shows is of now
		}
	}
}

// seen is the version that a page has; 0 if that was of another run of the agent.
func (w *watch) seen(r *http.Request) int {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.FormValue("seen")
	}
	run, number, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(number)
	if err != nil || run != w.id {
		return 0
	}
	return n
}

// changes is an event with the fragments that are newer than what was seen.
func (w *watch) changes(s *shown, seen int, over string) string {
	changed := map[string]string{}
	for id, f := range s.fragments {
		if element := visible(id, over); f.version > seen && element != "" {
			changed[element] = f.html
		}
	}
	data, _ := json.Marshal(map[string]any{"at": s.at.UnixMilli(), "layout": s.layout, "html": changed}) // of strings: it cannot fail
	return fmt.Sprintf("id: %s/%d\nevent: changes\ndata: %s\n\n", w.id, s.version, data)
}

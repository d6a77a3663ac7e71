package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// gateway stands before the store and notes what the store has acknowledged, of
// whoever sent it.
type gateway struct {
	address string // host:port

	server *http.Server
	done   chan struct{}
	mu     sync.Mutex
	parts  map[string]map[int]int64 // sizes, by object and part number
	whole  map[string]bool          // objects that are complete
}

func openGateway(endpoint string) (*gateway, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("the store's address: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the way to the store: %w", err)
	}
	g := &gateway{address: listener.Addr().String(), done: make(chan struct{}), parts: map[string]map[int]int64{}, whole: map[string]bool{}}
	g.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: g.note,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}}
	go func() {
		defer close(g.done)
		_ = g.server.Serve(listener) // ends with ErrServerClosed
	}()
	return g, nil
}

func (g *gateway) close() {
	_ = g.server.Close()
	<-g.done
}

// note takes down what the store says it has.
func (g *gateway) note(answer *http.Response) error {
	r, q := answer.Request, answer.Request.URL.Query()
	if answer.StatusCode != http.StatusOK {
		return nil
	}
	object := strings.TrimPrefix(r.URL.Path, "/")
	g.mu.Lock()
	defer g.mu.Unlock()
	switch number, err := strconv.Atoi(q.Get("partNumber")); {
	case r.Method == http.MethodPut && err == nil:
		if g.parts[object] == nil {
			g.parts[object] = map[int]int64{}
		}
		g.parts[object][number] = r.ContentLength
	case r.Method == http.MethodPut, r.Method == http.MethodPost && q.Has("uploadId"):
		g.whole[object] = true
		delete(g.parts, object)
	}
	return nil
}

// stored is how much of an object the store holds from its beginning on without a
// hole, in bytes, and whether that is all of it.
func (g *gateway) stored(object string) (size int64, whole bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n := 1; g.parts[object][n] > 0; n++ {
		size += g.parts[object][n]
	}
	return size, g.whole[object]
}

// watch follows the files of a recorder on their way to the store.
type watch struct {
	gateway *gateway
	dir     string
	object  func(file string) string // under which it is stored
	files   map[string][]growth      // of those that are not whole in the store
	settled map[string]bool
	ages    []time.Duration // of the oldest footage that is not in the store, at each look
}

type growth struct {
	at   time.Time
	size int64
}

// written is how long footage may have been in memory before it came to the disk:
// a part, or a group of pictures, is written at its end.
const written = time.Second

const lookEvery = 100 * time.Millisecond

// run looks until ctx ends.
func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			w.look(now)
		}
	}
}

func (w *watch) look(now time.Time) {
	for file, size := range videos(w.dir) {
		if known := w.files[file]; !w.settled[file] && (len(known) == 0 || known[len(known)-1].size < size) {
			w.files[file] = append(known, growth{now, size})
		}
	}
	oldest := now
	for file, grown := range w.files {
		size, whole := w.gateway.stored(w.object(file))
		if whole {
			delete(w.files, file)
			w.settled[file] = true
			continue
		}
		for _, g := range grown {
			if g.size > size {
				if g.at.Before(oldest) {
					oldest = g.at
				}
				break
			}
		}
	}
	if len(w.files)+len(w.settled) > 0 {
		w.ages = append(w.ages, now.Sub(oldest)+written)
	}
}

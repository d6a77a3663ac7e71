package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"recording-agent/agent/central/centraltest"
	"recording-agent/agent/torture/check"
)

const (
	roleCentral  = "central"
	centralToken = "torture"
)

// centralOrder is what central's process is told.
type centralOrder struct {
	Listen  string
	Journal string
	Cameras []string
}

// central is the central server's process. Each row is in its journal before the call
// is answered, so that it can be killed like everything else.
type central struct {
	server *centraltest.Server
	mode   atomic.Value // string: how it answers

	mu      sync.Mutex
	journal *os.File
}

// newCentral makes one that knows what is in the journal.
func newCentral(o centralOrder) (*central, error) {
	c := &central{}
	c.mode.Store("")
	rows, err := knownRows(o.Journal)
	if err != nil {
		return nil, err
	}
	if c.journal, err = os.OpenFile(o.Journal, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return nil, err
	}
	c.server = centraltest.New(centraltest.Options{Token: centralToken, ClientName: clientName, Cameras: o.Cameras, Rows: rows, Keep: c.keep})
	return c, nil
}

// serveCentral serves until its standard input ends; each line there says how calls
// are answered from then on: "500", "401", "silent", "lost", or "" for as they should.
func serveCentral(order string) error {
	var o centralOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	c, err := newCentral(o)
	if err != nil {
		return err
	}
	defer c.journal.Close()
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second, ConnContext: remembering}
	go func() {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			c.mode.Store(in.Text())
		}
		_ = server.Close()
	}()
	fmt.Println("ready")
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// remembering lets a connection remember the row that was registered last over it.
func remembering(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connection{}, new(string))
}

// connection is the key under which it does.
type connection struct{}

func (c *central) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.arrived(r.Context().Value(connection{}).(*string))
	register := strings.HasSuffix(r.URL.Path, "/register")
	switch mode := c.mode.Load().(string); {
	case mode == "500":
		centraltest.Answer(http.StatusInternalServerError, "Internal server error")(w, r, nil)
	case mode == "401":
		centraltest.Answer(http.StatusUnauthorized, "Unauthorized")(w, r, nil)
	case mode == "silent": // it takes effect, and is not answered while the client waits
		if register {
			c.server.ServeHTTP(nowhere{http.Header{}}, r)
		}
		c.whileSilent(r.Context())
		panic(http.ErrAbortHandler)
	case mode == "lost":
		centraltest.LoseAnswer(w, r, c.server)
	case register:
		c.register(w, r)
	default:
		c.server.ServeHTTP(w, r)
	}
}

// whileSilent waits until the client has gone, or calls are answered again.
func (c *central) whileSilent(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for c.mode.Load() == "silent" {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// arrived notes that the client goes on over a connection: so it had the answer to
// what it registered over it.
func (c *central) arrived(registered *string) {
	if *registered != "" {
		c.write(check.Line{Answered: *registered})
		*registered = ""
	}
}

func (c *central) register(w http.ResponseWriter, r *http.Request) {
	answer := &reader{ResponseWriter: w}
	c.server.ServeHTTP(answer, r)
	var body struct {
		ID string `json:"recording_id"`
	}
	if json.Unmarshal(answer.body, &body) == nil {
		*r.Context().Value(connection{}).(*string) = body.ID
	}
}

// reader reads an answer along.
type reader struct {
	http.ResponseWriter
	body []byte
}

func (r *reader) Write(p []byte) (int, error) {
	r.body = append(r.body, p...)
	return r.ResponseWriter.Write(p)
}

type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

func (c *central) keep(r centraltest.Recording) {
	c.write(check.Line{Row: &check.Row{
		ID: r.ID, Segment: r.IdempotencyKey, Camera: r.CameraID, Key: r.FilePath, Size: r.FileSize, Statuses: r.Statuses,
	}})
}

func (c *central) write(l check.Line) {
	line, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.journal.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// knownRows are those of the runs before.
func knownRows(journal string) (out []centraltest.Recording, err error) {
	rows, err := check.Rows(journal)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, r := range rows {
		row := centraltest.Recording{ID: r.ID, IdempotencyKey: r.Segment, CameraID: r.Camera, FilePath: r.Key, FileSize: r.Size, Statuses: r.Statuses}
		out = append(out, row)
	}
	return out, nil
}

// Package panics keeps a panic in one camera's code, or in that of another part, from
// ending the agent. What was recovered enters; an error, a count for each camera and a readable log leave: the
// stack once for each place in the code, from then on a line at most once a minute.
package panics

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// Every is how often a place that panics again and again is said in the log.
	Every = time.Minute
	// maxText bounds what a panic may say: it may be about what a camera has sent.
	maxText = 300
)

// Book is what is known of all cameras' panics. It is safe for concurrent use.
type Book struct {
	log zerolog.Logger
	now func() time.Time

	mu      sync.Mutex
	places  map[string]*place
	cameras map[string]Status
}

// place is a line of code that has panicked.
type place struct {
	times int
	said  time.Time
}

// Status is what is known of one camera's panics.
type Status struct {
	Count int64     // since the agent was started
	Last  time.Time // zero when there was none
	What  string    // the last one, and where
}

// NewBook returns an empty one that reports to log.
func NewBook(log zerolog.Logger, now func() time.Time) *Book {
	return &Book{log: log, now: now, places: map[string]*place{}, cameras: map[string]Status{}}
}

// Of returns a camera's page of the book; it is the same one whenever it is asked for.
func (b *Book) Of(camera string) *Page { return &Page{book: b, camera: camera} }

// Own is the page of the code that is no camera's.
func (b *Book) Own() *Page { return b.Of("") }

// Page is the panics of one camera.
type Page struct {
	book   *Book
	camera string
}

// Error is a panic as an error.
type Error struct {
	Doing string // what was done, as in "writing to the disk"
	What  string // it said
	Place string // file and line
}

func (e *Error) Error() string {
	return fmt.Sprintf("panic while %s: %s (%s)", e.Doing, e.What, e.Place)
}

// Gap is the kind of gap that it leaves (spool.AgentFault).
func (e *Error) Gap() string { return "agent fault" }

// Explain returns what to tell the operator.
func (e *Error) Explain() (cause, remedy string) { return e.Error(), Remedy }

// Remedy is what to do about a panic.
const Remedy = "this is a fault of the agent: report it together with the stack in its log"

// Caught reports what recover has returned, and makes an error of it. It is called in
// the deferred function itself: the stack is still there.
// One that was reported before, and is passed on, is returned as it is.
func (p *Page) Caught(doing string, recovered any) *Error {
	if e, known := recovered.(*Error); known {
		return e
	}
	e := &Error{Doing: doing, What: text(recovered), Place: origin()}
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	s := b.cameras[p.camera]
	s.Count, s.Last, s.What = s.Count+1, now, e.Error()
	b.cameras[p.camera] = s
	b.say(p.camera, e, now)
	return e
}

// say says the first panic of a place with its stack. The mutex is held.
func (b *Book) say(camera string, e *Error, now time.Time) {
	event, rest := b.log.Error(), "; the cameras go on, and it begins anew"
	if camera != "" {
		event, rest = event.Str("camera", camera), "; the camera goes on"
	}
	event = event.Str("place", e.Place).Str("cause", e.What)
	at := b.places[e.Place]
	switch {
	case at == nil:
		at = &place{}
		b.places[e.Place] = at
		event = event.Str("stack", string(debug.Stack()))
	case now.Sub(at.said) < Every && !now.Before(at.said):
		at.times++
		return
	}
	at.times++
	at.said = now
	event.Int("times", at.times).Str("remedy", Remedy).Msg("panic while " + e.Doing + rest)
}

// Guard does something, and makes an error of its panic; nil if there was none.
func (p *Page) Guard(doing string, do func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = p.Caught(doing, r)
		}
	}()
	do()
	return nil
}

// Status returns what is known of the camera's panics.
func (p *Page) Status() Status {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	return p.book.cameras[p.camera]
}

func text(recovered any) string {
	r := []rune(fmt.Sprint(recovered))
	if len(r) > maxText {
		return string(r[:maxText]) + "…"
	}
	return string(r)
}

// origin is the line that has panicked: the first that is not the runtime's below the
// one that has called panic.
func origin() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(f.Function, "runtime."):
			dir := f.File[:max(0, strings.LastIndexByte(f.File, '/'))]
			return f.File[strings.LastIndexByte(dir, '/')+1:] + fmt.Sprintf(":%d", f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// eventLog tells Windows' event log what an operator should see there: that the service started and
// stopped, and what is logged as a warning or an error. The same of the same camera once an
// hour; the log file has all.
type eventLog struct {
	sink eventSink
	now  func() time.Time

	mu   sync.Mutex
	all  *rate.Limiter
	said map[string]time.Time // what was told when
	left int                  // what was not told since the last that was
}

// eventSink is where events go. The ids are those of the messages.
type eventSink interface {
	Info(id uint32, text string) error
	Warning(id uint32, text string) error
	Error(id uint32, text string) error
}

// The ids of events. A filter or an alarm may rely on them.
const (
	eventState   = 1 // the service has started, or stopped
	eventWarning = 2
	eventError   = 3
)

const (
	eventAgain = time.Hour
	eventBurst = 30   // at once, and as many an hour
	eventKinds = 1000 // different ones that are remembered
	eventBytes = 8 << 10
)

func newEventLog(sink eventSink, now func() time.Time) *eventLog {
	return &eventLog{sink: sink, now: now, all: rate.NewLimiter(rate.Every(eventAgain/eventBurst), eventBurst), said: map[string]time.Time{}}
}

// say, warn and fail tell what concerns the service itself: always. There is nobody to tell that
// the event log takes nothing.
func (e *eventLog) say(text string)  { _ = e.sink.Info(eventState, eventText(text)) }
func (e *eventLog) warn(text string) { _ = e.sink.Warning(eventWarning, eventText(text)) }
func (e *eventLog) fail(text string) { _ = e.sink.Error(eventError, eventText(text)) }

// Write implements io.Writer.
func (e *eventLog) Write(line []byte) (int, error) { return len(line), nil }

// WriteLevel implements zerolog.LevelWriter: line is an event of the log, in JSON.
func (e *eventLog) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	if level < zerolog.WarnLevel || level > zerolog.PanicLevel {
		return len(line), nil
	}
	fields := map[string]any{}
	if json.Unmarshal(line, &fields) != nil {
		return len(line), nil
	}
	text, tell := e.readable(fields)
	switch {
	case !tell:
	case level == zerolog.WarnLevel:
		e.warn(text)
	default:
		e.fail(text)
	}
	return len(line), nil
}

// readable is what is logged as a text, and whether it is its turn to be told.
func (e *eventLog) readable(fields map[string]any) (text string, tell bool) {
	key := fmt.Sprint(fields[zerolog.MessageFieldName], fields["camera"], fields["destination"], fields["cause"])
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if before, ok := e.said[key]; ok && now.Sub(before).Abs() < eventAgain || !e.all.AllowN(now, 1) {
		e.left++
		return "", false
	}
	if len(e.said) >= eventKinds {
		clear(e.said)
	}
	e.said[key] = now
	var out strings.Builder
	fmt.Fprintln(&out, fields[zerolog.MessageFieldName])
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != zerolog.MessageFieldName && name != zerolog.LevelFieldName && name != zerolog.TimestampFieldName {
			fmt.Fprintf(&out, "\n%s: %v", name, fields[name])
		}
	}
	if e.left > 0 {
		fmt.Fprintf(&out, "\n\n%d other messages were left out here; the log file has them.", e.left)
		e.left = 0
	}
	return out.String(), true
}

// eventText is a text as the event log takes it: what cameras and servers say is part of it.
// Windows ends it at a NUL, and would put texts of its own in where two percent signs stand.
func eventText(text string) string {
	text = strings.ReplaceAll(text, "\x00", " ")
	for strings.Contains(text, "%%") {
		text = strings.ReplaceAll(text, "%%", "% %")
	}
	if len(text) <= eventBytes {
		return text
	}
	end := eventBytes
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

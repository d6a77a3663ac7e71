package main

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"recording-agent/agent/config"
)

// logLevel is what is logged at least. It may change while the agent runs.
type logLevel struct{ min atomic.Int32 }

func (l *logLevel) set(name string) {
	level, err := zerolog.ParseLevel(name)
	if err != nil {
		level = zerolog.InfoLevel // the configuration has validated it
	}
	l.min.Store(int32(level))
}

// Run implements zerolog.Hook.
func (l *logLevel) Run(e *zerolog.Event, level zerolog.Level, _ string) {
	if int32(level) < l.min.Load() {
		e.Discard()
	}
}

// newLog opens the log that the configuration asks for; what it says goes to events as
// well, unless that is nil. The closer is to be called when nothing is logged any more.
func newLog(c config.Log, events zerolog.LevelWriter) (zerolog.Logger, *logLevel, io.Closer) {
	level := &logLevel{}
	level.set(c.Level)
	zerolog.DurationFieldUnit = time.Second
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	if c.File == "" && underServiceManager() {
		c.File = config.SystemLogFile()
	}
	var out io.Writer = os.Stderr
	var closer io.Closer = io.NopCloser(nil)
	var trouble error
	console := c.Format == "console" || c.Format == "auto" && c.File == "" && term.IsTerminal(int(os.Stderr.Fd()))
	if c.File != "" {
		if trouble = writable(c.File); trouble == nil {
			file := newLogFile(c)
			out, closer = file, file
		}
	}
	if console && trouble == nil {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: "15:04:05.000", NoColor: c.File != ""}
	}
	if events != nil {
		out = zerolog.MultiLevelWriter(out, events)
	}
	log := zerolog.New(out).Hook(level).With().Timestamp().Logger()
	if trouble != nil {
		log.Error().Err(trouble).Msg("log.file cannot be written: the log goes to standard error; correct log.file, or the rights of its directory")
	}
	return log, level, closer
}

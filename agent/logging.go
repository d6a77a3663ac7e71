package main

import (
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
	"gopkg.in/natefinch/lumberjack.v2"

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

// newLog opens the log that the configuration asks for. The closer is to be
// called when nothing is logged any more.
func newLog(c config.Log) (zerolog.Logger, *logLevel, io.Closer) {
	level := &logLevel{}
	level.set(c.Level)
	zerolog.DurationFieldUnit = time.Second
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	if c.File == "" && underServiceManager() {
		c.File = config.SystemLogFile()
	}
	var out io.Writer = os.Stderr
	var closer io.Closer = io.NopCloser(nil)
	console := c.Format == "console" || c.Format == "auto" && c.File == "" && term.IsTerminal(int(os.Stderr.Fd()))
	if c.File != "" {
		if err := writable(c.File); err != nil {
			log := zerolog.New(os.Stderr).Hook(level).With().Timestamp().Logger()
			log.Error().Err(err).Msg("log.file cannot be written: the log goes to standard error; correct log.file, or the rights of its directory")
			return log, level, closer
		}
		file := &lumberjack.Logger{
			Filename: c.File, MaxSize: int(max(1, c.MaxSize>>20)), MaxAge: int(max(1, c.MaxAge/(24*time.Hour))), MaxBackups: c.MaxFiles,
		}
		out, closer = file, file
	}
	if console {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: "15:04:05.000", NoColor: c.File != ""}
	}
	return zerolog.New(out).Hook(level).With().Timestamp().Logger(), level, closer
}

// writable makes a log file and its directory: the library that writes it would
// say nothing of one that it cannot open.
func writable(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	return f.Close()
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"recording-agent/agent/config"
)

// settle is how long a changed file has to be left alone before it is read:
// editors write in several steps.
const settle = time.Second

// watchConfig has a changed configuration applied once it is valid. It looks when
// the file is changed, and at SIGHUP also when what the file names may have been:
// secrets in files of their own. known is what the file held when it was last read.
// It runs until ctx ends.
func watchConfig(ctx context.Context, path string, known config.Sum, hangup <-chan os.Signal, log zerolog.Logger, apply func(*config.Config)) error {
	events, errs, stop := watchFile(path, log)
	defer stop()
	settled := time.After(settle) // it may have been changed since the start
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-events:
			if filepath.Base(event.Name) == filepath.Base(path) {
				settled = time.After(settle)
			}
		case err := <-errs:
			log.Debug().Err(err).Msg("watching the configuration file")
		case <-hangup:
			known = sumOf(path)
			reload(path, log, apply)
		case <-settled:
			if sum := sumOf(path); sum != known {
				known = sum
				reload(path, log, apply)
			}
		}
	}
}

// sumOf is that of nothing for a file that cannot be read: why is told when it is
// loaded.
func sumOf(path string) config.Sum {
	data, _ := os.ReadFile(path)
	return config.SumOf(data)
}

// catchHangup remembers a SIGHUP from now on: without that, one ends the program.
func catchHangup() (hangup <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP) // Windows has no such signal: then it never comes
	return c, func() { signal.Stop(c) }
}

// watchFile watches a file; where that is not possible nothing ever comes.
func watchFile(path string, log zerolog.Logger) (<-chan fsnotify.Event, <-chan error, func()) {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		// The directory, because most editors replace the file.
		if err = watcher.Add(filepath.Dir(path)); err != nil {
			watcher.Close()
		}
	}
	if err != nil {
		log.Warn().Err(err).Msg("changes of the configuration file will not be noticed; where there is SIGHUP, it makes the agent read the file")
		return nil, nil, func() {}
	}
	return watcher.Events, watcher.Errors, func() { watcher.Close() }
}

func reload(path string, log zerolog.Logger, apply func(*config.Config)) {
	cfg, err := config.Load(path, config.System())
	if err != nil {
		log.Warn().Str("problems", fmt.Sprint(err)).Msg("the configuration was changed and is not valid; the agent goes on with the one it has, and would not start again")
		return
	}
	apply(cfg)
}

// apply lets the agent follow a configuration as far as it can without a restart.
func (a *agent) apply(cfg *config.Config) {
	for _, w := range cfg.Warnings {
		a.log.Warn().Msg(w)
	}
	a.level.set(cfg.Log.Level)
	a.configure(cfg)
	log := a.log.Info()
	said := "the configuration was read anew and is in force"
	if keys := config.NeedsRestart(a.cfg, cfg); len(keys) > 0 {
		log, said = a.log.Warn(), "the configuration was read anew; needs a restart: "+strings.Join(keys, ", ")+"; the rest is in force"
	}
	log.Int("cameras", len(cfg.Cameras)).Msg(said)
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"recording-agent/agent/config"
)

// settle is how long a changed file has to be left alone before it is read:
// editors write in several steps.
const settle = time.Second

// watchConfig says in the log when the configuration file is changed: whether it
// is valid, and that it takes a restart. It runs until ctx ends.
func watchConfig(ctx context.Context, path string, log zerolog.Logger) error {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		// The directory, because most editors replace the file.
		err = watcher.Add(filepath.Dir(path))
	}
	if err != nil {
		log.Warn().Err(err).Msg("changes of the configuration file will not be noticed")
		return nil
	}
	read := func() []byte {
		data, _ := os.ReadFile(path) // what cannot be read is told apart when it is loaded
		return data
	}
	known := read()
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			if filepath.Base(event.Name) == filepath.Base(path) {
				settled = time.After(settle)
			}
		case err := <-watcher.Errors:
			log.Debug().Err(err).Msg("watching the configuration file")
		case <-settled:
			if data := read(); !bytes.Equal(data, known) {
				known = data
				judgeConfig(path, log)
			}
		}
	}
}

func judgeConfig(path string, log zerolog.Logger) {
	if _, err := config.Load(path, config.System()); err != nil {
		log.Warn().Str("problems", fmt.Sprint(err)).Msg("the configuration was changed and is not valid; the agent goes on with the one it has, and would not start again")
		return
	}
	log.Info().Msg("the configuration was changed and is valid; restart the agent to apply it")
}

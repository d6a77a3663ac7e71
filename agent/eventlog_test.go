package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
)

// eventful is a log whose events are remembered.
func eventful() (zerolog.Logger, *recordedEvents) {
	sink := &recordedEvents{}
	return zerolog.New(zerolog.MultiLevelWriter(io.Discard, newEventLog(sink, time.Now))), sink
}

func TestEventsAreReadable(t *testing.T) {
	log, sink := eventful()
	log.Info().Msg("camera is new")
	log.Warn().Str("camera", "gate").Str("remedy", "look at its \"load\"").Int("attempts", 3).Msg("camera delivers no footage")
	log.Error().Err(errors.New("100%%1 full\x00")).Msg("segment is lost")
	want := []string{
		"warning 2 camera delivers no footage\n\nattempts: 3\ncamera: gate\nremedy: look at its \"load\"",
		"error 3 segment is lost\n\nerror: 100% %1 full ",
	}
	if len(sink.events) != len(want) || sink.events[0] != want[0] || sink.events[1] != want[1] {
		t.Errorf("events %q, want %q", sink.events, want)
	}
}

func TestEventsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, sink := eventful()
		for range 180 { // each minute, for three hours
			log.Warn().Str("camera", "gate").Msg("camera delivers no footage")
			time.Sleep(time.Minute)
		}
		if len(sink.events) != 3 || !strings.HasSuffix(sink.events[1], "\n\n59 other messages were left out here; the log file has them.") {
			t.Errorf("%d events of one trouble: %q", len(sink.events), sink.events)
		}
		log.Warn().Str("camera", "yard").Msg("camera delivers no footage")
		if len(sink.events) != 4 || !strings.Contains(sink.events[3], "yard") {
			t.Errorf("that of another camera is not told: %q", sink.events)
		}
		time.Sleep(24 * time.Hour)
		before := len(sink.events)
		for i := range 5000 { // of as many cameras
			log.Error().Int("camera", i).Msg("camera delivers no footage")
		}
		if n := len(sink.events) - before; n != eventBurst {
			t.Errorf("%d events at once, want %d", n, eventBurst)
		}
	})
}

func FuzzEventText(f *testing.F) {
	for _, text := range []string{"", "100 %", "%%%%1", "a\x00b", strings.Repeat("ä", eventBytes), "\xff" + strings.Repeat("\x80", 2*eventBytes)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := eventText(text)
		if strings.Contains(got, "%%") || strings.Contains(got, "\x00") || len(got) > eventBytes+len("…") {
			t.Errorf("%q becomes %q, %d bytes", text, got, len(got))
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q is cut within a character", text)
		}
	})
}

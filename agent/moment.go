package main

import (
	"fmt"
	"time"

	"recording-agent/agent/config"
)

// parseMoment reads a time as people write it: RFC 3339, a local date with or
// without a time of day, or how long ago it was.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	if ago, err := config.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf(`%q is no time: write it like "2026-01-02 15:04", "2026-01-02", "2026-01-02T15:04:05Z", or "24h" or "7d" for so long ago`, text)
}

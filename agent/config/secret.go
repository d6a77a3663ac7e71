package config

import (
	"os"
	"strings"
)

// Secret is a value that must not be shown: it prints as stars in every way that
// Go prints values.
type Secret struct {
	value string
	file  string // that it was read from; empty: it does not change while the agent runs

	credential string // name of the systemd credential that it is; else empty
}

const hidden = "***"

// Reveal returns the value, for the one place that has to use it.
func (s Secret) Reveal() string { return s.value }

// Current returns the value that is in force now: that of a file is read again, since
// others may renew it. What cannot be read, or is empty, leaves the value as it was.
func (s Secret) Current() string {
	if s.file == "" {
		return s.value
	}
	data, err := os.ReadFile(s.file)
	if text := withoutNewline(data); err == nil && text != "" {
		return text
	}
	return s.value
}

func withoutNewline(data []byte) string { return strings.TrimRight(string(data), "\r\n") }

// IsSet says whether there is a value.
func (s Secret) IsSet() bool { return s.value != "" }

// String hides the value.
func (s Secret) String() string { return hidden }

// GoString hides the value.
func (s Secret) GoString() string { return hidden }

// MarshalText hides the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

package config

// Secret is a value that must not be shown: it prints as stars in every way that
// Go prints values.
type Secret struct{ value string }

const hidden = "***"

// Reveal returns the value, for the one place that has to use it.
func (s Secret) Reveal() string { return s.value }

// IsSet says whether there is a value.
func (s Secret) IsSet() bool { return s.value != "" }

// String hides the value.
func (s Secret) String() string { return hidden }

// GoString hides the value.
func (s Secret) GoString() string { return hidden }

// MarshalText hides the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

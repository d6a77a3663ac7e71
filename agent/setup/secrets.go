package setup

import (
	"fmt"
	"strings"
	"unicode"
)

// Secrets is where secrets come from. Never from the command line: every user of the
// host can read it while the command runs.
type Secrets struct {
	Lookup func(variable string) (string, bool)           // the environment
	File   map[string]string                              // what a file or standard input holds, by the same names
	Ask    func(question string) (answer string, e error) // on a terminal, unseen; nil: there is none
}

// maxSecret is the longest secret in bytes.
const maxSecret = 8 << 10

// Get returns a secret: of the variable in the file, else in the environment, else asked
// for. Where it is not needed it may be empty.
func (s *Secrets) Get(variable, what string, needed bool) (string, error) {
	value := s.File[variable]
	if value == "" {
		value, _ = s.Lookup(variable)
	}
	if value == "" && s.Ask != nil {
		question := what
		if !needed {
			question += " (empty: none)"
		}
		var err error
		if value, err = s.Ask(question + ": "); err != nil {
			return "", fmt.Errorf("ask for the %s: %w", what, err)
		}
	}
	switch {
	case value == "" && needed:
		return "", fmt.Errorf("the %s is missing: set the environment variable %s, or write %s=… into a file and name that with --secrets (\"-\" is standard input)", what, variable, variable)
	case len(value) > maxSecret || strings.IndexFunc(value, unicode.IsControl) >= 0:
		return "", fmt.Errorf("the %s is not one line of text of up to %d bytes", what, maxSecret)
	}
	return value, nil
}

// StoreKeys returns the two keys of a store, or neither: then the SDK looks for them
// itself.
func (s *Secrets) StoreKeys(prefix, store string) (id, secret string, err error) {
	if id, err = s.Get(prefix+"_ACCESS_KEY_ID", "access key id of "+store, false); err != nil || id == "" {
		return "", "", err
	}
	secret, err = s.Get(prefix+"_SECRET_ACCESS_KEY", "secret access key of "+store, true)
	return id, secret, err
}

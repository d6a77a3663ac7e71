// Package fetch copies a stored object into a file: what was cut short is gone on
// with, and the copy is checked before it gets its name.
package fetch

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest is how many bytes of a name are kept: file systems take 255, and the name
// of the unfinished copy is longer.
const longest = 200

// reserved are devices on Windows, with whatever ending.
var reserved = map[string]bool{"CON": true, "PRN": true, "AUX": true, "NUL": true, "CONIN$": true, "CONOUT$": true}

// FileName is the name under which a copy of an object is kept: what is behind the
// last slash of its key, without what no file system takes. Keys come from elsewhere:
// whatever they hold, it is a plain name that neither leads into another directory
// nor is hidden.
func FileName(key string) (string, error) {
	name := key[strings.LastIndexByte(key, '/')+1:]
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(`\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	for len(name) > longest {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	name = strings.TrimRight(name, ". ")
	if name == "" {
		return "", fmt.Errorf("the key %q does not end with the name of a file: name one with -o", key)
	}
	device, _, _ := strings.Cut(strings.ToUpper(name), ".")
	device = strings.TrimRight(device, " ")
	numbered := len(device) > 3 && (strings.HasPrefix(device, "COM") || strings.HasPrefix(device, "LPT")) && utf8.RuneCountInString(device) == 4
	if name[0] == '.' || name[0] == '-' || reserved[device] || numbered {
		name = "_" + name
	}
	return name, nil
}

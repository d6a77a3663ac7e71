package config

import (
	"reflect"
	"strings"
	"unicode"
)

// live are the parts of a Config that can change while the agent runs, by their
// names in Go.
var live = map[string]bool{
	"Path": true, "Sum": true, "Warnings": true, // these are no settings
	"Agent.Zone": true, "Cameras": true, "Segment": true, "Log.Level": true,
}

// NeedsRestart lists the keys in which two configurations differ and that take
// effect at a start only, as they are written in the file: a key of its section,
// or a whole list like mirror.
func NeedsRestart(before, after *Config) (keys []string) {
	return differences("", "", reflect.ValueOf(*before), reflect.ValueOf(*after))
}

// differences compares two structs field by field. A section or a key that is
// added to them later is compared as well.
func differences(path, name string, before, after reflect.Value) (keys []string) {
	for i := range before.NumField() {
		field := before.Type().Field(i)
		fieldPath, fieldName := join(path, field.Name), join(name, keyOf(field))
		a, b := before.Field(i), after.Field(i)
		switch {
		case live[fieldPath] || reflect.DeepEqual(a.Interface(), b.Interface()):
		case path == "" && a.Kind() == reflect.Struct:
			keys = append(keys, differences(fieldPath, fieldName, a, b)...)
		default:
			keys = append(keys, fieldName)
		}
	}
	return keys
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// keyOf is the key of a field: AccessKeyID is access_key_id. A list of tables is
// plural here and singular there.
func keyOf(field reflect.StructField) string {
	var out strings.Builder
	runes := []rune(field.Name)
	for i, r := range runes {
		begins := i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	key := out.String()
	if field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct {
		key = strings.TrimSuffix(key, "s")
	}
	return key
}

package config

import "strings"

// Key is a key of the configuration, as the code that reads it knows it.
type Key struct {
	Section string // like camera, upload.window
	Name    string
	Type    string // what is written, like "duration"
	Default string // as it is written, without quotes; empty: none
	Limits  string // like "5s to 1h"; empty: those that its meaning names
}

// Describe returns all keys, in the order in which they are read. It asks the code that
// reads a configuration, so that it knows no more and no less. Of a mirror it returns
// what [s3] has not.
func Describe() []Key {
	one := func() []map[string]any { return []map[string]any{{}} }
	root := map[string]any{
		"camera": []map[string]any{{"schedule": one()}}, "mirror": one(),
		"upload": map[string]any{"window": one()},
	}
	p := &parser{env: Env{WithoutSecrets: true, Lookup: func(string) (string, bool) { return "", false }}, described: &[]Key{}}
	p.config(root)
	var out []Key
	known := map[string]bool{}
	for _, k := range *p.described {
		known[k.Section+"."+k.Name] = true
		if k.Section != "mirror" || !known["s3."+k.Name] {
			out = append(out, k)
		}
	}
	return out
}

// is notes what a key is, when that is asked for. What is said last counts: a choice is
// a text as well.
func (s *section) is(name, kind, fallback, limits string) {
	if s.p.described == nil {
		return
	}
	key := Key{Section: element.ReplaceAllString(s.name, ""), Name: name, Type: kind, Default: fallback, Limits: limits}
	for i, k := range *s.p.described {
		if k.Section == key.Section && k.Name == name {
			(*s.p.described)[i] = key
			return
		}
	}
	*s.p.described = append(*s.p.described, key)
}

// orEmpty lists choices for people; an empty one is to leave the key out.
func orEmpty(choices []string) string {
	return strings.TrimPrefix(strings.Join(choices, ", "), ", ")
}

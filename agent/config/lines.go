package config

import (
	"strconv"
	"strings"
)

// lineNumbers finds the line on which each key of a TOML text stands, by its
// path: "segment.part", "camera[2].url". The TOML library keeps no positions of
// keys. The text has been parsed before, so that it is known to be well-formed.
func lineNumbers(text string) map[string]int {
	s := &lineScanner{lines: map[string]int{}, tables: map[string]int{}}
	for n, line := range strings.Split(text, "\n") {
		s.line(n+1, line)
	}
	return s.lines
}

type lineScanner struct {
	lines  map[string]int
	tables map[string]int // how many elements an array of tables has so far
	prefix string
	quote  string // the end of a multi-line string that is open
	depth  int    // of brackets that are open
}

func (s *lineScanner) line(n int, line string) {
	if s.quote != "" || s.depth > 0 {
		s.value(line)
		return
	}
	line = strings.TrimSpace(line)
	switch {
	case line == "" || line[0] == '#':
	case strings.HasPrefix(line, "[["):
		name := s.inside(line[2:])
		s.prefix = name + "[" + strconv.Itoa(s.tables[name]) + "]"
		s.tables[name]++
		s.lines[s.prefix] = n
	case line[0] == '[':
		s.prefix = s.inside(line[1:])
		s.lines[s.prefix] = n
	default:
		key, rest := dotted(line)
		if s.prefix != "" {
			key = s.prefix + "." + key
		}
		s.lines[key] = n
		s.value(rest)
	}
}

// inside reads the name of a table. What is in an array of tables is in its last
// element: after two of [[camera]], camera.schedule is camera[1].schedule.
func (s *lineScanner) inside(text string) string {
	name, _ := dotted(text)
	parts := strings.Split(name, ".")
	path := parts[0]
	for _, part := range parts[1:] {
		if n := s.tables[path]; n > 0 {
			path += "[" + strconv.Itoa(n-1) + "]"
		}
		path += "." + part
	}
	return path
}

// dotted reads a key, whose parts may be quoted, up to "=" or "]".
func dotted(text string) (key, rest string) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t':
		case '=', ']':
			return out.String(), text[i+1:]
		case '"', '\'':
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				return out.String(), ""
			}
			out.WriteString(text[i+1 : i+1+end])
			i += end + 1
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), ""
}

// value follows strings and brackets to know where the value ends.
func (s *lineScanner) value(text string) {
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case s.quote != "":
			if s.quote[0] == '"' && rest[0] == '\\' {
				i += 2
				continue
			}
			if strings.HasPrefix(rest, s.quote) {
				i += len(s.quote)
				s.quote = ""
				continue
			}
		case strings.HasPrefix(rest, `"""`), strings.HasPrefix(rest, "'''"):
			s.quote = rest[:3]
			i += 3
			continue
		case rest[0] == '"' || rest[0] == '\'':
			s.quote = rest[:1]
		case rest[0] == '#':
			return
		case rest[0] == '[' || rest[0] == '{':
			s.depth++
		case rest[0] == ']' || rest[0] == '}':
			s.depth--
		}
		i++
	}
	if len(s.quote) == 1 { // such a string ends with its line
		s.quote = ""
	}
}

package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parser collects the problems of one file.
type parser struct {
	file     string
	env      Env
	lines    map[string]int
	problems Errors

	described *[]Key // what the keys are, for Describe; else nil
}

func (p *parser) problem(key, wrong, instead string) {
	p.problems = append(p.problems, Problem{File: p.file, Line: p.lineOf(key), Key: key, Wrong: wrong, Instead: instead})
}

// lineOf finds the line of a key, or of what it stands in.
func (p *parser) lineOf(key string) int {
	for key != "" {
		if n, ok := p.lines[key]; ok {
			return n
		}
		cut := strings.LastIndexByte(key, '.')
		if cut < 0 {
			break
		}
		key = key[:cut]
	}
	return 0
}

// section is one table. Each key is taken out by the accessor of its type; what
// is left in the end is not known.
type section struct {
	p      *parser
	name   string
	values map[string]any
	known  []string
}

func (p *parser) section(root map[string]any, name string) *section {
	s := &section{p: p, name: name}
	switch v := root[name].(type) {
	case nil:
	case map[string]any:
		s.values = v
	default:
		p.problem(name, "is not a table", "write ["+name+"]")
	}
	delete(root, name)
	return s
}

// element is which one of an array of tables is meant.
var element = regexp.MustCompile(`\[[0-9]+\]`)

// sections is an array of tables; path is its whole name.
func (p *parser) sections(root map[string]any, path string) []*section {
	name := path[strings.LastIndex(path, ".")+1:]
	instead := "write [[" + element.ReplaceAllString(path, "") + "]]"
	defer delete(root, name)
	var tables []map[string]any
	switch v := root[name].(type) {
	case nil:
		return nil
	case []map[string]any:
		tables = v
	case []any:
		for _, e := range v {
			t, ok := e.(map[string]any)
			if !ok {
				p.problem(path, "holds "+kindOf(e)+" where a table is wanted", instead)
				continue
			}
			tables = append(tables, t)
		}
	default:
		p.problem(path, "is not a list of tables", instead)
	}
	var out []*section
	for i, t := range tables {
		out = append(out, &section{p: p, name: fmt.Sprintf("%s[%d]", path, i), values: t})
	}
	return out
}

func (s *section) key(name string) string { return s.name + "." + name }

func (s *section) problem(name, wrong, instead string) { s.p.problem(s.key(name), wrong, instead) }

func (s *section) has(name string) bool {
	_, ok := s.values[name]
	return ok
}

// take returns a value and notes that its key is known.
func take[T any](s *section, name string, fallback T, kind string) (T, bool) {
	s.known = append(s.known, name)
	v, there := s.values[name]
	if !there {
		return fallback, false
	}
	t, ok := v.(T)
	if !ok {
		s.problem(name, fmt.Sprintf("is %s", kindOf(v)), "write "+kind)
		return fallback, false
	}
	return t, true
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a text in quotes"
	case int64:
		return "a whole number"
	case float64:
		return "a number"
	case bool:
		return "true or false without quotes"
	case []any:
		return "a list"
	case map[string]any, []map[string]any:
		return "a table"
	}
	return "a date or time"
}

func (s *section) text(name, fallback string) string {
	s.is(name, "text", fallback, "")
	v, _ := take(s, name, fallback, `a text in quotes, like "`+example(fallback)+`"`)
	if !s.plain(name, v) {
		return fallback
	}
	return v
}

func example(fallback string) string {
	if fallback == "" {
		return "…"
	}
	return fallback
}

func (s *section) flag(name string, fallback bool) bool {
	s.is(name, "true or false", strconv.FormatBool(fallback), "")
	v, _ := take(s, name, fallback, "true or false, without quotes")
	return v
}

func (s *section) count(name string, fallback, low, high int) int {
	s.is(name, "whole number", strconv.Itoa(fallback), fmt.Sprintf("%d to %d", low, high))
	v, ok := take(s, name, int64(fallback), "a whole number")
	if ok && (v < int64(low) || v > int64(high)) {
		s.problem(name, fmt.Sprintf("%d is out of range", v), fmt.Sprintf("write %d to %d", low, high))
		return fallback
	}
	return int(v)
}

func (s *section) choice(name string, choices ...string) string {
	v := s.text(name, choices[0])
	s.is(name, "one of a list", choices[0], orEmpty(choices))
	if !slices.Contains(choices, v) {
		s.problem(name, fmt.Sprintf("%q is not known", v), "write one of "+orEmpty(choices))
		return choices[0]
	}
	return v
}

func (s *section) texts(name string) []string {
	s.is(name, "list of texts", "", "")
	list, _ := take[[]any](s, name, nil, `a list of texts, like ["…"]`)
	var out []string
	for _, e := range list {
		t, ok := e.(string)
		if !ok {
			s.problem(name, "holds "+kindOf(e), `write a list of texts, like ["…"]`)
			continue
		}
		out = append(out, t)
	}
	return out
}

func (s *section) duration(name string, fallback, low, high time.Duration) time.Duration {
	const how = `a duration in quotes, like "`
	s.is(name, "duration", short(fallback), short(low)+" to "+short(high))
	text, ok := take(s, name, "", how+short(fallback)+`"`)
	if !ok {
		return fallback
	}
	d, err := ParseDuration(text)
	if err != nil {
		s.problem(name, fmt.Sprintf("%q is no duration", text), "write "+how+short(fallback)+`"`)
		return fallback
	}
	if d < low || d > high {
		s.problem(name, fmt.Sprintf("%s is out of range", text), fmt.Sprintf("write %s to %s", short(low), short(high)))
		return fallback
	}
	return d
}

// short prints a duration without its zero parts.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	if d > day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ParseDuration knows days ("7d") besides Go's units.
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0 && n < 36500) {
			return 0, fmt.Errorf("%q is no number of days", days)
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	return time.ParseDuration(text)
}

func (s *section) size(name string, fallback, low, high int64) int64 {
	const how = `a size in quotes, like "`
	s.is(name, "size", sizeText(fallback), sizeRange(low, high))
	text, ok := take(s, name, "", how+sizeText(fallback)+`"`)
	if !ok {
		return fallback
	}
	n, ok := parseSize(text)
	if !ok {
		s.problem(name, fmt.Sprintf("%q is no size", text), "write "+how+sizeText(fallback)+`"`)
		return fallback
	}
	if n < low || n > high {
		s.problem(name, fmt.Sprintf("%s is out of range", text), fmt.Sprintf("write %s to %s", sizeText(low), sizeText(high)))
		return fallback
	}
	return n
}

// share is a part of a disk: a size, a percentage, or both with "or" between.
func (s *section) share(name string, fallback Share) Share {
	const how = `a size or a percentage in quotes, like "2GiB", "5%" or "5% or 2GiB" for whichever is less`
	s.is(name, "size, percentage, or both", fallback.text(), "0% to 90%")
	text, ok := take(s, name, "", how)
	if !ok {
		return fallback
	}
	var out Share
	for part := range strings.SplitSeq(text, " or ") {
		number, percent := strings.CutSuffix(strings.TrimSpace(part), "%")
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		bytes, size := parseSize(number)
		switch {
		case percent && err == nil && n >= 0 && n <= 90:
			out.Percent = n
		case !percent && size:
			out.Bytes = bytes
		default:
			s.problem(name, fmt.Sprintf("%q is neither a size nor 0%% to 90%%", part), "write "+how)
			return fallback
		}
	}
	return out
}

// bandwidth is in bytes per second; 0 when the key is not there, is empty or "0".
func (s *section) bandwidth(name string) (bytesPerSecond int64) {
	const how = `write a bandwidth in quotes, like "20Mbit"`
	s.is(name, "bandwidth", "", "8kbit to 1000Gbit")
	text, ok := take(s, name, "", `a bandwidth in quotes, like "20Mbit"`)
	if !ok || text == "0" || text == "" {
		return 0
	}
	unit := strings.TrimLeft(text, "0123456789. ")
	scale, ok := bitUnits[unit]
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, unit)), 64)
	if !ok || err != nil {
		s.problem(name, fmt.Sprintf("%q is no bandwidth", text), how)
		return 0
	}
	if n *= scale; !(n >= 8e3 && n <= 1e12) {
		s.problem(name, fmt.Sprintf("%s is out of range", text), "write 8kbit to 1000Gbit")
		return 0
	}
	return int64(n / 8)
}

var bitUnits = map[string]float64{"bit": 1, "kbit": 1e3, "Mbit": 1e6, "Gbit": 1e9}

// clock is a time of day, as what has passed since midnight.
func (s *section) clock(name string) time.Duration {
	const how = `a time of day in quotes, like "08:00"`
	s.is(name, "time of day", "", "00:00 to 24:00")
	text, ok := take(s, name, "", how)
	if !ok {
		if !s.has(name) {
			s.problem(name, "is missing", "write "+how)
		}
		return 0
	}
	if text == "24:00" {
		return 24 * time.Hour
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		s.problem(name, fmt.Sprintf("%q is no time of day", text), "write "+how)
		return 0
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
}

var sizeUnits = map[string]int64{
	"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

func parseSize(text string) (int64, bool) {
	unit := strings.TrimLeft(text, "0123456789. ")
	scale, ok := sizeUnits[unit]
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, unit)), 64)
	if !ok || err != nil || !(n >= 0) || n*float64(scale) > anySize {
		return 0, false
	}
	return int64(n * float64(scale)), true
}

func sizeText(n int64) string {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		if n > 0 && n%sizeUnits[unit] == 0 {
			return strconv.FormatInt(n/sizeUnits[unit], 10) + unit
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// secret resolves env:NAME, file:/path and cred:NAME; anything else is the value itself.
func (s *section) secret(name string) Secret {
	text := s.text(name, "")
	s.is(name, "secret", "", "")
	if variable, ok := strings.CutPrefix(text, "env:"); ok {
		v, there := s.p.env.Lookup(variable)
		if (!there || v == "") && !s.p.env.WithoutSecrets {
			s.problem(name, "the environment variable "+variable+" is not set", "set it for the agent (a service has an environment of its own), or write file:/path")
		}
		return Secret{value: v}
	}
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		data, err := s.p.env.ReadFile(path)
		text := withoutNewline(data)
		switch {
		case s.p.env.WithoutSecrets:
		case err != nil:
			s.problem(name, "the file cannot be read: "+err.Error(), "check path and permissions")
		case text == "":
			s.problem(name, "the file "+path+" is empty", "write the secret into it")
		}
		return Secret{value: text, file: path}
	}
	if credential, ok := strings.CutPrefix(text, "cred:"); ok {
		return s.credential(name, credential)
	}
	return Secret{value: text}
}

// unset says whether a reference led to nothing, which was reported.
func (s *section) unset(name string) bool {
	text, _ := s.values[name].(string)
	if variable, ok := strings.CutPrefix(text, "env:"); ok {
		v, _ := s.p.env.Lookup(variable)
		return v == ""
	}
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		data, _ := s.p.env.ReadFile(path)
		return withoutNewline(data) == ""
	}
	return strings.HasPrefix(text, "cred:")
}

// anySize is a limit that no disk comes to.
const anySize = 1 << 60

func sizeRange(low, high int64) string {
	if high == anySize {
		return ""
	}
	return sizeText(low) + " to " + sizeText(high)
}

func (s Share) text() string {
	return strconv.FormatFloat(s.Percent, 'f', -1, 64) + "% or " + sizeText(s.Bytes)
}

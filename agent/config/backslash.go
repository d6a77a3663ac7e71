package config

import "strings"

// inSingleQuotes is what to do about a path of Windows: in double quotes a backslash begins something else,
// so that "C:\footage" holds a form feed.
const inSingleQuotes = `write paths of Windows in single quotes, like 'D:\footage', or with "/"`

// plain says whether a text holds no control characters; else it reports them.
func (s *section) plain(name, text string) bool {
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return true
	}
	s.problem(name, "holds a control character, which may be a backslash and the letter behind it", inSingleQuotes)
	return false
}

// backslashHint is what to do about a text that is not valid TOML, if the line has a backslash in
// double quotes.
func backslashHint(text string, line int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	_, quoted, _ := strings.Cut(lines[line-1], `"`)
	if strings.Contains(quoted, `\`) {
		return inSingleQuotes
	}
	return ""
}

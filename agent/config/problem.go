package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong in a configuration file.
type Problem struct {
	File    string
	Line    int    // 0 when it stands nowhere, as a missing key
	Key     string // for example camera[2].url
	Wrong   string
	Instead string // what to write
}

func (p Problem) String() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	text := where + ": "
	if p.Key != "" {
		text += p.Key + ": "
	}
	text += p.Wrong
	if p.Instead != "" {
		text += "; " + p.Instead
	}
	return text
}

// Errors are all problems of a file, in the order of their lines.
type Errors []Problem

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/joho/godotenv"
)

// maxDotenv is the largest .env in bytes.
const maxDotenv = 1 << 20

// ReadDotenv reads NAME=value lines as python-dotenv does, which the predecessor used:
// quotes, export, comments, any line ends, a byte order mark; the last of several lines
// of a name counts. What "${NAME}" stands for is not put in, and a comment alone is no
// value. A line that cannot be read,
// or a value over several lines, costs only itself, and is among the complaints, which
// repeat nothing of any value.
//
// It goes line by line: the library's own errors repeat the file, secrets and all.
func ReadDotenv(r io.Reader) (values map[string]string, complaints []string, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDotenv+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(data) > maxDotenv:
		return nil, nil, errors.New("it is larger than 1 MiB: that is no .env")
	case !utf8.Valid(data) || bytes.ContainsRune(data, 0):
		return nil, nil, errors.New("it is not text in UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	values = map[string]string{}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if more := continued(lines[i:]); more > 0 {
			complaints = append(complaints, fmt.Sprintf("lines %d to %d are one value over several lines: it is left out", i+1, i+1+more))
			i += more
			continue
		}
		name, value, ok := dotenvLine(lines[i])
		switch {
		case name == "" && ok:
		case !ok:
			complaints = append(complaints, fmt.Sprintf("line %d cannot be read as NAME=value: it is left out", i+1))
		default:
			values[name] = value
		}
	}
	return values, complaints, nil
}

// opens is the beginning of a value in quotes that does not end on its line.
var opens = regexp.MustCompile(`^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_.]*\s*=\s*(?:'(?:[^'\\]|\\.)*|"(?:[^"\\]|\\.)*)\\?$`)

// continued says over how many further lines the value goes on that the first begins.
// What stands on those looks like settings, and is none. One whose quote is never closed
// is a line that cannot be read.
func continued(lines []string) int {
	if !opens.MatchString(lines[0]) {
		return 0
	}
	_, value, _ := strings.Cut(lines[0], "=")
	quote := strings.TrimSpace(value)[:1]
	closes := regexp.MustCompile(`^(?:[^` + quote + `\\]|\\.)*` + quote)
	for i, line := range lines[1:] {
		if closes.MatchString(line) {
			return i + 1
		}
	}
	return 0
}

// ReadDotenvFile reads a file, or standard input where it is "-".
func ReadDotenvFile(path string, stdin io.Reader) (values map[string]string, complaints []string, err error) {
	if path == "-" {
		if values, complaints, err = ReadDotenv(stdin); err != nil {
			err = fmt.Errorf("read standard input: %w", err)
		}
		return values, complaints, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if values, complaints, err = ReadDotenv(f); err != nil {
		err = fmt.Errorf("read %s: %w", path, err)
	}
	return values, complaints, err
}

var (
	// comment is what follows a value without quotes, from the first # behind a blank.
	comment = regexp.MustCompile(`^([^=]*=(?:[ \t]*[^\s'"].*?)?)[ \t]+#.*$`)
	// noValue is a name alone, which python-dotenv takes for nothing.
	noValue = regexp.MustCompile(`^\s*(export\s+)?[A-Za-z_][A-Za-z0-9_.]*\s*(#.*)?$`)
	assigns = regexp.MustCompile(`^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_.]*\s*=\s*('(?:[^'\\]|\\.)*'\s*(?:#.*)?$|"(?:[^"\\]|\\.)*"\s*(?:#.*)?$|[^'"\s]|$)`)
)

// dotenvLine reads one line; without a name there is nothing on it.
func dotenvLine(line string) (name, value string, ok bool) {
	if text := strings.TrimSpace(line); text == "" || strings.HasPrefix(text, "#") || noValue.MatchString(line) {
		return "", "", true
	}
	line = comment.ReplaceAllString(line, "$1")
	if !assigns.MatchString(line) {
		return "", "", false
	}
	// The library would put variables in where there is a "$", also in a password.
	const dollar = "\x00"
	got, err := godotenv.Unmarshal(strings.ReplaceAll(line, "$", dollar))
	if err != nil || len(got) != 1 {
		return "", "", false
	}
	for name, value = range got {
		value = strings.ReplaceAll(value, dollar, "$")
	}
	return name, value, true
}

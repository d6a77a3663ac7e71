package setup

import (
	"bufio"
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
// value. A line that cannot be read
// costs only itself, and is among the complaints, which repeat nothing of any value.
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
	lines := bufio.NewScanner(bytes.NewReader(bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))))
	lines.Buffer(nil, maxDotenv+1)
	for n := 1; lines.Scan(); n++ {
		name, value, ok := dotenvLine(lines.Text())
		switch {
		case name == "" && ok:
		case !ok:
			complaints = append(complaints, fmt.Sprintf("line %d cannot be read as NAME=value: it is left out", n))
		default:
			values[name] = value
		}
	}
	return values, complaints, lines.Err()
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

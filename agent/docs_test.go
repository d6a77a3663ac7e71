package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are the texts that people read: by their names.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	return readAll(t, append(files, "../README.md", "../SECURITY.md"))
}

func readAll(t *testing.T, files []string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[file] = strings.ReplaceAll(string(data), "\r\n", "\n")
	}
	return out
}

// snippets are the lines of code blocks, with those that go on joined, and what stands
// between `backquotes`.
func snippets(page string) (code []string) {
	page = strings.ReplaceAll(page, "\\\n", " ")
	block := regexp.MustCompile(`(?m)^ {4,}(.*)$`)
	for _, m := range block.FindAllStringSubmatch(page, -1) {
		code = append(code, m[1])
	}
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(block.ReplaceAllString(page, ""), -1) {
		code = append(code, m[1])
	}
	return code
}

// commandLine is one that can be typed; behind what ends it is a comment, or another command.
var (
	commandLine = regexp.MustCompile(`^(?:sudo )?(?:bin/)?recording-agent( .*)?$`)
	commandEnds = regexp.MustCompile(` #| &|;| \|.*$`)
)

// tryCommandLine parses a command without running it.
func tryCommandLine(line string) (found bool, err error) {
	m := commandLine.FindStringSubmatch(commandEnds.Split(line, 2)[0])
	if m == nil {
		return false, nil
	}
	args := strings.Fields(strings.ReplaceAll(m[1], "…", ""))
	c, rest, err := rootCommand().Find(args)
	if err != nil {
		return true, err
	}
	c.InitDefaultHelpFlag()
	if err := c.ParseFlags(rest); err != nil {
		return true, err
	}
	if c.Flags().NArg() == 0 && c.Flags().NFlag() == 0 {
		return true, nil // named only, or with what is left out
	}
	return true, c.ValidateArgs(c.Flags().Args())
}

// Each command that is shown exists, with these flags and arguments.
func TestPagesShowCommandsThatExist(t *testing.T) {
	n := 0
	for file, text := range pages(t) {
		for _, line := range snippets(text) {
			found, err := tryCommandLine(line)
			if found {
				n++
			}
			if err != nil {
				t.Errorf("%s shows %q: %v", file, line, err)
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d commands were found", n)
	}
	for _, wrong := range []string{"recording-agent chek", "recording-agent check --policy", "sudo recording-agent start now"} {
		if _, err := tryCommandLine(wrong); err == nil {
			t.Errorf("%q would pass", wrong)
		}
	}
}

// So does what the agent, its packages and its unit tell people to type.
func TestMessagesNameCommandsThatExist(t *testing.T) {
	var files []string
	for _, dir := range []string{".", "../capture", "../uploader", "../packaging"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if ext := filepath.Ext(path); (ext == ".go" || ext == ".sh" || ext == ".toml" || ext == ".service") && !strings.HasSuffix(path, "_test.go") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	quoted := regexp.MustCompile(`(?:\[\]byte\()?"((?:sudo )?recording-agent [^"%\\+<]+)\\?"`)
	n := 0
	for file, text := range readAll(t, append(files, "../agent.example.toml")) {
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[0], "[]byte(") {
				continue // told to nobody
			}
			n++
			if _, err := tryCommandLine(m[1]); err != nil {
				t.Errorf("%s tells of %q: %v", file, m[1], err)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d commands were found", n)
	}
}

// What is to be made can be made.
func TestPagesNameTargetsThatExist(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for file, text := range pages(t) {
		for _, line := range snippets(text) {
			m := regexp.MustCompile(`^make ([a-z -]+)`).FindStringSubmatch(line)
			if m == nil {
				continue
			}
			for target := range strings.FieldsSeq(m[1]) {
				n++
				if !strings.Contains("\n"+string(makefile), "\n"+target+":") {
					t.Errorf("%s shows %q: there is no target %s", file, line, target)
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d targets were found", n)
	}
}

// What the pages ask the status port for is answered there, or so says its description.
func TestPagesAskForWhatIsAnswered(t *testing.T) {
	description, err := os.ReadFile("status/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	answered := regexp.MustCompile(`(?m)^  (/\S*):$`).FindAllStringSubmatch(string(description), -1)
	asked := regexp.MustCompile(`(?:127\.0\.0\.1:8001|GET |POST )(/[^\s?'"<` + "`" + `]*)`)
	n := 0
	for file, text := range pages(t) {
		for _, line := range snippets(text) {
			for _, m := range asked.FindAllStringSubmatch(line, -1) {
				n++
				known := slices.ContainsFunc(answered, func(a []string) bool {
					path := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(a[1]), `[^/]+`)
					return regexp.MustCompile("^" + path + "$").MatchString(m[1])
				})
				if !known {
					t.Errorf("%s asks for %s: there is nothing", file, m[1])
				}
			}
		}
	}
	if n < 12 {
		t.Errorf("only %d paths were found", n)
	}
}

package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	out := map[string]string{}
	for _, file := range append(files, "../../README.md") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[file] = strings.ReplaceAll(string(data), "\r\n", "\n")
	}
	return out
}

// What the pages show of a configuration is valid.
func TestPagesShowValidConfiguration(t *testing.T) {
	look := testEnv
	look.WithoutSecrets = true
	block := regexp.MustCompile(`(?m)(?:^    .*\n|^\n)*^    \[[a-z\[].*\n(?:    .*\n|\n(?:    ))*`)
	n := 0
	for file, text := range pages(t) {
		before := minimal
		if strings.HasSuffix(file, "README.md") {
			before = "" // it shows the least that is needed
		}
		for _, b := range block.FindAllString(text, -1) {
			toml := regexp.MustCompile(`(?m)^    `).ReplaceAllString(b, "")
			toml = toml[strings.Index("\n"+toml, "\n["):]
			n++
			if _, err := Parse(filepath.Base(file), []byte(before+toml), look); err != nil {
				t.Errorf("%v in\n%s", err, toml)
			}
		}
	}
	if n < 7 {
		t.Errorf("only %d pieces of configuration were found", n)
	}
}

// Links lead to where there is something.
func TestLinksOfPages(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#: ]*)(?:#([^) ]*))?\)`)
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInAnchor := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	all := pages(t)
	for file, text := range all {
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			to := filepath.Join(filepath.Dir(file), filepath.FromSlash(l[1]))
			if l[1] == "" {
				to = filepath.Clean(file)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", file, l[0])
			}
			if l[2] == "" {
				continue
			}
			found := false
			for _, h := range heading.FindAllStringSubmatch(all[filepath.ToSlash(to)], -1) {
				found = found || strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == l[2]
			}
			if !found {
				t.Errorf("%s: %s leads to no heading", file, l[0])
			}
		}
	}
}
